//===- AffineDomains.cpp - where reads lie and values are asked -*- C++ -*-===//
// Domains and demand of Affine.h.
#include "dialect/Affine.h"

using namespace mlir;
using namespace attn;

//===----------------------------------------------------------------------===//
// Domains
//===----------------------------------------------------------------------===//

PointSet IterationSpace::inExtent(ReadOp read, unsigned position) {
  StringAttr rank = read.getTensor().getType().getRanks()[position];
  // A coordinate of the rank itself is inside: no constraint to carry along.
  if (auto op = dyn_cast<EinsumOp>(read->getParentOp()))
    if (op.getMap().isAncestor(read->getParentRegion()) &&
        op.coordinate(rank) == read.getIndices()[position])
      return PointSet::all();
  AffineForm index = formOf(read.getIndices()[position]);
  if (auto x = index.getVariable();
      x && variables[*x].kind == SpaceVariable::Coordinate &&
      (variables[*x].rank == rank ||
       extentOf(variables[*x].rank) == extentOf(rank)))
    return PointSet::all(); // a coordinate of the same rank
  return PointSet::nonNegative(index).intersect(
      PointSet::nonNegative(extentOf(rank) - index - 1));
}

bool IterationSpace::isInside(ReadOp read, unsigned position) {
  PointSet inside = inExtent(read, position);
  Value index = read.getIndices()[position];
  if (implies(PointSet::all(), inside) ||
      implies(presence(index, Approximation::Over), inside))
    return true;
  StringAttr rank = read.getTensor().getType().getRanks()[position];
  for (Attribute relation : cascade.getRelations())
    if (auto sum = dyn_cast<SumAttr>(relation))
      if (sum.getWhole() == rank || llvm::is_contained(sum.getParts(), rank))
        return false;
  auto form = determined(rank, *read->getParentRegion());
  return form && *form == formOf(index);
}

PointSet IterationSpace::inDomain(ReadOp read) {
  PointSet box = PointSet::all();
  for (unsigned i = 0; i < read.getIndices().size(); ++i)
    box = box.intersect(inExtent(read, i));
  return box.unite(basePoints(read));
}

PointSet IterationSpace::basePoints(ReadOp read) {
  PointSet result;
  auto equations = read.getTensor().getDefiningOp<EquationsOp>();
  if (!equations || read.getBounds() == Bounds::data)
    return result;
  for (Attribute pattern : equations.getPatterns()) {
    bool isBase = false;
    PointSet points = PointSet::all();
    for (auto [i, index] : llvm::enumerate(cast<ArrayAttr>(pattern))) {
      auto constant = dyn_cast<ExtentAttr>(index);
      isBase |= bool(constant);
      points = points.intersect(
          constant
              ? PointSet::zero(formOf(read.getIndices()[i]) - formOf(constant))
              : inExtent(read, i));
    }
    if (isBase)
      result = result.unite(points);
  }
  return result;
}

//===----------------------------------------------------------------------===//
// Demand
//===----------------------------------------------------------------------===//

/// Conditions that hold where `use` is evaluated, besides those of its owner.
PointSet IterationSpace::demandOfUse(OpOperand &use) {
  Operation *owner = use.getOwner();
  if (isa<YieldOp>(owner)) {
    auto einsum = dyn_cast<EinsumOp>(owner->getParentOp());
    if (einsum && owner->getParentRegion() == &einsum.getMap())
      return demandOfResult(einsum);
    return PointSet::all();
  }
  PointSet result = demand(owner->getResult(0));
  unsigned position = use.getOperandNumber();
  if (auto where = dyn_cast<WhereOp>(owner); where && position == 0)
    return result.intersect(truth(where.getCondition(), Approximation::Over));
  if (position == 1)
    if (auto otherwise = dyn_cast<ElseOp>(owner))
      return result.intersect(
          presence(otherwise.getValue(), Approximation::Under)
              .complement(true));
  if (auto map = dyn_cast<MapOp>(owner); map && position == 1)
    if (map.getFn() == Fn::and_ || map.getFn() == Fn::or_)
      return result.intersect(
          truth(map.getOperand(0), Approximation::Under, map.getFn() == Fn::or_)
              .complement(true));
  return result;
}

PointSet IterationSpace::demandOfResult(EinsumOp op) {
  bool isNamed = llvm::any_of(op.getNames().getAsValueRange<StringAttr>(),
                              [](StringRef n) { return !isSubexpression(n); });
  if (isNamed || unfolding.size() > 8 || !unfolding.insert(op).second)
    return PointSet::all();
  PointSet result;
  for (Value tensor : op.getResults())
    for (Operation *user : tensor.getUsers()) {
      auto read = dyn_cast<ReadOp>(user);
      if (!read) {
        result = PointSet::all();
        break;
      }
      PointSet here = demand(read);
      for (auto [coordinate, index] :
           llvm::zip(op.getMap().getArguments(), read.getIndices()))
        here =
            here.intersect(PointSet::zero(formOf(coordinate) - formOf(index)));
      result = result.unite(here);
    }
  unfolding.erase(op);
  return result;
}

PointSet IterationSpace::demand(Value value) {
  if (auto it = demands.find(value); it != demands.end())
    return it->second;
  PointSet result;
  for (OpOperand &use : value.getUses()) {
    result = result.unite(demandOfUse(use));
    if (result.isAll())
      break;
  }
  // A value that nothing uses is never evaluated; checks still apply to it.
  if (value.use_empty())
    result = PointSet::all();
  demands[value] = result;
  return result;
}
