//===- Bounds.cpp - proofs that an access stays inside ----------*- C++ -*-===//
#include "passes/cascade/Bounds.h"
#include "dialect/PrintExpr.h"
#include "passes/cascade/Dependences.h"

using namespace mlir;
using namespace attn;

BoundsProver::BoundsProver(Region &region)
    : space(region.getParentOfType<CascadeOp>()) {
  space.addRegion(region);
}

PointSet BoundsProver::evaluated(ReadOp read) {
  PointSet result = space.demand(read);
  for (Value index : read.getIndices())
    result = result.intersect(space.presence(index, Approximation::Over));
  return result;
}

/// Points outside the rank and every base point.
PointSet BoundsProver::leaving(ReadOp read, unsigned position) {
  return space.inExtent(read, position)
      .complement(true)
      .intersect(space.basePoints(read).complement(true));
}

std::optional<Point> BoundsProver::findLeaving(ReadOp read, unsigned position) {
  if (space.isInside(read, position))
    return std::nullopt;
  // A small counterexample in the coordinates of this index reads best.
  NamedForms names;
  namedVariables(space, read.getIndices()[position], names);
  SmallVector<unsigned> order;
  for (auto &[name, form] : names)
    if (auto variable = form.getVariable())
      order.push_back(*variable);
  PointSet points = leaving(read, position).intersect(evaluated(read));
  return space.withFacts(points).sample(order);
}

bool BoundsProver::isAlwaysOutside(ReadOp read, unsigned position) {
  StringAttr rank = read.getTensor().getType().getRanks()[position];
  if (space.extentOf(rank).getConstant() == 0 ||
      space.inExtent(read, position).isAll())
    return false;
  PointSet points = evaluated(read);
  return space.isEmpty(points.intersect(space.inExtent(read, position))) &&
         space.isEmpty(points.intersect(space.inDomain(read))) &&
         !space.isEmpty(points);
}

bool attn::isStep(ReadOp read, unsigned position) {
  Operation *definition = definitionOf(read);
  StringAttr rank = read.getTensor().getType().getRanks()[position];
  auto type = dyn_cast<NamedTensorType>(definition->getResult(0).getType());
  auto argument = dyn_cast<BlockArgument>(read.getIndices()[position]);
  return type && type.rankIndex(rank) >= 0 &&
         (!argument || coordinateName(argument) != rank.getValue());
}

void attn::namedVariables(IterationSpace &space, Value value,
                          NamedForms &names) {
  Operation *op = value.getDefiningOp();
  if (!op || isa<ExtentOp, ReadOp>(op)) {
    std::string text = printExpr(value);
    if (llvm::none_of(names, [&](auto &pair) { return pair.first == text; }))
      names.push_back({text, space.formOf(value)});
    return;
  }
  unsigned count = isa<WhereOp>(op) ? 1 : op->getNumOperands();
  for (Value operand : op->getOperands().take_front(count))
    namedVariables(space, operand, names);
}

int64_t attn::evaluate(const AffineForm &form, const Point &point) {
  int64_t value = form.constant;
  for (auto [i, c] : llvm::enumerate(form.coefficients))
    if (i < point.size())
      value += c * point[i];
  return value;
}
