//===- AffineTest.cpp - index analysis: forms, conditions, sets -*- C++ -*-===//
#include "dialect/Affine.h"
#include "dialect/Presence.h"
#include "dialect/PrintExpr.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Parser/Parser.h"
#include <gtest/gtest.h>

using namespace mlir;
using namespace attn;

namespace {

/// A cascade with one einsum over n (dynamic), p (|n| / 16 rounded up) and
/// i (16), whose region holds what a test writes.
class AffineTest : public testing::Test {
protected:
  void parse(std::string body) {
    context.loadDialect<AttnDialect, arith::ArithDialect>();
    module = parseSourceString<ModuleOp>(R"(
attn.cascade @test attributes {
  ranks = [#attn.rank<"n">, #attn.rank<"w">, #attn.rank<"i", <() -> (16)>>,
           #attn.rank<"p", <()[s0] -> (s0 ceildiv 16), ["n"]>>,
           #attn.rank<"y", <()[s0, s1] -> (s0 ceildiv s1), ["n", "w"]>>],
  relations = [#attn.product<"n" = ["p", "i"]>],
  inputs = [#attn.port<"X">, #attn.port<"W">, #attn.port<"len">, #attn.port<"J">],
  outputs = [#attn.port<"O">]
} {
^bb0(%X: !attn.tensor<["n"], f32>, %W: !attn.tensor<["w"], f32>,
     %len: !attn.tensor<[], i32>, %J: !attn.tensor<["w"], i32>):
  %O = attn.einsum ["O"] over ["n", "w", "p", "i"] {
  ^bb0(%n: i32, %w: i32, %p: i32, %i: i32):
    %zero = arith.constant 0.0 : f64
    %1 = arith.constant 1 : i32
    %16 = arith.constant 16 : i32
)" + body + R"(
    attn.yield %zero : f64
  } : !attn.tensor<["n", "w", "p", "i"], f32>
  attn.return %O : !attn.tensor<["n", "w", "p", "i"], f32>
})",
                                         &context);
    ASSERT_TRUE(module);
    module->walk([&](EinsumOp op) { einsum = op; });
    space.emplace(einsum->getParentOfType<CascadeOp>());
    space->addRegion(einsum.getMap());
    // The last value before the yield is what a test is about.
    Operation &yield = einsum.getMap().front().back();
    value = yield.getPrevNode()->getResult(0);
  }
  Value argument(unsigned i) { return einsum.getMap().getArgument(i); }
  AffineForm form(Value v) { return space->formOf(v); }

  MLIRContext context;
  OwningOpRef<ModuleOp> module;
  EinsumOp einsum;
  Value value;
  std::optional<IterationSpace> space;
};

TEST_F(AffineTest, QuotientsOfBlocksSimplify) {
  parse(R"(
    %a = attn.map mul(%p, %16) : i32, i32
    %b = attn.map add(%a, %i) : i32, i32
    %c = attn.map floordiv(%b, %16) : i32, i32)");
  EXPECT_TRUE(form(value) == form(argument(2)));
}

TEST_F(AffineTest, RemainderOfBlocksIsThePart) {
  parse(R"(
    %a = attn.map mul(%p, %16) : i32, i32
    %b = attn.map add(%a, %i) : i32, i32
    %c = attn.map mod(%b, %16) : i32, i32)");
  EXPECT_TRUE(form(value) == form(argument(3)));
}

TEST_F(AffineTest, PartsAreDeterminedByTheWhole) {
  parse("    %c = attn.map floordiv(%n, %16) : i32, i32");
  // With p in the space it is its own coordinate.
  auto own = space->determined(StringAttr::get(&context, "p"), einsum.getMap());
  ASSERT_TRUE(own);
  EXPECT_TRUE(*own == form(argument(2)));
  EXPECT_EQ(printExpr(value), "n//16");
}

TEST_F(AffineTest, ABlockOfTheWholeIsInsideTheParts) {
  parse("    %c = attn.map floordiv(%n, %16) : i32, i32");
  AffineForm q = form(value);
  AffineForm last =
      *space->extentOf(StringAttr::get(&context, "p")).plus(AffineForm::of(-1));
  EXPECT_TRUE(space->implies(PointSet::all(),
                             PointSet::nonNegative(*last.plus(q, -1))));
}

TEST_F(AffineTest, MinimumIsBothBounds) {
  parse(R"(
    %l = attn.read %len[] : !attn.tensor<[], i32>
    %c = attn.map min(%n, %l) : i32, i32)");
  AffineForm m = form(value), n = form(argument(0));
  EXPECT_TRUE(
      space->implies(PointSet::all(), PointSet::nonNegative(*n.plus(m, -1))));
  EXPECT_FALSE(space->implies(PointSet::all(), PointSet::nonNegative(m)));
}

TEST_F(AffineTest, KindsOfIndices) {
  parse(R"(
    %l = attn.read %len[] : !attn.tensor<[], i32>
    %a = attn.map add(%n, %l) : i32, i32
    %j = attn.read %J[%w : i32] : !attn.tensor<["w"], i32>
    %d = attn.map add(%j, %n) : i32, i32
    %x = attn.map xor(%n, %w) : i32, i32
    %m = attn.map mul(%n, %w) : i32, i32)");
  SmallVector<Value> values;
  for (MapOp op : einsum.getMap().getOps<MapOp>())
    values.push_back(op);
  EXPECT_EQ(IterationSpace::classify(values[0]), IndexKind::Affine);
  EXPECT_EQ(IterationSpace::classify(values[1]), IndexKind::Data);
  EXPECT_EQ(IterationSpace::classify(values[2]), IndexKind::Opaque);
  EXPECT_EQ(IterationSpace::classify(values[3]), IndexKind::Opaque);
  EXPECT_TRUE(space->affineOf(values[0]));
  EXPECT_FALSE(space->affineOf(values[1]));
}

TEST_F(AffineTest, ConditionsOverOneCoordinate) {
  parse(R"(
    %l = attn.read %len[] : !attn.tensor<[], i32>
    %a = attn.map le(%n, %w) : i32, i32
    %b = attn.map lt(%n, %l) : i32, i32
    %c = attn.map and(%a, %b) : i1, i1)");
  SmallVector<unsigned> symbols;
  auto set = space->setOf(value, /*whenUnknown=*/true,
                          {argument(0), argument(1)}, symbols);
  ASSERT_EQ(symbols.size(), 3u); // |n|, |w| and len
  SmallVector<int64_t> point{2, 3};
  for (unsigned s : symbols)
    point.push_back((*space)[s].kind == SpaceVariable::Scalar ? 5 : 8);
  EXPECT_TRUE(set.containsPoint(ArrayRef<int64_t>(point)));
  point[0] = 4; // n <= w fails
  EXPECT_FALSE(set.containsPoint(ArrayRef<int64_t>(point)));
  point[0] = 5, point[1] = 7; // n < len fails
  EXPECT_FALSE(set.containsPoint(ArrayRef<int64_t>(point)));
}

TEST_F(AffineTest, UnknownPartsErrOnTheGivenSide) {
  parse(R"(
    %x = attn.read %X[%n : i32] : !attn.tensor<["n"], f32>
    %a = attn.map lt(%x, %zero) : f64, f64
    %b = attn.map le(%n, %w) : i32, i32
    %c = attn.map and(%a, %b) : i1, i1)");
  EXPECT_TRUE(space->truth(value, Approximation::Under).isNone());
  PointSet over = space->truth(value, Approximation::Over);
  EXPECT_FALSE(over.isAll());
  // not (a and b) holds where b fails, whatever a is.
  PointSet notOver = space->truth(value, Approximation::Under, false);
  EXPECT_FALSE(notOver.isNone());
}

TEST_F(AffineTest, AnAbsentConditionIsNotFalse) {
  parse(R"(
    %a = attn.map le(%n, %w) : i32, i32
    %k = attn.where %n, %a : i32
    %b = attn.map lt(%k, %16) : i32, i32
    %true = arith.constant true
    %c = attn.else %b, %true : i1)");
  // True where n > w, and where n < 16.
  PointSet t = space->truth(value, Approximation::Under);
  AffineForm n = form(argument(0)), w = form(argument(1));
  PointSet beyond =
      PointSet::nonNegative(*n.plus(w, -1)->plus(AffineForm::of(-1)));
  EXPECT_TRUE(space->implies(beyond, t));
  EXPECT_FALSE(space->implies(PointSet::all(), t));
}

TEST(PointSetTest, ComplementAndSample) {
  // 0 <= x < 10 and x even: x = 2 y.
  AffineForm x = AffineForm::variable(0), y = AffineForm::variable(1);
  PointSet box = PointSet::nonNegative(x).intersect(
      PointSet::nonNegative(*AffineForm::of(9).plus(x, -1)));
  PointSet even = box.intersect(PointSet::zero(*x.plus(y, -2)));
  auto point = even.sample();
  ASSERT_TRUE(point);
  EXPECT_EQ((*point)[0], 0);
  PointSet five = even.intersect(PointSet::zero(*x.plus(AffineForm::of(-5))));
  EXPECT_FALSE(five.isRationalEmpty());
  EXPECT_TRUE(five.isEmpty());
  EXPECT_TRUE(box.complement(true).intersect(box).isEmpty());
}

TEST(PointSetTest, TooManyPiecesFallBackAsAsked) {
  PointSet set = PointSet::all();
  for (unsigned i = 0; i < 7; ++i) {
    AffineForm x = AffineForm::variable(i);
    set = set.intersect(PointSet::zero(x).unite(
        PointSet::nonNegative(*x.plus(AffineForm::of(-5)))));
  }
  EXPECT_TRUE(set.isAll());
}

TEST_F(AffineTest, APresenceFormulaOfATotalTensorIsTrue) {
  parse("    %c = attn.map floordiv(%n, %16) : i32, i32");
  PresenceAnalysis presence(einsum->getParentOfType<CascadeOp>());
  EXPECT_TRUE(presence.isTotal(einsum.getResult(0)));
}

} // namespace
