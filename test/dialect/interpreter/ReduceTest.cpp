//===- ReduceTest.cpp - reductions, monoids, order --------------*- C++ -*-===//
// LANGUAGE sections 3, 7 and 8, ruling 28.
//===----------------------------------------------------------------------===//
#include "Fixture.h"

using namespace attn;
using namespace attn::test;

namespace {
class Reductions : public InterpreterTest {
protected:
  /// kind[n](X) as f64, or as i32 where the reduction gives that.
  std::vector<double> reduce(llvm::StringRef kind, std::vector<double> x) {
    bool counts = kind == "count" || kind.starts_with("arg");
    std::string element = counts ? "i32" : "f64";
    std::string body = ("einsum O over - reduce " + kind + " n {\n" +
                        "%x = read %X[%n] : @n:f64\n" +
                        "attn.yield %x : f64\n} : @:" + element +
                        "\nattn.return %O : @:" + element)
                           .str();
    return value({"n", "X@n:f64", "O", body}, {vector(x)});
  }
};

// order[n -> j](key of X where X < 100)
std::string ordering(llvm::StringRef key) {
  return (R"(
    order J over j from n {
      %x = read %X[%n] : @n:f64
      )" + key +
          R"(
      %hundred = arith.constant 100.0 : f64
      %big = attn.map ge(%x, %hundred) : f64, f64
      %c = attn.map not(%big) : i1
      %z = attn.where %k, %c : f64
      attn.yield %z : f64
    } : @j:i32
    attn.return %J : @j:i32)")
      .str();
}
} // namespace

// max and min keep NaN; argmax and argmin take the first NaN, else the lowest
// coordinate among ties.
TEST_F(Reductions, NaNAndTies) {
  expectValues(reduce("max", {1, NaN, 3}), {NaN});
  expectValues(reduce("min", {1, NaN, 3}), {NaN});
  expectValues(reduce("argmax", {1, 5, 5, 2}), {1});
  expectValues(reduce("argmin", {1, 5, 1, 2}), {0});
  expectValues(reduce("argmax", {1, NaN, 9, NaN}), {1});
  expectValues(reduce("argmin", {1, 0, NaN, -9}), {2});
  expectValues(reduce("argmax", {-inf, -inf}), {0});
  expectValues(reduce("max", {-inf, inf}), {inf});
  expectValues(reduce("sum", {inf, -inf}), {NaN});
  expectValues(reduce("prod", {2, 3, 0.5}), {3});
  expectValues(reduce("count", {NaN, 0, -inf}), {3});
  expectValues(reduce("first", {4, 5}), {4});
  expectValues(reduce("last", {4, 5}), {5});
}

// Integers wrap at their width.
TEST_F(Reductions, IntegersWrap) {
  Program p{"n", "X@n:i32", "S P M A", R"(
    einsum S over - reduce sum n {
      %x = read %X[%n] : @n:i32
      attn.yield %x : i32
    } : @:i32
    einsum P over - reduce prod n {
      %x = read %X[%n] : @n:i32
      attn.yield %x : i32
    } : @:i32
    einsum M over - reduce max n {
      %x = read %X[%n] : @n:i32
      attn.yield %x : i32
    } : @:i32
    einsum A over - reduce argmin n {
      %x = read %X[%n] : @n:i32
      attn.yield %x : i32
    } : @:i32
    attn.return %S, %P, %M, %A : @:i32, @:i32, @:i32, @:i32)"};
  auto all = values(p, {integers({3}, {INT32_MAX, 2, 2})});
  expectValues(all[0], {-2147483645});
  expectValues(all[1], {-4});
  expectValues(all[2], {INT32_MAX});
  expectValues(all[3], {1});
  expectValues(values(p, {integers({0}, {})})[2], {INT32_MIN});
}

TEST_F(Reductions, SeveralRanksInOrder) {
  Program p{"b m n", "X@b,m,n:f64", "O", R"(
    einsum O over b reduce sum m,n {
      %x = read %X[%b, %m, %n] : @b,m,n:f64
      attn.yield %x : f64
    } : @b:f64
    attn.return %O : @b:f64)"};
  expectValues(value(p, {reals({2, 2, 2}, {1, 2, 4, 8, 16, 32, 64, 128})}),
               {15, 240});
}

// Ruling 28: stable, ties by index, NaN first, shortage an absent tail.
TEST_F(Reductions, Order) {
  std::string up = ordering("%zero = arith.constant 0.0 : f64\n"
                            "%k = attn.map add(%x, %zero) : f64, f64");
  std::string down = ordering("%k = attn.map neg(%x) : f64");
  std::vector<double> x = {3, 1, 200, NaN, 1, -inf};
  expectValues(value({"n j=6", "X@n:f64", "J", up}, {vector(x)}),
               {3, 5, 1, 4, 0, absent});
  expectValues(value({"n j=6", "X@n:f64", "J", down}, {vector(x)}),
               {3, 0, 1, 4, 5, absent});
  expectValues(value({"n j=2", "X@n:f64", "J", up}, {vector(x)}), {3, 5});
  expectValues(value({"n j=2", "X@n:f64", "J", up}, {vector({})}),
               {absent, absent});
  expectValues(value({"n j=0", "X@n:f64", "J", up}, {vector(x)}), {});
}

TEST_F(Reductions, OrderByBatchWithSeveralKeys) {
  Program p{"b n j=3", "X@b,n:i32 Y@n:f64", "J S", R"(
    order J over b,j from n {
      %x = read %X[%b, %n] : @b,n:i32
      %zero = arith.constant 0 : i32
      %p = attn.map gt(%x, %zero) : i32, i32
      %y = read %Y[%n] : @n:f64
      attn.yield %p, %y : i1, f64
    } : @b,j:i32
    einsum S over b,j {
      %i = read %J[%b, %j] : @b,j:i32
      %x = read %X[%b, %i] data : @b,n:i32
      attn.yield %x : i32
    } : @b,j:i32
    attn.return %J, %S : @b,j:i32, @b,j:i32)"};
  auto all = values(
      p, {integers({2, 4}, {1, 0, 1, 0, 0, 0, 0, 5}), vector({4, 3, 2, 1})});
  expectValues(all[0], {3, 1, 2, 2, 1, 0});
  expectValues(all[1], {0, 0, 1, 0, 0, 0});
}

// A declared monoid: the first affine map, then the second.
static const llvm::StringRef affine = R"(
  attn.monoid @affine attributes {names = ["a", "b"], identity = [1.0 : f64, 0.0 : f64], ordered} {
  ^bb0(%a: f64, %b: f64, %a2: f64, %b2: f64):
    %c = attn.map mul(%a, %a2) : f64, f64
    %d = attn.map mul(%a2, %b) : f64, f64
    %e = attn.map add(%d, %b2) : f64, f64
    attn.yield %c, %e : f64, f64
  })";

TEST_F(Reductions, Monoid) {
  Program p{"b n", "A@b,n:f64 B@b,n:f64 L@b:i32", "C D", R"(
    einsum C,D over b reduce @affine n {
      %a = read %A[%b, %n] : @b,n:f64
      %x = read %B[%b, %n] : @b,n:f64
      %len = read %L[%b] : @b:i32
      %c = attn.map lt(%n, %len) : i32, i32
      %y = attn.where %x, %c : f64
      attn.yield %a, %y : f64, f64
    } : @b:f64, @b:f64
    attn.return %C#0, %C#1 : @b:f64, @b:f64)", "", affine};
  auto all =
      values(p, {reals({3, 2}, {2, 3, 5, 7, 1, 1}),
                 reals({3, 2}, {1, 4, 6, 8, 1, 1}), integers({3}, {2, 1, 0})});
  expectValues(all[0], {6, 5, 1}); // x -> 2x+1 -> 3(2x+1)+4
  expectValues(all[1], {7, 6, 0});
  auto none =
      values(p, {reals({1, 0}, {}), reals({1, 0}, {}), integers({1}, {0})});
  expectValues(none[0], {1});
  expectValues(none[1], {0});
}

// Components may change places: the old state counts.
TEST_F(Reductions, MonoidSwaps) {
  Program p{"n", "X@n:f64", "A B", R"(
    einsum A,B over - reduce @swap n {
      %x = read %X[%n] : @n:f64
      %y = attn.map neg(%x) : f64
      attn.yield %x, %y : f64, f64
    } : @:f64, @:f64
    attn.return %A#0, %A#1 : @:f64, @:f64)", "", R"(
  attn.monoid @swap attributes {names = ["a", "b"], identity = [1.0 : f64, 2.0 : f64], ordered} {
  ^bb0(%a: f64, %b: f64, %a2: f64, %b2: f64):
    attn.yield %b, %a : f64, f64
  })"};
  auto all = values(p, {vector({7, 8, 9})});
  expectValues(all[0], {2});
  expectValues(all[1], {1});
}

// Kernels are transparent.
TEST_F(Reductions, Kernel) {
  Program p{"m n", "X@m,n:f64", "O", R"(
    %O = attn.kernel {
      einsum S over m reduce sum n {
        %x = read %X[%m, %n] : @m,n:f64
        attn.yield %x : f64
      } : @m:f64
      einsum O over m {
        %s = read %S[%m] : @m:f64
        %i = read %Inverse[%m] : @m:f64
        %y = attn.map mul(%s, %i) : f64, f64
        attn.yield %y : f64
      } : @m:f64
      attn.return %O : @m:f64
    } : @m:f64
    %Inverse = attn.kernel {
      einsum I over m reduce count n {
        %x = read %X[%m, %n] : @m,n:f64
        attn.yield %x : f64
      } : @m:i32
      einsum R over m {
        %i = read %I[%m] : @m:i32
        %r = attn.map real(%i) : i32
        %one = arith.constant 1.0 : f64
        %q = attn.map div(%one, %r) : f64, f64
        attn.yield %q : f64
      } : @m:f64
      attn.return %R : @m:f64
    } : @m:f64
    attn.return %O : @m:f64)"};
  expectValues(value(p, {reals({2, 2}, {1, 2, 3, 5})}), {1.5, 4});
}
