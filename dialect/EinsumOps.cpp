//===- EinsumOps.cpp - einsums and monoids ----------------------*- C++ -*-===//
// Constraint numbers are those of AttnOps.td.
#include "dialect/Attn.h"
#include "llvm/ADT/SmallPtrSet.h"

using namespace mlir;
using namespace attn;

//===----------------------------------------------------------------------===//
// monoid
//===----------------------------------------------------------------------===//

LogicalResult MonoidOp::verifyRegions() {
  Block &block = getCombine().front();
  size_t k = getNames().size();
  auto yield = block.empty() ? YieldOp() : dyn_cast<YieldOp>(block.back());
  if (!yield)
    return emitOpError("(monoid_c1) the region ends with attn.yield");
  if (k == 0 || getIdentity().size() != k || yield.getNumOperands() != k ||
      block.getNumArguments() != 2 * k)
    return emitOpError("(monoid_c1) ")
           << k << " components, " << getIdentity().size() << " identities, "
           << block.getNumArguments() << " arguments, "
           << yield.getNumOperands() << " yielded values";
  for (size_t i = 0; i < k; ++i) {
    auto identity = dyn_cast<TypedAttr>(getIdentity()[i]);
    Type type = block.getArgument(i).getType();
    if (!identity || identity.getType() != type ||
        block.getArgument(i + k).getType() != type ||
        yield.getOperand(i).getType() != type)
      return emitOpError("(monoid_c1) types of component ")
             << getNames()[i] << " differ";
  }
  for (Operation &op : block)
    if (isa<ReadOp>(op))
      return emitOpError("(monoid_c2) reads a tensor");
  return success();
}

//===----------------------------------------------------------------------===//
// einsum
//===----------------------------------------------------------------------===//

std::optional<Reduce> EinsumOp::builtinReduce() {
  if (auto kind = dyn_cast_or_null<ReduceAttr>(getMonoidAttr()))
    return kind.getValue();
  return std::nullopt;
}

YieldOp EinsumOp::getMapYield() {
  return cast<YieldOp>(getMap().front().back());
}

Value EinsumOp::guardCondition() {
  return getGuard().empty() ? Value() : getGuard().front().back().getOperand(0);
}

SmallVector<StringAttr> EinsumOp::mapRanks() {
  SmallVector<StringAttr> ranks = strings(getSpace());
  llvm::append_range(ranks, strings(getReduced()));
  return ranks;
}

Value EinsumOp::coordinate(StringRef name) {
  size_t position = 0;
  for (ArrayAttr ranks : {getSpace(), getReduced()})
    for (Attribute rank : ranks) {
      if (cast<StringAttr>(rank).getValue() == name)
        return getMap().getArgument(position);
      ++position;
    }
  return {};
}

void EinsumOp::getAsmResultNames(OpAsmSetValueNameFn setName) {
  for (auto [result, name] :
       llvm::zip(getResults(), getNames().getAsValueRange<StringAttr>()))
    setName(result, name);
}

LogicalResult EinsumOp::verify() {
  if (getNames().size() != getNumResults())
    return emitOpError("has ") << getNames().size() << " names and "
                               << getNumResults() << " results";
  auto cascade = (*this)->getParentOfType<CascadeOp>();
  SmallPtrSet<Attribute, 8> seen;
  for (ArrayAttr ranks : {getSpace(), getReduced()})
    for (Attribute rank : ranks) {
      if (!seen.insert(rank).second)
        return emitOpError("(einsum_c1) rank ") << rank << " occurs twice";
      if (cascade && !cascade.findRank(cast<StringAttr>(rank)))
        return emitOpError("(einsum_c1) rank ") << rank << " is not declared";
    }
  if (!isReduction() && !getReduced().empty())
    return emitOpError("(einsum_c1) reduces without a monoid");
  for (Value result : getResults())
    if (cast<NamedTensorType>(result.getType()).getRanks() !=
        ArrayRef<StringAttr>(strings(getSpace())))
      return emitOpError("(einsum_c2) result ranks are not the space: ")
             << result.getType();
  return success();
}

/// Constraint einsum_c5: what a built-in reduction of `value` results in.
static LogicalResult verifyBuiltin(EinsumOp op, Reduce kind, Type value) {
  Type result = cast<NamedTensorType>(op.getResultTypes()[0]).getScalarType();
  bool counts =
      kind == Reduce::count || kind == Reduce::argmax || kind == Reduce::argmin;
  bool logical = kind == Reduce::any || kind == Reduce::all;
  bool oneRank = kind == Reduce::argmax || kind == Reduce::argmin ||
                 kind == Reduce::first || kind == Reduce::last;
  if (logical && !value.isInteger(1))
    return op.emitOpError("(einsum_c5) ")
           << stringifyReduce(kind) << " takes bool operands";
  if (!counts && result != value)
    return op.emitOpError("(einsum_c5) reduces ")
           << value << " to a tensor of " << result;
  if (counts && !result.isInteger(32))
    return op.emitOpError("(einsum_c5) ")
           << stringifyReduce(kind) << " gives i32";
  if (oneRank && op.getReduced().size() != 1)
    return op.emitOpError("(einsum_c5) ")
           << stringifyReduce(kind) << " takes one rank";
  return success();
}

LogicalResult EinsumOp::verifyRegions() {
  auto isCoordinates = [](Region &region, size_t count) {
    return region.getNumArguments() == count &&
           llvm::all_of(region.getArgumentTypes(),
                        [](Type t) { return t.isInteger(32); });
  };
  if (!isCoordinates(getMap(), getSpace().size() + getReduced().size()))
    return emitOpError("(einsum_c3) the map takes one i32 a rank");
  Block &block = getMap().front();
  auto yield = block.empty() ? YieldOp() : dyn_cast<YieldOp>(block.back());
  if (!yield)
    return emitOpError("(einsum_c4) the map ends with attn.yield");
  if (yield.getNumOperands() != getNumResults() || getNumResults() == 0)
    return emitOpError("(einsum_c4) yields ")
           << yield.getNumOperands() << " values for " << getNumResults()
           << " results";
  if (auto kind = builtinReduce()) {
    if (getNumResults() != 1)
      return emitOpError("(einsum_c4) a built-in reduction has one result");
    if (failed(verifyBuiltin(*this, *kind, yield.getOperand(0).getType())))
      return failure();
  } else {
    for (auto [value, result] : llvm::zip(yield.getOperands(), getResults()))
      if (cast<NamedTensorType>(result.getType()).getScalarType() !=
          value.getType())
        return emitOpError("(einsum_c5) yields ")
               << value.getType() << " for a result of type "
               << result.getType();
  }
  if (auto symbol = dyn_cast_or_null<FlatSymbolRefAttr>(getMonoidAttr())) {
    auto monoid = SymbolTable::lookupNearestSymbolFrom<MonoidOp>(
        (*this)->getParentOfType<CascadeOp>(), symbol);
    if (!monoid)
      return emitOpError("(einsum_c4) no monoid ") << symbol;
    if (monoid.getNames().size() != getNumResults())
      return emitOpError("(einsum_c4) monoid ")
             << symbol << " has " << monoid.getNames().size() << " components";
  }
  if (getGuard().empty())
    return success();
  if (!isCoordinates(getGuard(), getSpace().size()))
    return emitOpError("(einsum_c3) the guard takes one i32 a rank of space");
  Block &guard = getGuard().front();
  auto condition = guard.empty() ? YieldOp() : dyn_cast<YieldOp>(guard.back());
  if (!condition || condition.getNumOperands() != 1 ||
      !condition.getOperand(0).getType().isInteger(1))
    return emitOpError("(einsum_c6) the guard yields one i1");
  return success();
}
