//===- BuilderTest.cpp - C++ expressions against .attn texts ----*- C++ -*-===//
#include "attn/Builder.h"
#include "dialect/Attn.h"
#include "frontends/text/Import.h"
#include "llvm/Support/MemoryBuffer.h"
#include "gtest/gtest.h"

using namespace attn::lang;

namespace {

/// The module of a text, printed without the text itself; its errors if it has
/// any.
std::string imported(llvm::StringRef text) {
  mlir::MLIRContext context;
  attn::text::SourceManager sources;
  attn::text::Diagnostics diagnostics(sources);
  auto module = attn::text::importSource(context, sources, "test.attn", text,
                                         {}, diagnostics);
  if (!module)
    return diagnostics.str();
  for (auto cascade : module->getOps<attn::CascadeOp>())
    cascade.removeDocAttr();
  std::string printed;
  llvm::raw_string_ostream os(printed);
  module->print(os);
  return printed;
}

/// An example without its comments, which the builder does not write.
std::string example(llvm::StringRef name) {
  auto buffer = llvm::MemoryBuffer::getFile(ATTN_SOURCE_DIR "/examples/" +
                                            name + ".attn");
  EXPECT_TRUE(buffer) << name.str();
  llvm::StringRef text = (*buffer)->getBuffer();
  return text.substr(text.find("\ncascade ")).str();
}

void expectSame(const Program &program, llvm::StringRef name) {
  EXPECT_EQ(imported(program.text()), imported(example(name)))
      << program.text();
}

class BuilderTest : public testing::Test {
protected:
  Program program;
  Rank b{"b"}, h{"h"}, g{"g"}, y{"y"}, m{"m"}, n{"n"}, d{"d"}, e{"e"}, t{"t"};
};

TEST_F(BuilderTest, GroupedHeads) {
  Cascade f = program.cascade("gqa");
  Tensor Q = f.input("Q", bf16, {b, h, m, d});
  Tensor K = f.input("K", bf16, {b, g, n, d});
  Tensor V = f.input("V", bf16, {b, g, n, e});
  Tensor O = f.output("O", bf16, {b, h, m, e});
  Tensor L = f.output("L", f32, {b, h, m});
  f.product(h, {g, y});
  Tensor S = f.tensor("S");
  S[{b, h, m, n}] =
      (sum[d](Q * K) / sqrt(extent(d))).where(n <= m + extent(n) - extent(m));
  O[{b, h, m, e}] = sum[n](softmax[n](S) * V);
  L[{b, h, m}] = logsumexp[n](S);
  expectSame(program, "gqa");
}

TEST_F(BuilderTest, RecurrenceWithState) {
  Cascade f = program.cascade("retention");
  Tensor Q = f.input("Q", bf16, {b, h, t, d});
  Tensor K = f.input("K", bf16, {b, h, t, d});
  Tensor V = f.input("V", bf16, {b, h, t, e});
  Tensor gamma = f.input("gamma", f32, {h});
  Tensor H0 = f.input("H0", f32, {b, h, d, e});
  Tensor O = f.output("O", bf16, {b, h, t, e});
  Tensor H1 = f.output("H1", f32, {b, h, d, e}, "into H0");
  Tensor H = f.tensor("H");
  H[{b, h, -1, d, e}] = H0;
  H[{b, h, t, d, e}] = gamma * H[{b, h, t - 1, d, e}] + K * V;
  O[{b, h, t, e}] = sum[d](Q * H);
  H1[{b, h, d, e}] = H[{b, h, extent(t) - 1, d, e}];
  expectSame(program, "retention");
}

TEST_F(BuilderTest, SelectionAsASet) {
  Rank p("p"), i("i"), j("j");
  Cascade f = program.cascade("quest");
  Tensor Q = f.input("Q", bf16, {b, h, d});
  Tensor K = f.input("K", bf16, {b, h, n, d});
  Tensor V = f.input("V", bf16, {b, h, n, e});
  Tensor len = f.input("len", i32, {b});
  Tensor k = f.constant("k", i32, 64);
  Tensor O = f.output("O", bf16, {b, h, e});
  f.product(n, {p, {i, 16}});
  f.extent(j, k);
  Tensor lo = f.tensor("lo"), hi = f.tensor("hi"), U = f.tensor("U"),
         J = f.tensor("J"), S = f.tensor("S");
  lo[{b, h, p, d}] = min[i](K.where(n < len));
  hi[{b, h, p, d}] = max[i](K.where(n < len));
  U[{b, h, p}] = sum[d](max(Q * lo, Q * hi)).where(p * extent(i) < len);
  J[{b, h, j}] = topk[p >> j](U);
  S[{b, h, n}] =
      (sum[d](Q * K) / sqrt(extent(d))).where(n < len && member[j](J, p));
  O[{b, h, e}] = sum[n](softmax[n](S) * V);
  expectSame(program, "zoo/select-24-quest/quest");
}

TEST_F(BuilderTest, FunctionsAreWhatDefinitionsAre) {
  auto capped = [](const Expr &x, const Expr &c) { return c * tanh(x / c); };
  Cascade f = program.cascade("f");
  Tensor A = f.input("A", f32, {n});
  Tensor B = f.output("B", f32, {n});
  B[n] = capped(A + 1, 30);
  EXPECT_NE(program.text().find("B[n] = 30 * tanh((A + 1) / 30)"),
            std::string::npos)
      << program.text();
  EXPECT_NE(imported(program.text()).find("attn.cascade @f"),
            std::string::npos);
}

TEST_F(BuilderTest, MonoidsAndSeveralResults) {
  Op both = program.define(
      "monoid both(x = 0, y = -inf) + (x', y') = (x + x', max(y, y'))");
  Cascade f = program.cascade("f");
  Tensor A = f.input("A", f32, {b, n});
  Tensor X = f.output("X", f32, {b}), Y = f.output("Y", f32, {b});
  define({X[b], Y[b]}, both[n](A * 0.5, A));
  std::string module = imported(program.text());
  EXPECT_NE(module.find("attn.monoid"), std::string::npos) << module;
}

TEST_F(BuilderTest, OperatorsKeepTheirTree) {
  Cascade f = program.cascade("f");
  Tensor A = f.input("A", f32, {n}), B = f.input("B", f32, {n});
  Tensor C = f.output("C", f32, {n});
  struct Row {
    Expr expr;
    const char *text;
  };
  for (auto &[expr, text] : std::vector<Row>{
           {(A + B) * A, "(A + B) * A"},
           {A - (B - A), "A - (B - A)"},
           {A / (B * A), "A / (B * A)"},
           {-(A + B), "-(A + B)"},
           {pow(-A, 2), "(-A) ^ 2"},
           {-pow(A, 2), "-A ^ 2"},
           {(A + B).at(n, n - 1).optional(), "(A + B)[n := n - 1]?"},
           {A.where(n < 3).orElse(B), "A where n < 3 else B"},
           {A.orElse(B.where(n < 3)), "A else (B where n < 3)"},
           {!(n < 3 && n > 1) || n == 2, "not (n < 3 and n > 1) or n == 2"},
           {floordiv(n, 2) % 3, "n // 2 % 3"},
           {Expr(1.0), "1.0"},
           {Expr(-2), "-2"},
           {A * Expr(-2), "A * -2"},
           {Expr(0.1), "0.10000000000000001"}})
    EXPECT_EQ(expr.str(), text);
}

} // namespace
