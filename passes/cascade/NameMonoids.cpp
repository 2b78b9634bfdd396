//===- NameMonoids.cpp - declared monoids that are built in -----*- C++ -*-===//
// A declared monoid whose combination is one lawful operation with its identity
// is the built-in reduction, whatever it was called.
#include "passes/cascade/Normalise.h"

using namespace mlir;
using namespace attn;

static std::optional<Reduce> builtinOf(MonoidOp monoid) {
  if (monoid.getNames().size() != 1)
    return std::nullopt;
  Block &block = monoid.getCombine().front();
  auto map = block.back().getOperand(0).getDefiningOp<MapOp>();
  if (!map || map.getNumOperands() != 2)
    return std::nullopt;
  Value x = block.getArgument(0), y = block.getArgument(1);
  bool isPlain = (map.getOperand(0) == x && map.getOperand(1) == y) ||
                 (map.getOperand(0) == y && map.getOperand(1) == x);
  if (!isPlain)
    return std::nullopt;
  for (Reduce kind : {Reduce::sum, Reduce::prod, Reduce::max, Reduce::min,
                      Reduce::any, Reduce::all})
    if (combinerOf(kind) == map.getFn() &&
        monoid.getIdentity()[0] == identityOf(kind, map.getType()))
      return kind;
  return std::nullopt;
}

void attn::nameMonoids(CascadeOp cascade) {
  for (auto op : cascade.getBody().front().getOps<EinsumOp>())
    if (auto symbol = dyn_cast_or_null<FlatSymbolRefAttr>(op.getMonoidAttr()))
      if (auto monoid =
              SymbolTable::lookupNearestSymbolFrom<MonoidOp>(cascade, symbol))
        if (auto kind = builtinOf(monoid))
          op.setMonoidAttr(ReduceAttr::get(op.getContext(), *kind));
}
