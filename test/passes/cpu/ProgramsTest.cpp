//===- ProgramsTest.cpp - whole programs against the interpreter *- C++ -*-===//
// Each program is compiled as it is written (every definition a step) and as
// the derivation leaves it, and both must agree with its interpretation.
//===----------------------------------------------------------------------===//
#include "compiler/Arguments.h"
#include "compiler/Backend.h"
#include "compiler/Execute.h"
#include "compiler/Files.h"
#include "compiler/Oracle.h"
#include "compiler/Pipelines.h"
#include "mlir/Pass/PassManager.h"
#include "passes/Passes.h"
#include "gtest/gtest.h"

using namespace attn;

namespace {

struct Case {
  const char *file; // or a program
  std::vector<std::pair<std::string, int64_t>> shape;
  std::vector<NameValue> consts, scalars;
};

void check(const Case &c, bool derived) {
  Options options;
  options.shape = c.shape;
  options.consts = c.consts;
  options.inputs = c.scalars;
  options.seed = 7;
  std::unique_ptr<Program> program;
  if (llvm::StringRef(c.file).ends_with(".attn")) {
    options.file = std::string(ATTN_SOURCE_DIR "/") + c.file;
    program = loadFile(options);
  } else {
    text::ImportOptions import;
    for (auto &[name, value] : c.consts)
      import.consts[name] = value;
    program = loadText("program.attn", c.file, import);
  }
  ASSERT_TRUE(program);
  CascadeOp cascade = chooseCascade(*program, options);
  ASSERT_TRUE(cascade);
  Arguments arguments;
  ASSERT_EQ(makeArguments(cascade, options, arguments), ExitOk);
  auto exact =
      interpret(cascade, arguments.inputs, interpretOptions(arguments));
  ASSERT_TRUE(bool(exact)) << llvm::toString(exact.takeError());

  mlir::OwningOpRef<mlir::ModuleOp> module(
      mlir::cast<mlir::ModuleOp>(program->module.get()->clone()));
  mlir::PassManager passes(program->context.get());
  if (derived)
    buildDerivation(passes);
  else
    passes.nest<CascadeOp>().addPass(createAttnGuards());
  ASSERT_TRUE(mlir::succeeded(passes.run(*module)));
  auto target = codegenOptions("native");
  ASSERT_TRUE(bool(target)) << llvm::toString(target.takeError());
  auto generated = generate(*module, *target);
  ASSERT_TRUE(bool(generated)) << llvm::toString(generated.takeError());
  auto jit = Jit::compile(std::move(*generated));
  ASSERT_TRUE(bool(jit)) << llvm::toString(jit.takeError());
  auto outputs = execute((*jit)->find(symbolName(cascade.getSymName())),
                         cascade, arguments.inputs, arguments.extents);
  ASSERT_TRUE(bool(outputs)) << llvm::toString(outputs.takeError());
  Oracle oracle(cascade, arguments.inputs, interpretOptions(arguments));
  for (auto [i, want] : llvm::enumerate(*exact))
    EXPECT_EQ(oracle.compare(i, (*outputs)[i], want).problem, "");
}

class Programs : public testing::TestWithParam<Case> {};

TEST_P(Programs, AsWritten) { check(GetParam(), false); }
TEST_P(Programs, Derived) { check(GetParam(), true); }

const Case cases[] = {
    {"examples/alibi.attn",
     {{"b", 1}, {"h", 3}, {"m", 5}, {"n", 7}, {"d", 3}, {"e", 5}},
     {},
     {}},
    {"examples/gqa.attn",
     {{"b", 1}, {"h", 4}, {"g", 2}, {"m", 7}, {"n", 5}, {"d", 3}, {"e", 4}},
     {},
     {}},
    {"examples/retention.attn",
     {{"b", 2}, {"h", 2}, {"t", 5}, {"d", 3}, {"e", 4}},
     {},
     {}},
    {"examples/gated_delta.attn",
     {{"b", 1}, {"h", 2}, {"t", 7}, {"d", 3}, {"e", 5}},
     {},
     {}},
    {"examples/zoo/linear-14-lla/lla.attn",
     {{"b", 1}, {"h", 1}, {"m", 5}, {"n", 5}, {"d", 3}, {"e", 2}},
     {{"steps", "3"}},
     {{"eps", "0.001"}, {"lam", "0.5"}}},
    {"examples/zoo/lowrank-08-nystrom/nystrom.attn",
     {{"b", 1}, {"h", 1}, {"n", 3}, {"d", 2}, {"e", 2}},
     {{"B", "2"}, {"steps", "2"}},
     {}},
    {"examples/zoo/lowrank-08-nystrom/nystrom.attn",
     {{"b", 1}, {"h", 1}, {"n", 3}, {"d", 2}, {"e", 2}},
     {{"B", "2"}, {"steps", "0"}},
     {}},
};

INSTANTIATE_TEST_SUITE_P(Examples, Programs, testing::ValuesIn(cases),
                         [](const auto &info) {
                           llvm::StringRef name = info.param.file;
                           name = name.rsplit('/').second.split('.').first;
                           return name.str() + "_" + std::to_string(info.index);
                         });

// One construct each; named by their cascade.
const Case constructs[] = {
    {R"(cascade scalars(x: f32, k: i32 = 3) -> (y: f32, z: i32)
        { y = x * 2
          z = k // 2 - 7 % k })",
     {},
     {},
     {{"x", "1.5"}}},
    {R"(cascade reductions(X: f32[m,n], I: i32[m,n]) -> (a: f32[m], b: f32[m], c: f32[m], d: i32[m], e: i32[m], f: i32[m], g: f32[m], h: f32[m], p: bool[m], q: bool[m], s: i32[m], t: i32[m])
        { Y[m,n] = X where X > 0
          a[m] = prod[n](Y)
          b[m] = max[n](Y)
          c[m] = min[n](Y)
          d[m] = count[n](Y)
          e[m] = argmax[n](Y)
          f[m] = argmin[n](Y)
          g[m] = first[n](Y)
          h[m] = last[n](Y) else 7
          p[m] = any[n](X > 0.9)
          q[m] = all[n](X > -0.9)
          s[m] = sum[n](I)
          t[m] = max[n](I where I < 0) })",
     {{"m", 5}, {"n", 4}},
     {},
     {}},
    {R"(cascade empty(X: f32[m,n]) -> (a: f32[m], b: f32[m], c: i32[m], d: i32[m])
        { a[m] = sum[n](X)
          b[m] = max[n](X)
          c[m] = count[n](X)
          d[m] = argmax[n](X) })",
     {{"m", 3}, {"n", 0}},
     {},
     {}},
    {R"(cascade kleene(X: f32[n], Y: f32[n]) -> (a: bool[n], b: bool[n], c: bool[n], d: f32[n])
        { p[n] = X > 0 where Y > 0
          q[n] = Y > 0.5
          a[n] = (p and q) else true
          b[n] = (p or q) else false
          c[n] = (not p) else true
          d[n] = select(p, X, Y) })",
     {{"n", 17}},
     {},
     {}},
    {R"(cascade halo(X: f32[n], w: f32[j=3]) -> (a: f32[n], b: f32[n], c: f32[n])
        { a[n] = sum[j](w * X[n+j-1]?)
          b[n] = sum[j](w * (X[n+j-1] else 2))
          c[n] = mean[j](X[n-j]?) })",
     {{"n", 6}},
     {},
     {}},
    {R"(cascade gather(X: f32[n,d], J: i32[j]) -> (Y: f32[j,d], Z: f32[j])
        { Y[j,d] = X[J,d]
          Z[j] = sum[d](X[J,d]) else -5 })",
     {{"n", 2}, {"d", 3}, {"j", 9}},
     {},
     {}},
    {R"(cascade scatter(X: f32[i], J: i32[i]) -> Y: f32[m]
          with m: 4
        { Y[m] = sum[i](X where J == m) })",
     {{"i", 20}},
     {},
     {}},
    {R"(cascade sorted(X: f32[b,n], Y: i32[b,n]) -> (A: i32[b,j], B: i32[b,j], C: i32[b,j], D: bool[b,n])
          with j: 5
        { A[b,j] = order[n -> j](X)
          B[b,j] = topk[n -> j](X where X > -0.5)
          C[b,j] = order[n -> j](Y % 3, -X)
          D[b,n] = member[j](B, n) })",
     {{"b", 3}, {"n", 37}},
     {},
     {}},
    {R"(cascade orderedFew(X: f32[b,n]) -> A: i32[b,j]
          with j: 5
        { A[b,j] = order[n -> j](X) })",
     {{"b", 2}, {"n", 3}},
     {},
     {}},
    {R"(monoid affine(a = 1, b = 0) + (a', b') ordered = (a * a', a' * b + b')
        monoid big(x = -inf) + (x') = max(x, x')
        cascade monoids(A: f32[m,n], B: f32[m,n]) -> (P: f32[m], Q: f32[m], R: f32[m])
        { (P[m], Q[m]) = affine[n](A, B where B > -0.5)
          R[m] = big[n](A) })",
     {{"m", 3}, {"n", 5}},
     {},
     {}},
    {R"(cascade backward(X: f32[b,t]) -> (Y: f32[b,t], Z: f32[b])
        { Y[b,|t|] = 1
          Y[b,t] = 0.5 * Y[b,t+1] + X
          Z[b] = Y[b,0] })",
     {{"b", 3}, {"t", 5}},
     {},
     {}},
    {R"(cascade wavefront(A: f32[t], B: f32[s], X: f32[t,s]) -> Y: f32[t,s]
        { Y[-1,s] = B
          Y[t,-1] = A
          Y[-1,-1] = 0
          Y[t,s] = max(max(Y[t-1,s], Y[t,s-1]), Y[t-1,s-1]) + X })",
     {{"t", 4}, {"s", 5}},
     {},
     {}},
    {R"(cascade history(L: f32[b,t,j], X: f32[b,t]) -> Y: f32[b,t]
          with j: |t|
        { Y[b,t] = X - sum[j](L * Y[b,j] where j < t) })",
     {{"b", 2}, {"t", 6}},
     {},
     {}},
    {R"(cascade mutual(X: f32[b,t], Y: f32[b,t]) -> (U: f32[b,t], V: f32[b,t])
        { U[b,-1] = 0
          U[b,t] = 0.5 * V + X
          V[b,t] = U[b,t-1] * Y })",
     {{"b", 2}, {"t", 6}},
     {},
     {}},
    {R"(cascade stop(X: f32[b,n]) -> (r: f32[b], s: i32[b])
          with k: 12
        { a[b,-1] = 8
          a[b,k] = a[b,k-1] / 2 where a[b,k-1] > 1 + max[n](X)
          r[b] = last[k](a)
          s[b] = count[k](a) })",
     {{"b", 3}, {"n", 3}},
     {},
     {}},
    {R"(cascade identityStep(X: f32[b,t], on: bool[b,t], H0: f32[b]) -> (H: f32[b,t], H1: f32[b] into H0)
        { M[b,-1] = H0
          M[b,t] = 0.9 * M[b,t-1] + X where on else M[b,t-1]
          H[b,t] = M
          H1[b] = M[b,|t|-1] })",
     {{"b", 3}, {"t", 7}},
     {},
     {}},
    {R"(cascade inPlace(K: f32[b,n], x: f32[b], p: i32) -> Kn: f32[b,n] into K
        { Kn[b,n] = x where n == p else K })",
     {{"b", 3}, {"n", 4}},
     {},
     {{"p", "2"}}},
    {R"(cascade intoSum(K: f32[b,n]) -> (S: f32[b], Kn: f32[b,n] into K)
        { S[b] = sum[n](K)
          Kn[b,n] = K + S })",
     {{"b", 3}, {"n", 4}},
     {},
     {}},
    {R"(cascade narrow(X: f32[n]) -> (a: f16[n], b: bf16[n], c: f8e4m3[n], d: f8e5m2[n], e: i8[n], f: u8[n], g: i4[n], h: f64[n])
        { a[n] = X
          b[n] = X
          c[n] = X + 4
          d[n] = X + 4
          e[n] = i8(X * 100)
          f[n] = u8(X * 100) else u8(0)
          g[n] = i4(X * 8)
          h[n] = X * 3 })",
     {{"n", 33}},
     {},
     {}},
    {R"(cascade packed4(X: i4[m,n], Y: i8[m,n]) -> Z: i4[m,n]
        { Z[m,n] = i4(i32(X) + i32(Y)) })",
     {{"m", 3}, {"n", 4}},
     {},
     {}},
    {R"(cascade rounded(X: f32[m,n]) -> Y: f32[m]
        { P[m,n]: bf16 = X * X
          Q[m,n]: i8 = i8(X * 50)
          Y[m] = sum[n](P * Q) })",
     {{"m", 3}, {"n", 5}},
     {},
     {}},
    {R"(cascade angles(x: f32[n,d=4]) -> (y: f32[n,d], z: f32[n])
        { y[n,d] = rope[d](x, n * 1000003, 10000.0)
          a[n] = n * 100003 / 7
          z[n] = cos(a) })",
     {{"n", 7}},
     {},
     {}},
    {R"(cascade random(s: i64) -> (u: f32[n], v: f32[n,m])
          with n: 20, m: 3
        { u[n] = uniform(s, n)
          v[n,m] = normal(s, n, m, 1, 2, 3) })",
     {},
     {},
     {{"s", "1234567890123"}}},
    {R"(cascade double(X: f64[m,d], Y: f64[n,d]) -> (S: f64[m,n], T: f32[m])
        { S[m,n] = softmax[n](sum[d](X * Y))
          T[m] = max[n](S) })",
     {{"m", 3}, {"n", 4}, {"d", 5}},
     {},
     {}},
    {R"(cascade sums(A: f32[p,d], B: f32[n,d], q: f32[d]) -> (S: f32[c], x: f32, y: f32)
          with c = p ++ n
        { S[c] = sum[d](q * (A else B)) where (n < 2 else true)
          x = sum[c](S)
          y = sum[p](S[p] else 0) })",
     {{"p", 3}, {"n", 4}, {"d", 2}},
     {},
     {}},
    {R"(cascade blocks(X: f32[n], Y: f32[p]) -> (a: f32[p], b: f32[n], c: i32[n])
          with n = (p, i: 4)
        { a[p] = sum[i](X)
          b[n] = X * Y
          c[n] = p * 10 + i })",
     {{"n", 10}, {"p", 3}},
     {},
     {}},
    {R"(cascade twice(X: f32[n]) -> (A: f32[n], B: f32[n], C: f32[n])
        { A[n] = X + 1
          B[n] = A
          C[n] = X })",
     {{"n", 5}},
     {},
     {}},
    {R"(cascade bisect(X: f32[b,n]) -> P: f32[b,n]
        { P[b,n] = entmax[n](X, 1.5) })",
     {{"b", 2}, {"n", 5}},
     {},
     {}},
    {R"(cascade calls(X: f32[b,n]) -> (P: f32[b,n], Q: bool[b,n], R: f32[b,n], S: i32[b,n])
        { P[b,n] = sparsemax[n](X)
          Q[b,n] = topp[n](softmax[n](X), 0.7)
          R[b,n] = layernorm[n](X)
          S[b,n] = ranking[n](X) })",
     {{"b", 2}, {"n", 6}},
     {},
     {}},
};

INSTANTIATE_TEST_SUITE_P(Constructs, Programs, testing::ValuesIn(constructs),
                         [](const auto &info) {
                           llvm::StringRef name = info.param.file;
                           name = name.split("cascade ").second;
                           return name.split('(').first.str();
                         });

} // namespace
