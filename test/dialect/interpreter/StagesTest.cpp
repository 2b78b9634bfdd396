//===- StagesTest.cpp - one meaning at every stage --------------*- C++ -*-===//
// Causal softmax attention as it is written, and as it is derived: one pass
// over tiles of the keys with a running maximum, in a kernel.
//===----------------------------------------------------------------------===//
#include "Fixture.h"
#include <random>

using namespace attn;
using namespace attn::test;

namespace {
class Stages : public InterpreterTest {};

const llvm::StringRef naive = R"(
    einsum S over m,n {
      %x = read %X[%m, %n] : @m,n:f64
      %c = attn.map le(%n, %m) : i32, i32
      %y = attn.where %x, %c : f64
      attn.yield %y : f64
    } : @m,n:f64
    einsum M over m reduce max n {
      %x = read %S[%m, %n] : @m,n:f64
      attn.yield %x : f64
    } : @m:f64
    einsum E over m,n {
      %x = read %S[%m, %n] : @m,n:f64
      %max = read %M[%m] : @m:f64
      %d = attn.map sub(%x, %max) : f64, f64
      %y = attn.map exp(%d) : f64
      attn.yield %y : f64
    } : @m,n:f64
    einsum L over m reduce sum n {
      %x = read %E[%m, %n] : @m,n:f64
      attn.yield %x : f64
    } : @m:f64
    einsum O over m reduce sum n {
      %e = read %E[%m, %n] : @m,n:f64
      %l = read %L[%m] : @m:f64
      %p = attn.map div(%e, %l) : f64, f64
      %v = read %V[%n] : @n:f64
      %y = attn.map mul(%p, %v) : f64, f64
      attn.yield %y : f64
    } : @m:f64
    attn.return %O : @m:f64)";

/// R[-1] = 0, R[p] = R[p-1] exp(M[p-1] - M[p]) + sum[i](exp(S - M[p]) factor)
std::string accumulator(std::string name, std::string factor) {
  return R"(
      einsum Tile)" +
         name + R"( over m,p reduce sum i {
        %x = read %S[%m, %p, %i] : @m,p,i:f64
        %max = read %M[%m, %p] : @m,p:f64
        %d = attn.map sub(%x, %max) : f64, f64
        %e = attn.map exp(%d) : f64
        )" +
         factor + R"(
        attn.yield %y : f64
      } : @m,p:f64
      einsum Step)" +
         name + R"( over m,p {
        %one = arith.constant 1 : i32
        %q = attn.map sub(%p, %one) : i32, i32
        %old = read %M[%m, %q] : @m,p:f64
        %new = read %M[%m, %p] : @m,p:f64
        %d = attn.map sub(%old, %new) : f64, f64
        %h = attn.map exp(%d) : f64
        %a = read %)" +
         name + R"([%m, %q] : @m,p:f64
        %t = read %Tile)" +
         name + R"([%m, %p] : @m,p:f64
        %ah = attn.map mul(%a, %h) : f64, f64
        %y = attn.map add(%ah, %t) : f64, f64
        attn.yield %y : f64
      } : @m,p:f64
      %)" +
         name + " = attn.equations \"" + name + "\"(%Zero, %Step" + name +
         ") [[\"m\", #attn.extent<() -> (-1)>], [\"m\", \"p\"]] : (@m:f64, "
         "@m,p:f64) -> @m,p:f64\n";
}

std::string derived() {
  return R"(
    %O = attn.kernel {
      einsum S over m,p,i {
        %ie = attn.extent "i"
        %ne = attn.extent "n"
        %base = attn.map mul(%p, %ie) : i32, i32
        %n = attn.map add(%base, %i) : i32, i32
        %in = attn.map lt(%n, %ne) : i32, i32
        %causal = attn.map le(%n, %m) : i32, i32
        %c = attn.map and(%in, %causal) : i1, i1
        %x = read %X[%m, %n] : @m,n:f64
        %y = attn.where %x, %c : f64
        attn.yield %y : f64
      } : @m,p,i:f64
      einsum Zero over m {
        %y = arith.constant 0.0 : f64
        attn.yield %y : f64
      } : @m:f64
      einsum Low over m {
        %y = arith.constant 0xFFF0000000000000 : f64
        attn.yield %y : f64
      } : @m:f64
      einsum TileM over m,p reduce max i {
        %x = read %S[%m, %p, %i] : @m,p,i:f64
        attn.yield %x : f64
      } : @m,p:f64
      einsum StepM over m,p {
        %one = arith.constant 1 : i32
        %q = attn.map sub(%p, %one) : i32, i32
        %a = read %M[%m, %q] : @m,p:f64
        %t = read %TileM[%m, %p] : @m,p:f64
        %y = attn.map max(%a, %t) : f64, f64
        attn.yield %y : f64
      } : @m,p:f64
      %M = attn.equations "M"(%Low, %StepM) [["m", #attn.extent<() -> (-1)>], ["m", "p"]] : (@m:f64, @m,p:f64) -> @m,p:f64)" +
         accumulator("L", "%y = attn.map abs(%e) : f64") + accumulator("A", R"(
        %ie = attn.extent "i"
        %base = attn.map mul(%p, %ie) : i32, i32
        %n = attn.map add(%base, %i) : i32, i32
        %v = read %V[%n] absent : @n:f64
        %y = attn.map mul(%e, %v) : f64, f64)") +
         R"(
      einsum O over m {
        %one = arith.constant 1 : i32
        %pe = attn.extent "p"
        %last = attn.map sub(%pe, %one) : i32, i32
        %a = read %A[%m, %last] : @m,p:f64
        %l = read %L[%m, %last] : @m,p:f64
        %y = attn.map div(%a, %l) : f64, f64
        attn.yield %y : f64
      } : @m:f64
      attn.return %O : @m:f64
    } : @m:f64
    attn.return %O : @m:f64)";
}
} // namespace

TEST_F(Stages, NaiveAndDerivedAgree) {
  std::mt19937 random(7);
  std::normal_distribution<double> normal;
  std::string text = derived();
  for (auto [m, n] : {std::pair(5, 5), {7, 11}, {9, 1}, {1, 8}, {13, 12}}) {
    std::vector<double> x(m * n), v(n);
    for (double &value : x)
      value = 5 * normal(random);
    for (double &value : v)
      value = normal(random);
    std::vector<Array> inputs = {reals({m, n}, x), vector(v)};
    auto a = value({"m n", "X@m,n:f64 V@n:f64", "O", naive}, inputs);
    std::string ranks = "m n i=4 p=" + std::to_string((n + 3) / 4);
    auto b = value({ranks, "X@m,n:f64 V@n:f64", "O", text,
                    "#attn.product<\"n\" = [\"p\", \"i\"]>"},
                   inputs);
    ASSERT_EQ(a.size(), size_t(m));
    ASSERT_EQ(b.size(), size_t(m));
    for (int i = 0; i < m; ++i)
      EXPECT_NEAR(a[i], b[i], 1e-12) << m << " x " << n << " at " << i;
  }
}
