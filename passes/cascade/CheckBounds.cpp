//===- CheckBounds.cpp - prove that accesses stay inside --------*- C++ -*-===//
// LANGUAGE section 5. Every read that claims to be inside its tensor is proved
// so from boxes, relations, extent equations and the conditions around it; the
// counterexample of a failed proof is the error message.
#include "dialect/Affine.h"
#include "dialect/PrintExpr.h"
#include "passes/Passes.h"
#include "passes/cascade/Dependences.h"

namespace attn {
#define GEN_PASS_DEF_ATTNCHECKBOUNDS
#include "passes/Passes.h.inc"
} // namespace attn

using namespace mlir;
using namespace attn;

namespace {
class BoundsChecker {
public:
  BoundsChecker(Region &region, const Dependences &dependences)
      : region(region), dependences(dependences),
        space(region.getParentOfType<CascadeOp>()) {
    space.addRegion(region);
  }

  LogicalResult check(ReadOp read);

private:
  bool isPlain(ReadOp read, unsigned position);
  bool isDetermined(ReadOp read, unsigned position);
  LogicalResult checkIndex(ReadOp read, unsigned position);
  LogicalResult reportLeaving(ReadOp read, unsigned position,
                              const Point &point);
  LogicalResult reportOutside(ReadOp read, unsigned position);

  Region &region;
  const Dependences &dependences;
  IterationSpace space;
};
} // namespace

/// The coordinate of the same rank: inside without a proof.
bool BoundsChecker::isPlain(ReadOp read, unsigned position) {
  auto argument = dyn_cast<BlockArgument>(read.getIndices()[position]);
  return argument && argument.getOwner() == &region.front() &&
         coordinateName(argument) ==
             read.getTensor().getType().getRanks()[position].getValue();
}

/// The coordinate that a product relation determines. Points beyond its extent
/// are in no space, whatever the extents are.
bool BoundsChecker::isDetermined(ReadOp read, unsigned position) {
  StringAttr rank = read.getTensor().getType().getRanks()[position];
  for (Attribute relation : space.getCascade().getRelations())
    if (auto sum = dyn_cast<SumAttr>(relation))
      if (sum.getWhole() == rank || llvm::is_contained(sum.getParts(), rank))
        return false;
  auto form = space.determined(rank, region);
  return form && *form == space.formOf(read.getIndices()[position]);
}

static int64_t evaluate(const AffineForm &form, const Point &point) {
  int64_t value = form.constant;
  for (auto [i, c] : llvm::enumerate(form.coefficients))
    if (i < point.size())
      value += c * point[i];
  return value;
}

/// Variables that an expression names, in the order of their occurrence, with
/// their text.
static void namedVariables(
    IterationSpace &space, Value value,
    SmallVectorImpl<std::pair<std::string, AffineForm>> &names) {
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

LogicalResult BoundsChecker::reportLeaving(ReadOp read, unsigned position,
                                           const Point &point) {
  Value index = read.getIndices()[position];
  StringAttr rank = read.getTensor().getType().getRanks()[position];
  AffineForm form = space.formOf(index), extent = space.extentOf(rank);
  SmallVector<std::pair<std::string, AffineForm>> names;
  namedVariables(space, index, names);
  int64_t value = evaluate(form, point);
  std::string extentName = "|" + rank.str() + "|";
  if (value >= 0 && !extent.getConstant() &&
      llvm::none_of(names, [&](auto &p) { return p.first == extentName; }))
    names.push_back({extentName, extent});
  InFlightDiagnostic error = read.emitError()
                             << printAccess(read) << " may leave rank "
                             << rank.getValue() << ": " << printExpr(index);
  if (!names.empty() && names.front().first != printExpr(index))
    error << " = " << value;
  else if (!names.empty())
    names.erase(names.begin()), error << " = " << value;
  for (auto [i, pair] : llvm::enumerate(names))
    error << (i ? ", " : " at ") << pair.first << " = "
          << evaluate(pair.second, point);
  error.attachNote()
      << "hint: `?` (absent), `else 0` (counted), or a `where` before it";
  return error;
}

LogicalResult BoundsChecker::reportOutside(ReadOp read, unsigned position) {
  StringAttr rank = read.getTensor().getType().getRanks()[position];
  InFlightDiagnostic error = read.emitError()
                             << printAccess(read) << " is outside rank "
                             << rank.getValue() << " at every point";
  if (space.formOf(read.getIndices()[position]) == space.extentOf(rank))
    error.attachNote() << "hint: the last index is `|" << rank.getValue()
                       << "|-1`";
  return error;
}

LogicalResult BoundsChecker::checkIndex(ReadOp read, unsigned position) {
  Value index = read.getIndices()[position];
  PointSet inside = space.inExtent(read, position);
  if (space.implies(PointSet::all(), inside))
    return success();
  // Base points count for the whole access.
  PointSet outside = inside.complement(true);
  if (read.getTensor().getDefiningOp<EquationsOp>())
    outside = outside.intersect(space.inDomain(read).complement(true));
  bool claimsInside = read.getBounds() == Bounds::inside;
  if (claimsInside &&
      IterationSpace::classify(index) == IndexKind::Opaque &&
      !space.isEmpty(outside)) {
    InFlightDiagnostic error =
        read.emitError() << "index " << printExpr(index) << " cannot be bounded";
    error.attachNote() << "hint: add `?`";
    return error;
  }
  PointSet demanded = space.demand(read);
  auto withPresentIndices = [&](const PointSet &set) {
    PointSet result = set.intersect(demanded);
    for (Value operand : read.getIndices())
      result =
          result.intersect(space.presence(operand, Approximation::Over));
    return space.withFacts(result);
  };
  std::optional<Point> point;
  if (claimsInside) {
    // Prefer a small counterexample in the coordinates of this index.
    SmallVector<std::pair<std::string, AffineForm>> names;
    namedVariables(space, index, names);
    SmallVector<unsigned> order;
    for (auto &[name, form] : names)
      if (auto variable = form.getVariable())
        order.push_back(*variable);
    point = withPresentIndices(outside).sample(order);
    if (!point || isDetermined(read, position))
      return success();
  }
  // Outside everywhere, unless the access is evaluated nowhere.
  StringAttr rank = read.getTensor().getType().getRanks()[position];
  PointSet reachable = claimsInside ? inside : space.inDomain(read);
  bool isEmptyRank = space.extentOf(rank).getConstant() == 0;
  if (!isEmptyRank && withPresentIndices(inside).isEmpty() &&
      withPresentIndices(reachable).isEmpty() &&
      !withPresentIndices(PointSet::all()).isEmpty())
    return reportOutside(read, position);
  if (!claimsInside)
    return success();
  // Steps before the first are CheckRecurrences' to report.
  if (dependences.isInOwnCycle(read))
    return success();
  return reportLeaving(read, position, *point);
}

LogicalResult BoundsChecker::check(ReadOp read) {
  if (read.getBounds() == Bounds::data)
    return success();
  for (unsigned i = 0; i < read.getIndices().size(); ++i) {
    if (isPlain(read, i))
      continue;
    if (failed(checkIndex(read, i)))
      return failure();
  }
  return success();
}

namespace {
struct CheckBounds : attn::impl::AttnCheckBoundsBase<CheckBounds> {
  void runOnOperation() override {
    Dependences dependences(getOperation());
    bool failedAny = false;
    auto checkRegion = [&](Region &region) {
      std::optional<BoundsChecker> checker;
      for (ReadOp read : region.getOps<ReadOp>()) {
        if (!checker)
          checker.emplace(region, dependences);
        failedAny |= failed(checker->check(read));
      }
    };
    getOperation().walk([&](Operation *op) {
      if (auto einsum = dyn_cast<EinsumOp>(op))
        checkRegion(einsum.getMap());
      else if (auto order = dyn_cast<OrderOp>(op))
        checkRegion(order.getKeys());
    });
    if (failedAny)
      signalPassFailure();
  }
};
} // namespace
