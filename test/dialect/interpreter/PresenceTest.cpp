//===- PresenceTest.cpp - presence, absence, hoisting -----------*- C++ -*-===//
// LANGUAGE section 3 and the rulings of section 13 that concern presence.
//===----------------------------------------------------------------------===//
#include "Fixture.h"

using namespace attn;
using namespace attn::test;

namespace {
class Presence : public InterpreterTest {};
} // namespace

TEST_F(Presence, MapIsStrict) {
  Program p{"n", "X@n:f64 Y@n:f64", "O", R"(
    einsum A over n {
      %x = read %X[%n] : @n:f64
      %zero = arith.constant 0.0 : f64
      %c = attn.map gt(%x, %zero) : f64, f64
      %y = attn.where %x, %c : f64
      attn.yield %y : f64
    } : @n:f64
    einsum O over n {
      %a = read %A[%n] : @n:f64
      %y = read %Y[%n] : @n:f64
      %s = attn.map add(%a, %y) : f64, f64
      attn.yield %s : f64
    } : @n:f64
    attn.return %O : @n:f64)"};
  expectValues(value(p, {vector({1, -1, 3, NaN}), vector({10, 20, 30, 40})}),
               {11, absent, 33, absent});
}

// Where the condition is absent the point is absent; else fills.
TEST_F(Presence, WhereElse) {
  Program p{"n", "X@n:f64 I@n:i32", "A B", R"(
    einsum A over n {
      %x = read %X[%n] : @n:f64
      %i = read %I[%n] : @n:i32
      %two = arith.constant 2 : i32
      %q = attn.map mod(%two, %i) : i32, i32
      %zero = arith.constant 0 : i32
      %c = attn.map eq(%q, %zero) : i32, i32
      %y = attn.where %x, %c : f64
      attn.yield %y : f64
    } : @n:f64
    einsum B over n {
      %a = read %A[%n] : @n:f64
      %seven = arith.constant 7.0 : f64
      %y = attn.else %a, %seven : f64
      attn.yield %y : f64
    } : @n:f64
    attn.return %A, %B : @n:f64, @n:f64)"};
  auto all = values(p, {vector({1, 2, 3}), integers({3}, {1, 0, 3})});
  expectValues(all[0], {1, absent, absent});
  expectValues(all[1], {1, 7, 7});
}

// false and absent = false, true or absent = true, in either order.
TEST_F(Presence, Kleene) {
  Program p{"n m", "A@n:i32 B@m:i32", "And Or Not", R"(
    einsum P over n {
      %a = read %A[%n] : @n:i32
      %zero = arith.constant 0 : i32
      %p = attn.map ne(%a, %zero) : i32, i32
      %is = attn.map ge(%a, %zero) : i32, i32
      %y = attn.where %p, %is : i1
      attn.yield %y : i1
    } : @n:i1
    einsum Q over m {
      %a = read %B[%m] : @m:i32
      %zero = arith.constant 0 : i32
      %p = attn.map ne(%a, %zero) : i32, i32
      %is = attn.map ge(%a, %zero) : i32, i32
      %y = attn.where %p, %is : i1
      attn.yield %y : i1
    } : @m:i1
    einsum And over n,m {
      %p = read %P[%n] : @n:i1
      %q = read %Q[%m] : @m:i1
      %y = attn.map and(%p, %q) : i1, i1
      attn.yield %y : i1
    } : @n,m:i1
    einsum Or over n,m {
      %p = read %P[%n] : @n:i1
      %q = read %Q[%m] : @m:i1
      %y = attn.map or(%p, %q) : i1, i1
      attn.yield %y : i1
    } : @n,m:i1
    einsum Not over n {
      %p = read %P[%n] : @n:i1
      %y = attn.map not(%p) : i1
      attn.yield %y : i1
    } : @n:i1
    attn.return %And, %Or, %Not : @n,m:i1, @n,m:i1, @n:i1)"};
  auto all = values(
      p, {integers({3}, {0, 1, -1}), integers({3}, {0, 1, -1})}); // F T absent
  expectValues(all[0], {0, 0, 0, 0, 1, absent, 0, absent, absent});
  expectValues(all[1], {0, 1, absent, 1, 1, 1, absent, 1, absent});
  expectValues(all[2], {1, 0, absent});
}

// Rulings 16, 18: `x` is not evaluated where `p` is false; the right side of
// `and` where the left one is false; `else` where the left side is present.
TEST_F(Presence, Laziness) {
  Program p{"n", "X@n:f64", "O", R"(
    einsum O over n {
      %one = arith.constant 1 : i32
      %next = attn.map add(%n, %one) : i32, i32
      %ext = attn.extent "n"
      %c = attn.map lt(%next, %ext) : i32, i32
      %x = read %X[%next] : @n:f64
      %zero = arith.constant 0.0 : f64
      %positive = attn.map gt(%x, %zero) : f64, f64
      %both = attn.map and(%c, %positive) : i1, i1
      %y = attn.where %x, %both : f64
      %here = read %X[%n] : @n:f64
      %z = attn.else %y, %here : f64
      attn.yield %z : f64
    } : @n:f64
    attn.return %O : @n:f64)"};
  expectValues(value(p, {vector({1, 2, -3, 4})}), {2, 2, 4, 4});
}

/// op[n](x where n < len), in f64 and count.
static std::string overPrefix(llvm::StringRef kind, llvm::StringRef element) {
  return (R"(
    einsum O over b reduce )" +
          kind + R"( n {
      %x = read %X[%b, %n] : @b,n:f64
      %len = read %L[%b] : @b:i32
      %c = attn.map lt(%n, %len) : i32, i32
      %y = attn.where %x, %c : f64
      attn.yield %y : f64
    } : @b:)" +
          element + "\nattn.return %O : @b:" + element)
      .str();
}

// Ruling 7: over nothing the identity; 33: argmin of nothing is absent.
TEST_F(Presence, IdentitiesOfEmptyFibres) {
  struct Row {
    const char *kind;
    double three, two, none;
  } rows[] = {{"sum", 5, 3, 0},         {"prod", 4, 2, 1},
              {"max", 2, 2, -inf},      {"min", 1, 1, inf},
              {"first", 2, 2, absent},  {"last", 2, 1, absent},
              {"argmax", 0, 0, absent}, {"argmin", 1, 1, absent},
              {"count", 3, 2, 0}};
  for (const Row &row : rows) {
    llvm::StringRef kind = row.kind;
    bool counts = kind == "count" || kind.starts_with("arg");
    std::string body = overPrefix(kind, counts ? "i32" : "f64");
    Program p{"b n", "X@b,n:f64 L@b:i32", "O", body};
    SCOPED_TRACE(row.kind);
    expectValues(value(p, {reals({3, 3}, {2, 1, 2, 2, 1, 5, 9, 9, 9}),
                           integers({3}, {3, 2, 0})}),
                 {row.three, row.two, row.none});
  }
}

TEST_F(Presence, AnyAllOfNothing) {
  Program p{"n b", "X@n:i1 L@b:i32", "Any All", R"(
    einsum P over b,n {
      %x = read %X[%n] : @n:i1
      %len = read %L[%b] : @b:i32
      %c = attn.map lt(%n, %len) : i32, i32
      %y = attn.where %x, %c : i1
      attn.yield %y : i1
    } : @b,n:i1
    einsum Any over b reduce any n {
      %y = read %P[%b, %n] : @b,n:i1
      attn.yield %y : i1
    } : @b:i1
    einsum All over b reduce all n {
      %y = read %P[%b, %n] : @b,n:i1
      attn.yield %y : i1
    } : @b:i1
    attn.return %Any, %All : @b:i1, @b:i1)"};
  auto all = values(p, {bools({1, 0}), integers({3}, {0, 1, 2})});
  expectValues(all[0], {0, 1, 1});
  expectValues(all[1], {1, 1, 0});
}

// A zero extent is ordinary: the fibre exists and has no point.
TEST_F(Presence, ZeroExtent) {
  std::string body = overPrefix("sum", "f64");
  Program p{"b n", "X@b,n:f64 L@b:i32", "O", body};
  expectValues(value(p, {reals({2, 0}, {}), integers({2}, {0, 4})}), {0, 0});
  expectValues(value(p, {reals({0, 5}, {}), integers({0}, {})}), {});
}

// Ruling 8: sum[d](Q * K[J[j], d]) is absent, not 0, where J[j] is absent; so
// is it through an intermediate, and for `count` (ruling 9).
TEST_F(Presence, HoistingOfAnAbsentIndex) {
  Program p{"d n j", "Q@d:f64 K@n,d:f64 J@j:i32", "A B C", R"(
    einsum A over j reduce sum d {
      %q = read %Q[%d] : @d:f64
      %i = read %J[%j] : @j:i32
      %k = read %K[%i, %d] data : @n,d:f64
      %x = attn.map mul(%q, %k) : f64, f64
      attn.yield %x : f64
    } : @j:f64
    einsum G over j,d {
      %zero = arith.constant 0 : i32
      %i = read %J[%j] : @j:i32
      %c = attn.map ge(%i, %zero) : i32, i32
      %index = attn.where %i, %c : i32
      %k = read %K[%index, %d] : @n,d:f64
      attn.yield %k : f64
    } : @j,d:f64
    einsum B over j reduce sum d {
      %q = read %Q[%d] : @d:f64
      %k = read %G[%j, %d] : @j,d:f64
      %x = attn.map mul(%q, %k) : f64, f64
      attn.yield %x : f64
    } : @j:f64
    einsum C over j reduce count d {
      %k = read %G[%j, %d] : @j,d:f64
      attn.yield %k : f64
    } : @j:i32
    attn.return %A, %B, %C : @j:f64, @j:f64, @j:i32)"};
  auto all = values(p, {vector({1, 2}), reals({3, 2}, {1, 1, 2, 2, 3, 3}),
                        integers({3}, {2, -1, 0})});
  expectValues(all[0], {9, absent, 3});
  expectValues(all[1], {9, absent, 3});
  expectValues(all[2], {2, absent, 2});
}

// A condition free of the reduced rank is one on the result, also behind
// `and`, `or`, `not`, a named bool, and another reduction; one that involves it
// is not.
TEST_F(Presence, HoistingOfConditions) {
  const char *condition[] = {R"(
      %c = attn.map gt(%g, %zero) : i32, i32)",
                             R"(
      %c1 = attn.map gt(%g, %zero) : i32, i32
      %c2 = attn.map lt(%n, %zero) : i32, i32
      %c = attn.map and(%c1, %c2) : i1, i1)",
                             R"(
      %c1 = attn.map gt(%g, %zero) : i32, i32
      %c2 = attn.map lt(%n, %zero) : i32, i32
      %c = attn.map or(%c1, %c2) : i1, i1)",
                             R"(
      %c1 = attn.map le(%g, %zero) : i32, i32
      %c2 = attn.map ge(%n, %zero) : i32, i32
      %c3 = attn.map or(%c1, %c2) : i1, i1
      %c = attn.map not(%c3) : i1)",
                             R"(
      %s = attn.map add(%g, %n) : i32, i32
      %c = attn.map gt(%s, %zero) : i32, i32)",
                             R"(
      %c = read %Named[%b, %n] : @b,n:i1)"};
  // b = 0 with G > 0, b = 1 without; n = 0, 1 of value 1 each.
  std::vector<double> expected[] = {{2, absent}, {0, absent}, {2, 0},
                                    {0, absent}, {2, 1},      {0, absent}};
  for (auto [text, result] : llvm::zip(condition, expected)) {
    std::string map = std::string(R"(
      %g = read %G[%b] : @b:i32
      %zero = arith.constant 0 : i32
      %x = read %X[%n] : @n:f64
      )") + text + R"(
      %y = attn.where %x, %c : f64)";
    std::string body = R"(
    einsum Named over b,n {
      %g = read %G[%b] : @b:i32
      %zero = arith.constant 0 : i32
      %c1 = attn.map gt(%g, %zero) : i32, i32
      %c2 = attn.map lt(%n, %zero) : i32, i32
      %c = attn.map and(%c1, %c2) : i1, i1
      attn.yield %c : i1
    } : @b,n:i1
    einsum Direct over b reduce sum n {)" +
                       map + R"(
      attn.yield %y : f64
    } : @b:f64
    einsum Y over b,n {)" +
                       map + R"(
      attn.yield %y : f64
    } : @b,n:f64
    einsum Through over b reduce sum n {
      %y = read %Y[%b, %n] : @b,n:f64
      attn.yield %y : f64
    } : @b:f64
    attn.return %Direct, %Through : @b:f64, @b:f64)";
    SCOPED_TRACE(text);
    auto all = values({"b n", "G@b:i32 X@n:f64", "D T", body},
                      {integers({2}, {1, 0}), vector({1, 1})});
    expectValues(all[0], result);
    expectValues(all[1], result);
  }
}

// A reduction that is absent hides the points of the next one.
TEST_F(Presence, HoistingThroughReductions) {
  Program p{"b n d", "G@b:i32 X@n,d:f64", "L O", R"(
    einsum S over b,n reduce sum d {
      %g = read %G[%b] : @b:i32
      %zero = arith.constant 0 : i32
      %c = attn.map gt(%g, %zero) : i32, i32
      %x = read %X[%n, %d] : @n,d:f64
      %y = attn.where %x, %c : f64
      attn.yield %y : f64
    } : @b,n:f64
    einsum L over b reduce max n {
      %x = read %S[%b, %n] : @b,n:f64
      attn.yield %x : f64
    } : @b:f64
    einsum O over b {
      %x = read %L[%b] : @b:f64
      %zero = arith.constant 0.0 : f64
      %y = attn.else %x, %zero : f64
      attn.yield %y : f64
    } : @b:f64
    attn.return %L, %O : @b:f64, @b:f64)"};
  auto all = values(p, {integers({2}, {1, 0}), reals({2, 2}, {1, 2, 3, 4})});
  expectValues(all[0], {7, absent});
  expectValues(all[1], {7, 0});
}

// A guard decides, whatever the map says; a pure map needs its value too.
TEST_F(Presence, Guard) {
  Program p{"b n", "G@b:i32 X@n:f64", "S M", R"(
    einsum S over b reduce sum n {
      %g = read %G[%b] : @b:i32
      %zero = arith.constant 0 : i32
      %c = attn.map gt(%g, %zero) : i32, i32
      %x = read %X[%n] : @n:f64
      %y = attn.where %x, %c : f64
      attn.yield %y : f64
    } guard b {
      %one = arith.constant 1 : i32
      %c = attn.map le(%b, %one) : i32, i32
      attn.yield %c : i1
    } : @b:f64
    einsum M over b {
      %g = read %G[%b] : @b:i32
      %zero = arith.constant 0 : i32
      %c = attn.map gt(%g, %zero) : i32, i32
      %x = attn.map real(%g) : i32
      %y = attn.where %x, %c : f64
      attn.yield %y : f64
    } guard b {
      %one = arith.constant 1 : i32
      %c = attn.map le(%b, %one) : i32, i32
      attn.yield %c : i1
    } : @b:f64
    attn.return %S, %M : @b:f64, @b:f64)"};
  auto all = values(p, {integers({3}, {1, 0, 1}), vector({1, 2})});
  expectValues(all[0], {3, 0, absent});
  expectValues(all[1], {1, absent, absent});
}

// Ruling 12: a predicate on a coordinate that is not there is absent, and a
// Kleene `or` does not mind; ruling 14: a sum lives on the intersection.
TEST_F(Presence, AbsentCoordinates) {
  Program p{"c p n m", "X@c:f64", "O", R"(
    einsum O over m reduce sum c {
      %x = read %X[%c] : @c:f64
      %pe = attn.extent "p"
      %back = attn.map sub(%c, %pe) : i32, i32
      %zero = arith.constant 0 : i32
      %in = attn.map ge(%back, %zero) : i32, i32
      %n = attn.where %back, %in : i32
      %prefix = attn.map lt(%c, %pe) : i32, i32
      %causal = attn.map le(%n, %m) : i32, i32
      %c1 = attn.map or(%prefix, %causal) : i1, i1
      %y = attn.where %x, %c1 : f64
      attn.yield %y : f64
    } : @m:f64
    attn.return %O : @m:f64)"};
  p.relations = "#attn.sum<\"c\" = [\"p\", \"n\"]>";
  InterpretOptions options;
  options.extents = {{"p", 2}, {"n", 3}, {"m", 2}};
  p.inputs = "X@c:f64 P@p:f64 N@n:f64 M@m:f64";
  expectValues(value(p,
                     {vector({1, 2, 4, 8, 16}), vector({0, 0}),
                      vector({0, 0, 0}), vector({0, 0})},
                     options),
               {7, 15});
}

// One value needed in several branches: evaluated once, or not at all.
TEST_F(Presence, SharedLazyValues) {
  std::string chain;
  for (int i = 0; i < 40; ++i) {
    std::string a = std::to_string(i), b = std::to_string(i + 1);
    chain += "%l" + b + " = attn.where %e" + a + ", %c : f64\n";
    chain += "%d" + b + " = attn.map add(%e" + a + ", %one) : f64, f64\n";
    chain += "%e" + b + " = attn.else %l" + b + ", %d" + b + " : f64\n";
  }
  std::string body = R"(
    einsum A over n {
      %e0 = read %X[%n] : @n:f64
      %one = arith.constant 1.0 : f64
      %c = attn.map gt(%e0, %one) : f64, f64
      )" + chain + R"(
      attn.yield %e40 : f64
    } : @n:f64
    einsum O over n reduce sum m {
      %x = read %A[%n] : @n:f64
      %m1 = attn.map real(%m) : i32
      %y = attn.map mul(%x, %m1) : f64, f64
      attn.yield %y : f64
    } : @n:f64
    attn.return %O : @n:f64)";
  expectValues(value({"n m=3", "X@n:f64", "O", body}, {vector({5, 0})}),
               {15, 120});
}
