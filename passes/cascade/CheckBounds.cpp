//===- CheckBounds.cpp - prove that accesses stay inside --------*- C++ -*-===//
// LANGUAGE section 5. Every read that claims to be inside its tensor is proved
// so from boxes, relations, extent equations and the conditions around it; the
// counterexample of a failed proof is the error message.
#include "dialect/PrintExpr.h"
#include "passes/Passes.h"
#include "passes/cascade/Bounds.h"
#include "passes/cascade/Dependences.h"

namespace attn {
#define GEN_PASS_DEF_ATTNCHECKBOUNDS
#include "passes/Passes.h.inc"
} // namespace attn

using namespace mlir;
using namespace attn;

static LogicalResult reportLeaving(IterationSpace &space, ReadOp read,
                                   unsigned position, const Point &point) {
  Value index = read.getIndices()[position];
  StringAttr rank = read.getTensor().getType().getRanks()[position];
  AffineForm extent = space.extentOf(rank);
  int64_t value = evaluate(space.formOf(index), point);
  NamedForms names;
  namedVariables(space, index, names);
  std::string text = printExpr(index), extentName = "|" + rank.str() + "|";
  auto isNamed = [&](StringRef name) {
    return llvm::any_of(names, [&](auto &pair) { return pair.first == name; });
  };
  if (value >= 0 && !extent.getConstant() && !isNamed(extentName))
    names.push_back({extentName, extent});
  // An index that is one name says its value already.
  llvm::erase_if(names, [&](auto &pair) { return pair.first == text; });
  InFlightDiagnostic error = read.emitError()
                             << printAccess(read) << " may leave rank "
                             << rank.getValue() << ": " << text;
  if (text != std::to_string(value))
    error << " = " << value;
  for (auto [i, pair] : llvm::enumerate(names))
    error << (i ? ", " : " at ") << pair.first << " = "
          << evaluate(pair.second, point);
  error.attachNote()
      << "hint: `?` (absent), `else 0` (counted), or a `where` before it";
  return error;
}

static LogicalResult reportOutside(IterationSpace &space, ReadOp read,
                                   unsigned position) {
  StringAttr rank = read.getTensor().getType().getRanks()[position];
  InFlightDiagnostic error = read.emitError()
                             << printAccess(read) << " is outside rank "
                             << rank.getValue() << " at every point";
  if (space.formOf(read.getIndices()[position]) == space.extentOf(rank))
    error.attachNote() << "hint: the last index is `|" << rank.getValue()
                       << "|-1`";
  return error;
}

static LogicalResult reportOpaque(ReadOp read, Value index) {
  InFlightDiagnostic error = read.emitError() << "index " << printExpr(index)
                                              << " cannot be bounded";
  error.attachNote() << "hint: add `?`";
  return error;
}

/// Is `index` made of the tables that `tensor` is stored by? These hold places
/// of what is stored, which the call checks before anything is read.
static bool isFromTable(Value tensor, Value index) {
  auto portOf = [](Value value) -> PortAttr {
    auto argument = dyn_cast<BlockArgument>(value);
    auto cascade = argument
                       ? dyn_cast<CascadeOp>(argument.getOwner()->getParentOp())
                       : CascadeOp();
    return cascade
               ? cast<PortAttr>(cascade.getInputs()[argument.getArgNumber()])
               : PortAttr();
  };
  PortAttr port = portOf(tensor);
  if (!port || !port.getLayout())
    return false;
  SmallVector<Value> work{index};
  while (!work.empty()) {
    Operation *def = work.pop_back_val().getDefiningOp();
    if (!def)
      continue;
    if (auto read = dyn_cast<ReadOp>(def)) {
      PortAttr table = portOf(read.getTensor());
      if (table &&
          llvm::is_contained(port.getLayout().getTables(), table.getName()))
        return true;
    }
    llvm::append_range(work, def->getOperands());
  }
  return false;
}

static LogicalResult check(ReadOp read, BoundsProver &prover,
                           const Dependences &dependences) {
  if (read.getBounds() == Bounds::data)
    return success();
  IterationSpace &space = prover.getSpace();
  for (auto [i, index] : llvm::enumerate(read.getIndices())) {
    if (isFromTable(read.getTensor(), index))
      continue;
    std::optional<Point> point;
    if (read.getBounds() == Bounds::inside) {
      point = prover.findLeaving(read, i);
      if (!point)
        continue;
      if (IterationSpace::classify(index) == IndexKind::Opaque)
        return reportOpaque(read, index);
    }
    if (prover.isAlwaysOutside(read, i))
      return reportOutside(space, read, i);
    // Steps before the first are CheckRecurrences' to report.
    if (point && !(dependences.isInOwnCycle(read) && isStep(read, i)))
      return reportLeaving(space, read, i, *point);
  }
  return success();
}

namespace {
struct CheckBounds : attn::impl::AttnCheckBoundsBase<CheckBounds> {
  void runOnOperation() override {
    Dependences dependences(getOperation());
    bool failedAny = false;
    auto checkRegion = [&](Region &region) {
      std::optional<BoundsProver> prover;
      for (ReadOp read : region.getOps<ReadOp>()) {
        if (!prover)
          prover.emplace(region);
        failedAny |= failed(check(read, *prover, dependences));
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
