//===- OracleTest.cpp - the oracle rule -------------------------*- C++ -*-===//
#include "compiler/Oracle.h"
#include "compiler/Load.h"
#include "mlir/IR/Builders.h"
#include "gtest/gtest.h"

using namespace mlir;
using namespace attn;

namespace {

class OracleTest : public testing::Test {
protected:
  MLIRContext context;
  Builder b{&context};

  Array reals(std::vector<double> values) {
    return Array::real({int64_t(values.size())}, b.getF32Type(), values);
  }
  /// `naive`: what the naive evaluation gives; empty: it is as good as f64.
  Comparison judge(std::vector<double> got, std::vector<double> want,
                   std::vector<double> naive = {}) {
    Array rough = reals(naive.empty() ? want : naive);
    return compare(reals(got), reals(want), Precision::Compiled,
                   [&] { return &rough; });
  }
  std::string problem(std::vector<double> got, std::vector<double> want,
                      std::vector<double> naive = {}) {
    return judge(got, want, naive).problem;
  }
  static const Array *none() { return nullptr; }
};

TEST_F(OracleTest, RoundingPassesMoreDoesNot) {
  EXPECT_EQ(problem({1.000001, -2}, {1, -2}), "");
  std::string text = problem({1.01, -2}, {1, -2});
  EXPECT_TRUE(
      StringRef(text).starts_with("[0] is 1.01000000E+00, not 1.00000000E+00"));
}

TEST_F(OracleTest, TwiceTheNaiveErrorPassesMoreDoesNot) {
  EXPECT_EQ(problem({1.0019, 5}, {1, 5}, {1, 5.001}), "");
  EXPECT_NE(problem({1.0021, 5}, {1, 5}, {1, 5.001}), "");
}

TEST_F(OracleTest, TheRatioIsToWhatIsAllowed) {
  EXPECT_EQ(judge({1, 5}, {1, 5}).ratio, 0);
  EXPECT_NEAR(judge({1.001, 5}, {1, 5}, {1, 5.001}).ratio, 0.5, 0.01);
  EXPECT_NEAR(judge({1.004, 5}, {1, 5}, {1, 5.001}).ratio, 2, 0.02);
  EXPECT_EQ(judge({NAN, 5}, {1, 5}).ratio, INFINITY);
}

TEST_F(OracleTest, TheNaiveEvaluationIsAskedOnlyWhenNeeded) {
  bool asked = false;
  auto naive = [&]() -> const Array * {
    asked = true;
    return nullptr;
  };
  compare(reals({1.000001}), reals({1}), Precision::Compiled, naive);
  EXPECT_FALSE(asked);
  EXPECT_NE(
      compare(reals({1.1}), reals({1}), Precision::Compiled, naive).problem,
      "");
  EXPECT_TRUE(asked);
}

TEST_F(OracleTest, TheNaiveEvaluationOfAProgramHasErrorsOfLowPrecision) {
  std::string messages;
  llvm::raw_string_ostream os(messages);
  auto program = loadText("oracle.attn",
                          "cascade f(x: f32[m,n]) -> s: f32[m]\n"
                          "{ s[m] = sum[n](exp(x)) - 1000 }",
                          {}, os);
  ASSERT_TRUE(program) << messages;
  CascadeOp cascade = *program->module->getOps<CascadeOp>().begin();
  // A sum of 1000 cancels: what is left has the error of the sum.
  Array x = Array::real({1, 1000}, b.getF32Type(),
                        std::vector<double>(1000, 0x1p-12));
  auto exact = interpret(cascade, {x});
  ASSERT_TRUE(bool(exact));
  Array got = (*exact)[0];
  double off = 1e-6;
  auto problemAt = [&](double error) {
    Array changed = got;
    changed.reals[0] += error;
    Oracle oracle(cascade, x, {});
    return oracle.compare(0, changed, got).problem;
  };
  EXPECT_EQ(problemAt(off), "");
  EXPECT_NE(problemAt(0.01), "");
  EXPECT_NE(problemAt(NAN), "");
}

TEST_F(OracleTest, WeightsOfNarrowValuesMayBeRoundedToTheirType) {
  // 1 + 2^-9 is no bf16: the naive evaluation has 1 in its place.
  auto problemWith = [&](StringRef type) {
    std::string messages;
    llvm::raw_string_ostream os(messages);
    auto program = loadText("oracle.attn",
                            ("cascade f(p: f32[n], v: " + type +
                             "[n]) -> s: f32\n" + "{ s = sum[n](p * 1 * v) }")
                                .str(),
                            {}, os);
    EXPECT_TRUE(program) << messages;
    CascadeOp cascade = *program->module->getOps<CascadeOp>().begin();
    Array p = Array::real({1}, b.getF32Type(), {1 + 0x1p-9});
    Array v = Array::real(
        {1}, type == "bf16" ? Type(b.getBF16Type()) : Type(b.getF32Type()),
        {1});
    std::vector<Array> inputs = {p, v};
    auto exact = interpret(cascade, inputs);
    EXPECT_TRUE(bool(exact));
    Array rounded = (*exact)[0];
    rounded.reals[0] = 1;
    return Oracle(cascade, inputs, {}).compare(0, rounded, (*exact)[0]).problem;
  };
  EXPECT_EQ(problemWith("bf16"), "");
  EXPECT_NE(problemWith("f32"), "");
}

TEST_F(OracleTest, NanNeverPassesUnlessItIsWanted) {
  EXPECT_NE(problem({NAN, 1}, {0, 1}), "");
  EXPECT_NE(problem({0, 1}, {NAN, 1}), "");
  EXPECT_EQ(problem({NAN, 1}, {NAN, 1}), "");
}

TEST_F(OracleTest, InfinitiesStandInTheSamePlaces) {
  EXPECT_EQ(problem({-INFINITY, 1}, {-INFINITY, 1}), "");
  EXPECT_NE(problem({INFINITY, 1}, {-INFINITY, 1}), "");
  EXPECT_NE(problem({1e30, 1}, {INFINITY, 1}), "");
}

TEST_F(OracleTest, AnOverflowOfTheStorageTypeIsNoError) {
  EXPECT_EQ(problem({INFINITY}, {1e39}), "");
}

TEST_F(OracleTest, OneLargeValueDoesNotExcuseAllOthersOfF64) {
  Type f64 = b.getF64Type();
  Array want = Array::real({2}, f64, {1e6, 1}), got = want;
  got.reals[1] = 1.001;
  EXPECT_NE(compare(got, want, Precision::Double, none).problem, "");
}

TEST_F(OracleTest, IntegersAgreeExactlyAndShapesToo) {
  Array want = Array::integer({2, 2}, b.getI32Type(), {1, 2, 3, 4});
  Array got = want;
  got.integers[2] = 5;
  EXPECT_EQ(compare(got, want, Precision::Exact, none).problem,
            "[1, 0] is 5, not 3");
  got.shape = {4};
  EXPECT_EQ(compare(got, want, Precision::Exact, none).problem,
            "has shape [4], not [2, 2]");
}

} // namespace
