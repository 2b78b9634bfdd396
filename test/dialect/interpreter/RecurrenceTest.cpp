//===- RecurrenceTest.cpp - equations, recurrences, cycles ------*- C++ -*-===//
// LANGUAGE section 6, rulings 19 to 21.
//===----------------------------------------------------------------------===//
#include "Fixture.h"
#include <cmath>

using namespace attn;
using namespace attn::test;

namespace {
class Recurrence : public InterpreterTest {};

// H[-1] = H0, H[t] = a H[t-1] + X[t]; the outputs are H and H[|t|-1].
const llvm::StringRef decay = R"(
    einsum Step over t {
      %one = arith.constant 1 : i32
      %a = read %A[] : @:f64
      %p = attn.map sub(%t, %one) : i32, i32
      %h = read %H[%p] : @t:f64
      %x = read %X[%t] : @t:f64
      %ah = attn.map mul(%a, %h) : f64, f64
      %y = attn.map add(%ah, %x) : f64, f64
      attn.yield %y : f64
    } : @t:f64
    %H = attn.equations "H"(%H0, %Step) [[#attn.extent<() -> (-1)>], ["t"]] : (@:f64, @t:f64) -> @t:f64
    einsum Last over - {
      %one = arith.constant 1 : i32
      %ext = attn.extent "t"
      %p = attn.map sub(%ext, %one) : i32, i32
      %h = read %H[%p] : @t:f64
      attn.yield %h : f64
    } : @:f64
    attn.return %Last, %H : @:f64, @t:f64)";
} // namespace

TEST_F(Recurrence, BasePointsExtendTheDomain) {
  Program p{"t", "A@:f64 H0@:f64 X@t:f64", "L H", decay};
  auto all = values(p, {reals({}, {2}), reals({}, {3}), vector({1, 0, 5})});
  expectValues(all[0], {33});
  expectValues(all[1], {7, 14, 33});
  // |t| = 1 is the decode step, |t| = 0 returns the state.
  expectValues(value(p, {reals({}, {2}), reals({}, {3}), vector({1})}), {7});
  expectValues(value(p, {reals({}, {2}), reals({}, {3}), vector({})}), {3});
}

// Two calls with carried state = one call, at every cut.
TEST_F(Recurrence, TwoCallsAreOne) {
  Program p{"t", "A@:f64 H0@:f64 X@t:f64", "L H", decay};
  std::vector<double> x = {1, -2, 3, 0.5, 7};
  Array a = reals({}, {0.75}), h0 = reals({}, {2});
  auto whole = value(p, {a, h0, vector(x)});
  for (size_t cut = 0; cut <= x.size(); ++cut) {
    std::vector<double> first(x.begin(), x.begin() + cut),
        second(x.begin() + cut, x.end());
    auto state = value(p, {a, h0, vector(first)});
    EXPECT_EQ(value(p, {a, reals({}, state), vector(second)}), whole);
  }
}

TEST_F(Recurrence, Deep) {
  Program p{"t", "A@:f64 H0@:f64 X@t:f64", "L H", decay};
  auto last = value(p, {reals({}, {1}), reals({}, {0}),
                        vector(std::vector<double>(100000, 1))});
  expectValues(last, {100000});
}

// State of a matrix: the presence of sum[d] unfolds 100000 steps of H with `d`
// unknown; it is absent from the first absent step on (ruling 20).
TEST_F(Recurrence, DeepPresence) {
  Program p{"t d", "H0@d:f64 X@t:f64 On@t:i1", "O", R"(
    einsum Step over t,d {
      %one = arith.constant 1 : i32
      %p = attn.map sub(%t, %one) : i32, i32
      %h = read %H[%p, %d] : @t,d:f64
      %x = read %X[%t] : @t:f64
      %on = read %On[%t] : @t:i1
      %y = attn.map add(%h, %x) : f64, f64
      %z = attn.where %y, %on : f64
      attn.yield %z : f64
    } : @t,d:f64
    %H = attn.equations "H"(%H0, %Step) [[#attn.extent<() -> (-1)>, "d"], ["t", "d"]] : (@d:f64, @t,d:f64) -> @t,d:f64
    einsum Sum over t reduce sum d {
      %h = read %H[%t, %d] : @t,d:f64
      attn.yield %h : f64
    } : @t:f64
    einsum O over - {
      %one = arith.constant 1 : i32
      %ext = attn.extent "t"
      %p = attn.map sub(%ext, %one) : i32, i32
      %h = read %Sum[%p] : @t:f64
      attn.yield %h : f64
    } : @:f64
    attn.return %O : @:f64)"};
  const int64_t steps = 100000;
  std::vector<int64_t> on(steps, 1);
  Array x = vector(std::vector<double>(steps, 1));
  expectValues(value(p, {vector({1, 2}), x, bools(on)}), {2.0 * steps + 3});
  on[7] = 0;
  expectValues(value(p, {vector({1, 2}), x, bools(on)}), {absent});
}

TEST_F(Recurrence, AbsentStepStaysAbsentUnlessElse) {
  Program p{"t", "X@t:f64 On@t:i1", "H G", R"(
    einsum Zero over - {
      %zero = arith.constant 0.0 : f64
      attn.yield %zero : f64
    } : @:f64
    einsum HStep over t {
      %one = arith.constant 1 : i32
      %p = attn.map sub(%t, %one) : i32, i32
      %h = read %H[%p] : @t:f64
      %x = read %X[%t] : @t:f64
      %on = read %On[%t] : @t:i1
      %y = attn.map add(%h, %x) : f64, f64
      %z = attn.where %y, %on : f64
      attn.yield %z : f64
    } : @t:f64
    %H = attn.equations "H"(%Zero, %HStep) [[#attn.extent<() -> (-1)>], ["t"]] : (@:f64, @t:f64) -> @t:f64
    einsum GStep over t {
      %one = arith.constant 1 : i32
      %p = attn.map sub(%t, %one) : i32, i32
      %h = read %G[%p] : @t:f64
      %x = read %X[%t] : @t:f64
      %on = read %On[%t] : @t:i1
      %y = attn.map add(%h, %x) : f64, f64
      %z = attn.where %y, %on : f64
      %w = attn.else %z, %h : f64
      attn.yield %w : f64
    } : @t:f64
    %G = attn.equations "G"(%Zero, %GStep) [[#attn.extent<() -> (-1)>], ["t"]] : (@:f64, @t:f64) -> @t:f64
    attn.return %H, %G : @t:f64, @t:f64)"};
  auto all = values(p, {vector({1, 2, 4, 8}), bools({1, 1, 0, 1})});
  expectValues(all[0], {1, 3, absent, absent});
  expectValues(all[1], {1, 3, 3, 11});
}

// W[x] = 1 + W[2x+1] + W[2x+2], absent beyond the tree: sizes of subtrees.
TEST_F(Recurrence, Tree) {
  Program p{"x", "K@x:f64", "W", R"(
    einsum W over x {
      %one = arith.constant 1 : i32
      %two = arith.constant 2 : i32
      %xx = attn.map mul(%x, %two) : i32, i32
      %l = attn.map add(%xx, %one) : i32, i32
      %r = attn.map add(%xx, %two) : i32, i32
      %zero = arith.constant 0.0 : f64
      %wl = read %W[%l] absent : @x:f64
      %wr = read %W[%r] absent : @x:f64
      %a = attn.else %wl, %zero : f64
      %b = attn.else %wr, %zero : f64
      %k = read %K[%x] : @x:f64
      %s = attn.map add(%a, %b) : f64, f64
      %t = attn.map add(%s, %k) : f64, f64
      attn.yield %t : f64
    } : @x:f64
    attn.return %W : @x:f64)"};
  expectValues(value(p, {vector({1, 1, 1, 1, 1, 1})}), {6, 3, 2, 1, 1, 1});
}

// C[0] = 1, C[t] = sum[j](C[j] C[t-1-j]) for j < t: Catalan numbers. The
// presence of C[j] with `j` unknown needs itself and is true.
TEST_F(Recurrence, History) {
  Program p{"t j=|t|+0", "X@t:f64", "C", R"(
    einsum One over - {
      %one = arith.constant 1.0 : f64
      attn.yield %one : f64
    } : @:f64
    einsum Step over t reduce sum j {
      %one = arith.constant 1 : i32
      %past = attn.map lt(%j, %t) : i32, i32
      %a = read %C[%j] : @t:f64
      %t1 = attn.map sub(%t, %one) : i32, i32
      %k = attn.map sub(%t1, %j) : i32, i32
      %b = read %C[%k] : @t:f64
      %ab = attn.map mul(%a, %b) : f64, f64
      %y = attn.where %ab, %past : f64
      attn.yield %y : f64
    } : @t:f64
    %C = attn.equations "C"(%One, %Step) [[#attn.extent<() -> (0)>], ["t"]] : (@:f64, @t:f64) -> @t:f64
    attn.return %C : @t:f64)"};
  expectValues(value(p, {vector({0, 0, 0, 0, 0, 0})}), {1, 1, 2, 5, 14, 42});
}

// An in-place triangular solve: U[m] = X[m] - sum[n](L[m,n] U[n] where n < m),
// where the reduction is a tensor of its own in the cycle.
TEST_F(Recurrence, TriangularSolve) {
  Program p{"m n=|m|+0", "L@m,n:f64 X@m:f64", "U", R"(
    einsum Known over m reduce sum n {
      %past = attn.map lt(%n, %m) : i32, i32
      %l = read %L[%m, %n] : @m,n:f64
      %u = read %U[%n] : @m:f64
      %lu = attn.map mul(%l, %u) : f64, f64
      %y = attn.where %lu, %past : f64
      attn.yield %y : f64
    } : @m:f64
    einsum U over m {
      %x = read %X[%m] : @m:f64
      %s = read %Known[%m] : @m:f64
      %u = attn.map sub(%x, %s) : f64, f64
      attn.yield %u : f64
    } : @m:f64
    attn.return %U : @m:f64)"};
  expectValues(value(p, {reals({3, 3}, {1, 0, 0, 2, 1, 0, 3, 4, 1}),
                         vector({1, 4, 20})}),
               {1, 2, 9});
}

// An identity that an assumption supports only as long as it holds: S reads
// itself under the reduction, and is absent where G is.
TEST_F(Recurrence, GreatestSolution) {
  Program p{"b t j=|t|+0", "G@b:i32 X@b,t:f64", "O", R"(
    einsum S over b,t reduce sum j {
      %past = attn.map lt(%j, %t) : i32, i32
      %s = read %S[%b, %j] : @b,t:f64
      %x = read %X[%b, %t] : @b,t:f64
      %zero = arith.constant 0 : i32
      %g = read %G[%b] : @b:i32
      %c = attn.map gt(%g, %zero) : i32, i32
      %fz = arith.constant 0.0 : f64
      %in = attn.where %s, %past : f64
      %xg = attn.where %x, %c : f64
      %y = attn.map add(%in, %xg) : f64, f64
      attn.yield %y : f64
    } : @b,t:f64
    attn.return %S : @b,t:f64)"};
  expectValues(
      value(p, {integers({2}, {0, 1}), reals({2, 3}, {1, 1, 1, 2, 2, 2})}),
      {absent, absent, absent, 0, 2, 6});
}

// What was concluded from an assumption is forgotten when that fails: the
// presence of A needs that of B, which needs that of A, and then G fails.
TEST_F(Recurrence, WithdrawnAssumptions) {
  Program p{"b t", "G@b:i32 X@b,t:f64", "SA SB", R"(
    einsum A over b,t {
      %one = arith.constant 1 : i32
      %q = attn.map sub(%t, %one) : i32, i32
      %v = read %B[%b, %q] absent : @b,t:f64
      %x = read %X[%b, %t] : @b,t:f64
      %zero = arith.constant 0 : i32
      %g = read %G[%b] : @b:i32
      %c = attn.map gt(%g, %zero) : i32, i32
      %xg = attn.where %x, %c : f64
      %y = attn.map mul(%v, %xg) : f64, f64
      attn.yield %y : f64
    } : @b,t:f64
    einsum B over b,t {
      %a = read %A[%b, %t] : @b,t:f64
      attn.yield %a : f64
    } : @b,t:f64
    einsum SA over b reduce sum t {
      %a = read %A[%b, %t] : @b,t:f64
      attn.yield %a : f64
    } : @b:f64
    einsum SB over b reduce sum t {
      %a = read %B[%b, %t] : @b,t:f64
      attn.yield %a : f64
    } : @b:f64
    attn.return %SA, %SB : @b:f64, @b:f64)"};
  auto all = values(p, {integers({2}, {0, 1}), reals({2, 2}, {1, 1, 1, 1})});
  expectValues(all[0], {absent, 0});
  expectValues(all[1], {absent, 0});
}

// Mutual recurrence, backward, with a base at |t|.
TEST_F(Recurrence, MutualAndBackward) {
  Program p{"t", "X@t:f64", "A B", R"(
    einsum Zero over - {
      %zero = arith.constant 0.0 : f64
      attn.yield %zero : f64
    } : @:f64
    einsum AStep over t {
      %one = arith.constant 1 : i32
      %q = attn.map add(%t, %one) : i32, i32
      %b = read %B[%q] : @t:f64
      %x = read %X[%t] : @t:f64
      %y = attn.map add(%b, %x) : f64, f64
      attn.yield %y : f64
    } : @t:f64
    einsum B over t {
      %a = read %A[%t] : @t:f64
      %two = arith.constant 2.0 : f64
      %y = attn.map mul(%a, %two) : f64, f64
      attn.yield %y : f64
    } : @t:f64
    %A = attn.equations "A"(%AStep) [["t"]] : (@t:f64) -> @t:f64
    %BB = attn.equations "B"(%Zero, %B) [[#attn.extent<()[s0] -> (s0), ["t"]>], ["t"]] : (@:f64, @t:f64) -> @t:f64
    attn.return %A, %BB : @t:f64, @t:f64)"};
  std::string body = p.body.str();
  // The step reads the tensor with the base.
  body.replace(body.find("read %B[%q]"), 11, "read %BB[%q]");
  p.body = body;
  auto all = values(p, {vector({1, 2, 3})});
  expectValues(all[0], {17, 8, 3});
  expectValues(all[1], {34, 16, 6});
}

// Constants win over plain ranks, more of them over fewer.
TEST_F(Recurrence, ConstantsWin) {
  Program p{"m n", "X@m,n:f64 R@m:f64 Z@:f64", "T", R"(
    %T = attn.equations "T"(%X, %R, %Z) [["m", "n"], ["m", #attn.extent<() -> (0)>], [#attn.extent<() -> (1)>, #attn.extent<() -> (0)>]] : (@m,n:f64, @m:f64, @:f64) -> @m,n:f64
    attn.return %T : @m,n:f64)"};
  expectValues(value(p, {reals({2, 2}, {1, 2, 3, 4}), vector({10, 20}),
                         reals({}, {99})}),
               {10, 2, 99, 4});
}

TEST_F(Recurrence, TwoEquationsAtAPoint) {
  Program p{"t", "X@t:f64 Y@:f64 Z@:f64", "T", R"(
    %T = attn.equations "T"(%X, %Y, %Z) [["t"], [#attn.extent<() -> (0)>], [#attn.extent<()[s0] -> (s0 - 1), ["t"]>]] : (@t:f64, @:f64, @:f64) -> @t:f64
    attn.return %T : @t:f64)"};
  expectValues(value(p, {vector({1, 2}), reals({}, {8}), reals({}, {9})}),
               {8, 9});
  EXPECT_EQ(error(p, {vector({1}), reals({}, {8}), reals({}, {9})}),
            "two equations define T at [0]");
}

// Points of the box that no equation defines are absent.
TEST_F(Recurrence, UndefinedPoints) {
  Program p{"t", "X@t:f64 Y@:f64", "T", R"(
    %T = attn.equations "T"(%Y) [[#attn.extent<() -> (1)>]] : (@:f64) -> @t:f64
    attn.return %T : @t:f64)"};
  expectValues(value(p, {vector({1, 2, 3}), reals({}, {8})}),
               {absent, 8, absent});
}

TEST_F(Recurrence, MissingBase) {
  Program p{"t", "A@:f64 X@t:f64", "L H", ""};
  std::string body = decay.str();
  body.replace(body.find("(%H0, %Step)"), 12, "(%Step)");
  body.replace(body.find("[#attn.extent<() -> (-1)>], "), 28, "");
  body.replace(body.find("(@:f64, @t:f64)"), 15, "(@t:f64)");
  p.body = body;
  EXPECT_EQ(error(p, {reals({}, {2}), vector({1, 0})}),
            "Step[t=0] reads H[t=-1]: t = -1 is outside the extent 2 and has "
            "no equation");
}

TEST_F(Recurrence, Cycle) {
  Program p{"b m", "X@b,m:f64", "S", R"(
    einsum S over b,m {
      %p = read %P[%b, %m] : @b,m:f64
      %x = read %X[%b, %m] : @b,m:f64
      %y = attn.map add(%p, %x) : f64, f64
      attn.yield %y : f64
    } : @b,m:f64
    einsum P over b,m {
      %one = arith.constant 1 : i32
      %zero = arith.constant 0 : i32
      %back = attn.map eq(%m, %zero) : i32, i32
      %k = attn.map sub(%m, %one) : i32, i32
      %s = read %S[%b, %m] : @b,m:f64
      %t = read %S[%b, %k] : @b,m:f64
      %c = attn.map ge(%m, %one) : i32, i32
      %tt = attn.where %t, %back : f64
      %ss = attn.where %s, %c : f64
      %f = arith.constant 0.0 : f64
      %y = attn.else %ss, %f : f64
      attn.yield %y : f64
    } : @b,m:f64
    attn.return %S : @b,m:f64)"};
  EXPECT_EQ(error(p, {reals({1, 2}, {1, 2})}),
            "cyclic definition: S[b=0,m=1] needs P[b=0,m=1] needs S[b=0,m=1]");
  expectValues(value(p, {reals({1, 1}, {1})}), {1});
}

// A presence that rests on a value that rests on it.
TEST_F(Recurrence, CycleThroughPresence) {
  Program p{"m n", "X@m:f64 Y@n:f64", "S", R"(
    einsum S over m reduce sum n {
      %t = read %T[%m] : @m:f64
      %zero = arith.constant 0.0 : f64
      %c = attn.map gt(%t, %zero) : f64, f64
      %y = read %Y[%n] : @n:f64
      %z = attn.where %y, %c : f64
      attn.yield %z : f64
    } : @m:f64
    einsum T over m {
      %s = read %S[%m] : @m:f64
      attn.yield %s : f64
    } : @m:f64
    attn.return %S : @m:f64)"};
  EXPECT_EQ(error(p, {vector({1}), vector({1})}),
            "cyclic definition: S[m=0] needs the presence of S[m=0] needs "
            "T[m=0] needs S[m=0]");
}

// A chain of dependences that is long before it closes is cut in the message.
TEST_F(Recurrence, LongCycle) {
  Program p{"t", "X@t:f64", "S", R"(
    einsum S over t {
      %one = arith.constant 1 : i32
      %ext = attn.extent "t"
      %n = attn.map add(%t, %one) : i32, i32
      %k = attn.map mod(%n, %ext) : i32, i32
      %s = read %S[%k] : @t:f64
      attn.yield %s : f64
    } : @t:f64
    attn.return %S : @t:f64)"};
  std::string text = error(p, {vector(std::vector<double>(1000, 0))});
  EXPECT_TRUE(llvm::StringRef(text).starts_with(
      "cyclic definition: S[t=0] needs S[t=1] needs "))
      << text;
  EXPECT_TRUE(llvm::StringRef(text).ends_with("needs S[t=999] needs S[t=0]"))
      << text;
  EXPECT_LT(text.size(), 400u);
}

TEST_F(Recurrence, EquationsOfEachOther) {
  Program p{"t", "X@t:f64", "A", R"(
    %A = attn.equations "A"(%B) [["t"]] : (@t:f64) -> @t:f64
    %B = attn.equations "B"(%A) [["t"]] : (@t:f64) -> @t:f64
    attn.return %A : @t:f64)"};
  EXPECT_EQ(error(p, {vector({1})}), "cyclic definition: A needs B needs A");
}

// Ruling 21: a loop stops by absence; `last` takes the last step that was.
TEST_F(Recurrence, LoopWithStop) {
  Program p{"b k=50", "X@b:f64", "R N", R"(
    einsum Step over b,k {
      %one = arith.constant 1 : i32
      %p = attn.map sub(%k, %one) : i32, i32
      %r = read %R[%b, %p] : @b,k:f64
      %x = read %X[%b] : @b:f64
      %q = attn.map div(%x, %r) : f64, f64
      %s = attn.map add(%q, %r) : f64, f64
      %half = arith.constant 0.5 : f64
      %y = attn.map mul(%s, %half) : f64, f64
      %d = attn.map sub(%y, %r) : f64, f64
      %e = attn.map abs(%d) : f64
      %eps = arith.constant 1.0e-13 : f64
      %go = attn.map gt(%e, %eps) : f64, f64
      %z = attn.where %y, %go : f64
      attn.yield %z : f64
    } : @b,k:f64
    %R = attn.equations "R"(%X, %Step) [["b", #attn.extent<() -> (-1)>], ["b", "k"]] : (@b:f64, @b,k:f64) -> @b,k:f64
    einsum Root over b reduce last k {
      %r = read %R[%b, %k] : @b,k:f64
      attn.yield %r : f64
    } : @b:f64
    einsum N over b reduce count k {
      %r = read %R[%b, %k] : @b,k:f64
      attn.yield %r : f64
    } : @b:i32
    attn.return %Root, %N : @b:f64, @b:i32)"};
  auto all = values(p, {vector({4, 2})});
  ASSERT_EQ(all.size(), 2u);
  EXPECT_NEAR(all[0][0], 2, 1e-12);
  EXPECT_NEAR(all[0][1], std::sqrt(2.0), 1e-12);
  EXPECT_LT(all[1][0], 8);
}
