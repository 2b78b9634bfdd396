//===- CompareTest.cpp - the oracle rule ------------------------*- C++ -*-===//
#include "compiler/Compare.h"
#include "mlir/IR/Builders.h"
#include "gtest/gtest.h"

using namespace mlir;
using namespace attn;

namespace {

class CompareTest : public testing::Test {
protected:
  MLIRContext context;
  Builder b{&context};

  Array reals(std::vector<double> values) {
    return Array::real({int64_t(values.size())}, b.getF32Type(), values);
  }
  std::string problem(std::vector<double> got, std::vector<double> want) {
    Type f32 = b.getF32Type();
    return compare(reals(got), reals(want), oracleTolerance(f32, {f32}))
        .problem;
  }
};

TEST_F(CompareTest, RoundingPassesMoreDoesNot) {
  EXPECT_EQ(problem({1.00001, -2}, {1, -2}), "");
  EXPECT_EQ(problem({1.01, -2}, {1, -2}), "[0] is 1.01, not 1");
}

TEST_F(CompareTest, NanNeverPassesUnlessItIsWanted) {
  EXPECT_NE(problem({NAN, 1}, {0, 1}), "");
  EXPECT_NE(problem({0, 1}, {NAN, 1}), "");
  EXPECT_EQ(problem({NAN, 1}, {NAN, 1}), "");
}

TEST_F(CompareTest, InfinitiesStandInTheSamePlaces) {
  EXPECT_EQ(problem({-INFINITY, 1}, {-INFINITY, 1}), "");
  EXPECT_NE(problem({INFINITY, 1}, {-INFINITY, 1}), "");
  EXPECT_NE(problem({1e30, 1}, {INFINITY, 1}), "");
}

TEST_F(CompareTest, AnOverflowOfTheStorageTypeIsNoError) {
  EXPECT_EQ(problem({INFINITY}, {1e39}), "");
}

TEST_F(CompareTest, OneLargeValueDoesNotExcuseAllOthersOfF64) {
  Type f64 = b.getF64Type();
  Array want = Array::real({2}, f64, {1e6, 1}), got = want;
  got.reals[1] = 1.001;
  EXPECT_NE(compare(got, want, oracleTolerance(f64, {f64})).problem, "");
}

TEST_F(CompareTest, IntegersAgreeExactlyAndShapesToo) {
  Array want = Array::integer({2, 2}, b.getI32Type(), {1, 2, 3, 4});
  Array got = want;
  got.integers[2] = 5;
  EXPECT_EQ(compare(got, want, {}).problem, "[1, 0] is 5, not 3");
  got.shape = {4};
  EXPECT_EQ(compare(got, want, {}).problem, "has shape [4], not [2, 2]");
}

} // namespace
