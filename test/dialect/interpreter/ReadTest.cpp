//===- ReadTest.cpp - bounds, extents, inputs, outputs ----------*- C++ -*-===//
// LANGUAGE sections 4, 5 and 10, rulings 16 to 18, 27 and 36.
//===----------------------------------------------------------------------===//
#include "Fixture.h"
#include "dialect/Philox.h"
#include "mlir/IR/Builders.h"

using namespace attn;
using namespace attn::test;

namespace {
class Reads : public InterpreterTest {
protected:
  /// X[n - 1] under `bounds`.
  Program shifted(llvm::StringRef bounds) {
    text = (R"(
    einsum O over b,n {
      %one = arith.constant 1 : i32
      %p = attn.map sub(%n, %one) : i32, i32
      %x = read %X[%b, %p] )" +
            bounds + R"( : @b,n:f64
      attn.yield %x : f64
    } : @b,n:f64
    attn.return %O : @b,n:f64)")
               .str();
    return {"b n", "X@b,n:f64", "O", text};
  }
  /// `code` computes %y of type `type` from %x = X[n] : f64.
  std::vector<double> mapped(llvm::StringRef code, llvm::StringRef type,
                             llvm::StringRef element, llvm::StringRef attrs,
                             std::vector<double> x, bool round = false) {
    text = ("einsum O over n {\n%x = read %X[%n] : @n:f64\n" + code +
            "\nattn.yield %y : " + type + "\n} " + attrs + " : @n:" + element +
            "\nattn.return %O : @n:" + element)
               .str();
    InterpretOptions options;
    options.roundOutputs = round;
    return value({"n", "X@n:f64", "O", text}, {vector(x)}, options);
  }
  std::string text;
};
} // namespace

TEST_F(Reads, Bounds) {
  Array x = reals({1, 3}, {1, 2, 3});
  EXPECT_EQ(error(shifted(""), {x}),
            "O[b=0,n=0] reads X[b=0,n=-1]: n = -1 is outside the extent 3");
  expectValues(value(shifted("absent"), {x}), {absent, 1, 2});
  expectValues(value(shifted("data"), {x}), {absent, 1, 2});
}

// Ruling 18: a data index never reaches a base point.
TEST_F(Reads, DataNeverReadsBasePoints) {
  Program p{"t j=3", "H0@:f64 X@t:f64 I@j:i32", "A B", R"(
    %H = attn.equations "H"(%H0, %X) [[#attn.extent<() -> (-1)>], ["t"]] : (@:f64, @t:f64) -> @t:f64
    einsum A over j {
      %i = read %I[%j] : @j:i32
      %h = read %H[%i] data : @t:f64
      attn.yield %h : f64
    } : @j:f64
    einsum B over j {
      %i = read %I[%j] : @j:i32
      %h = read %H[%i] absent : @t:f64
      attn.yield %h : f64
    } : @j:f64
    attn.return %A, %B : @j:f64, @j:f64)"};
  auto all =
      values(p, {reals({}, {9}), vector({1, 2}), integers({3}, {1, -1, 2})});
  expectValues(all[0], {2, absent, absent});
  expectValues(all[1], {2, 9, absent});
}

TEST_F(Reads, Extents) {
  Program p{"b n k=|n|+1", "K@b,n:f64 V@b,n:f64", "O", R"(
    einsum O over b,k {
      %one = arith.constant 1 : i32
      %p = attn.map sub(%k, %one) : i32, i32
      %x = read %K[%b, %p] absent : @b,n:f64
      %y = read %V[%b, %p] absent : @b,n:f64
      %s = attn.map add(%x, %y) : f64, f64
      attn.yield %s : f64
    } : @b,k:f64
    attn.return %O : @b,k:f64)"};
  Array k = reals({1, 2}, {1, 2});
  expectValues(value(p, {k, k}), {absent, 2, 4});
  EXPECT_EQ(error(p, {k, reals({1, 1}, {1})}),
            "rank n has extents 2 and 1: K axis 1, V axis 1");
  EXPECT_EQ(error(p, {k, vector({1})}), "input V has 2 axes, not 1: V[b,n]");
  EXPECT_EQ(error(p, {k}), "test takes 2 inputs, not 1");
  EXPECT_EQ(error(p, {k, Array()}), "input V is missing");
  InterpretOptions options;
  options.extents = {{"n", 3}};
  EXPECT_EQ(error(p, {k, k}, options),
            "rank n has extents 2 and 3: K axis 1, the given extent");
  options.extents = {{"z", 3}};
  EXPECT_EQ(error(p, {k, k}, options), "no rank z");
}

TEST_F(Reads, DerivedExtents) {
  Program p{"n m=|n|-3", "X@n:f64 Y@m:f64", "O", R"(
    einsum O over m {
      %x = read %Y[%m] : @m:f64
      attn.yield %x : f64
    } : @m:f64
    attn.return %O : @m:f64)"};
  expectValues(value(p, {vector({1, 2, 3, 4}), vector({7})}), {7});
  // A negative extent is 0.
  expectValues(value(p, {vector({1}), vector({})}), {});
  EXPECT_EQ(error(p, {vector({1, 2, 3, 4}), vector({7, 8})}),
            "rank m has extents 2 and 1: Y axis 0, its definition");
}

TEST_F(Reads, Relations) {
  Program p{"n p i", "X@n:f64 Y@p,i:f64", "O", R"(
    attn.return %X : @n:f64)",
            "#attn.product<\"n\" = [\"p\", \"i\"]>"};
  expectValues(value(p, {vector({1, 2, 3}), reals({2, 2}, {1, 1, 1, 1})}),
               {1, 2, 3});
  EXPECT_EQ(error(p, {vector({1, 2, 3, 4, 5}), reals({2, 2}, {1, 1, 1, 1})}),
            "the extent 5 of rank n is more than the product 4 of its parts "
            "(p, i)");
  p.relations = "#attn.sum<\"n\" = [\"p\", \"i\"]>";
  EXPECT_EQ(error(p, {vector({1, 2, 3}), reals({2, 2}, {1, 1, 1, 1})}),
            "the extent 3 of rank n is not the sum 4 of its parts (p, i)");
}

// Inputs are what their port stores.
TEST_F(Reads, InputsAreConverted) {
  Program p{"n", "X@n:bf16 I@n:i8", "O P", R"(
    attn.return %X, %I : @n:bf16, @n:i8)"};
  auto all = values(p, {vector({1.001, 3}), vector({300, -1.9})});
  expectValues(all[0], {1, 3});
  expectValues(all[1], {127, -1});
}

// Ruling 27: absent is stored as 0, -1, false; nothing is left unwritten.
TEST_F(Reads, Stores) {
  Program p{"n", "X@n:f64", "A B C", R"(
    einsum A over n {
      %x = read %X[%n] : @n:f64
      %zero = arith.constant 0.0 : f64
      %c = attn.map gt(%x, %zero) : f64, f64
      %y = attn.where %x, %c : f64
      attn.yield %y : f64
    } : @n:f64
    einsum B over n {
      %x = read %A[%n] : @n:f64
      %y = attn.cast %x to i32 : f64 -> i32
      attn.yield %y : i32
    } : @n:i32
    einsum C over n {
      %x = read %A[%n] : @n:f64
      %y = attn.map eq(%x, %x) : f64, f64
      attn.yield %y : i1
    } : @n:i1
    attn.return %A, %B, %C : @n:f64, @n:i32, @n:i1)"};
  auto outputs = interpret(p, {vector({2, -2})});
  ASSERT_TRUE(bool(outputs));
  EXPECT_EQ((*outputs)[0].reals, (std::vector<double>{2, 0}));
  EXPECT_EQ((*outputs)[1].integers, (std::vector<int64_t>{2, -1}));
  EXPECT_EQ((*outputs)[2].integers, (std::vector<int64_t>{1, 0}));
  EXPECT_EQ((*outputs)[2].present, (std::vector<uint8_t>{1, 0}));
}

TEST_F(Reads, AbsentUnsignedOutput) {
  Program p{"n", "X@n:ui8", "O", R"(
    einsum O over n {
      %false = arith.constant false
      %x = read %X[%n] : @n:ui8
      %y = attn.where %x, %false : i32
      attn.yield %y : i32
    } : @n:ui8
    attn.return %O : @n:ui8)"};
  EXPECT_EQ(error(p, {vector({1})}),
            "output O is absent at point 0, and its unsigned type cannot hold "
            "-1");
}

// Declared left sides round to nearest even; outputs do when they are stored.
TEST_F(Reads, Rounding) {
  llvm::StringRef same = "%zero = arith.constant 0.0 : f64\n"
                         "%y = attn.map add(%x, %zero) : f64, f64";
  std::vector<double> x = {1.00390625, 1.01171875, 448.1, 500, NaN, -0.3, inf};
  expectValues(mapped(same, "f64", "bf16", "{rounded}", x, true),
               {1, 1.015625, 448, 500, NaN, -0.30078125, inf});
  expectValues(mapped(same, "f64", "bf16", "{rounded}", x), x);
  expectValues(
      mapped(same, "f64", "f16", "{rounded}", {65519, 65520, 1e-8}, true),
      {65504, inf, 0});
  expectValues(
      mapped(same, "f64", "f8E4M3FN", "{rounded}", {1.0625, 1.1875, 440}, true),
      {1, 1.25, 448});
  expectValues(mapped(same, "f64", "f8E5M2", "{rounded}", {1.125, 3.6}, true),
               {1, 3.5});
  expectValues(mapped(same, "f64", "f32", "", {0.1}, true), {0.1});
  expectValues(mapped(same, "f64", "f32", "{rounded}", {0.1}, true),
               {double(0.1f)});
}

// What reads a rounded tensor sees the rounded value.
TEST_F(Reads, RoundedIntermediates) {
  Program p{"n", "X@n:f64", "O P", R"(
    einsum P over n {
      %x = read %X[%n] : @n:f64
      attn.yield %x : f64
    } {rounded} : @n:bf16
    einsum O over n {
      %x = read %P[%n] : @n:bf16
      attn.yield %x : f64
    } : @n:f64
    attn.return %O, %P : @n:f64, @n:bf16)"};
  auto all = values(p, {vector({1.001})});
  expectValues(all[0], {1});
  expectValues(all[1], {1.001});
}

// Casts round; to integer they truncate and saturate, NaN gives 0.
TEST_F(Reads, Casts) {
  std::vector<double> x = {1.9, -1.9, 300, -300, NaN, inf};
  expectValues(
      mapped("%y = attn.cast %x to i8 : f64 -> i32", "i32", "i32", "", x),
      {1, -1, 127, -128, 0, 127});
  expectValues(
      mapped("%y = attn.cast %x to ui8 : f64 -> i32", "i32", "i32", "", x),
      {1, 0, 255, 0, 0, 255});
  expectValues(mapped("%y = attn.cast %x to i64 : f64 -> i64", "i64", "i64", "",
                      {1e300, -7.5}),
               {double(INT64_MAX), -7});
  expectValues(mapped("%y = attn.cast %x to bf16 : f64 -> f64", "f64", "f64",
                      "", {1.001}),
               {1});
  expectValues(mapped("%i = attn.cast %x to i32 : f64 -> i32\n"
                      "%y = attn.cast %i to i8 : i32 -> i32",
                      "i32", "i32", "", {1000, -5}),
               {127, -5});
  expectValues(mapped("%i = attn.cast %x to i32 : f64 -> i32\n"
                      "%y = attn.cast %i to f64 : i32 -> f64",
                      "f64", "f64", "", {3.7}),
               {3});
}

// Integer overflow wraps; `//` floors, `%` is not negative, both absent for 0.
TEST_F(Reads, IntegerArithmetic) {
  Program p{"n", "A@n:i32 B@n:i32", "Sum Div Mod", R"(
    einsum Sum over n {
      %a = read %A[%n] : @n:i32
      %b = read %B[%n] : @n:i32
      %y = attn.map add(%a, %b) : i32, i32
      attn.yield %y : i32
    } : @n:i32
    einsum Div over n {
      %a = read %A[%n] : @n:i32
      %b = read %B[%n] : @n:i32
      %y = attn.map floordiv(%a, %b) : i32, i32
      attn.yield %y : i32
    } : @n:i32
    einsum Mod over n {
      %a = read %A[%n] : @n:i32
      %b = read %B[%n] : @n:i32
      %y = attn.map mod(%a, %b) : i32, i32
      attn.yield %y : i32
    } : @n:i32
    attn.return %Sum, %Div, %Mod : @n:i32, @n:i32, @n:i32)"};
  auto all = values(
      p, {integers({4}, {INT32_MAX, -7, -7, 5}), integers({4}, {1, 2, 0, 5})});
  expectValues(all[0], {INT32_MIN, -5, -7, 10});
  expectValues(all[1], {INT32_MAX, -4, absent, 1});
  expectValues(all[2], {0, 1, absent, 0});
}

// Ruling 36: a pure function of seed and coordinates, bit for bit.
TEST_F(Reads, RandomNumbers) {
  Program p{"b n", "Seed@:i64 X@b,n:f64", "U N", R"(
    einsum U over b,n {
      %s = read %Seed[] : @:i64
      %u = attn.map uniform(%s, %b, %n) : i64, i32, i32
      attn.yield %u : f64
    } : @b,n:f64
    einsum N over b,n {
      %s = read %Seed[] : @:i64
      %u = attn.map normal(%s, %b, %n, %b, %n, %n) : i64, i32, i32, i32, i32, i32
      attn.yield %u : f64
    } : @b,n:f64
    attn.return %U, %N : @b,n:f64, @b,n:f64)"};
  auto all =
      values(p, {integers({}, {1234567890123}), reals({2, 2}, {0, 0, 0, 0})});
  std::vector<double> uniform, normal;
  for (int64_t b : {0, 1})
    for (int64_t n : {0, 1}) {
      uniform.push_back(philox::uniform(1234567890123, {b, n}));
      normal.push_back(philox::normal(1234567890123, {b, n, b, n, n}));
    }
  EXPECT_EQ(all[0], uniform);
  EXPECT_EQ(all[1], normal);
}

TEST_F(Reads, DefaultsOfScalars) {
  std::string before = R"(
attn.cascade @first attributes {ranks = [], inputs = [#attn.port<"W" init 7 : i32>], outputs = [#attn.port<"O">]} {
^bb0(%W: !attn.tensor<[], i32>):
  attn.return %W : !attn.tensor<[], i32>
})";
  Program p{"n", "X@n:f64", "X", "attn.return %X : @n:f64", "", before};
  expectValues(value(p, {Array()}), {7});
  expectValues(value(p, {integers({}, {3})}), {3});
}

// Folds may leave constants and extents outside the regions that use them.
TEST_F(Reads, CapturedConstants) {
  Program p{"n", "X@n:f64", "O", R"(
    %two = arith.constant 2.0 : f64
    %ext = attn.extent "n"
    einsum O over n {
      %x = read %X[%n] : @n:f64
      %e = attn.map real(%ext) : i32
      %y = attn.map mul(%x, %two) : f64, f64
      %z = attn.map add(%y, %e) : f64, f64
      attn.yield %z : f64
    } : @n:f64
    attn.return %O : @n:f64)"};
  expectValues(value(p, {vector({1, 2})}), {4, 6});
}
