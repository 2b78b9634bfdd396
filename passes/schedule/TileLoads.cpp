//===- TileLoads.cpp - tiles of tensors in memory ---------------*- C++ -*-===//
#include "passes/schedule/TileLoads.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace attn;

/// The ranks its indices depend on, in the tensor's order so that rows stay
/// rows; lanes, or what the result has innermost, go last.
Ranks TileLoads::orderOf(ReadOp read, EinsumOp reader) {
  const KernelRanks &ranks = p.ranks;
  Block &region = *read->getBlock();
  Ranks all = cast<EinsumOp>(region.getParentOp()).mapRanks();
  Dependence dependence(region);
  llvm::SetVector<StringAttr> order;
  for (Value index : read.getIndices())
    for (int i : dependence.of(index).set_bits())
      if (!ranks.packed || all[i] != ranks.lane ||
          !readsOnlyQuotient(index, region.getArgument(i), ranks.laneSize))
        order.insert(all[i]);
  Ranks local = p.tileRanks(order.getArrayRef());
  Ranks result = p.tileRanks(strings(reader.getSpace()));
  // Vectors that run along what is reduced take rows as they lie in memory.
  bool reducesRows =
      ranks.packing == TilePacking::rows && !local.empty() &&
      llvm::is_contained(strings(reader.getReduced()), local.back());
  if (!result.empty() && !ranks.lane && !reducesRows) {
    auto it = llvm::find(local, result.back());
    if (it != local.end())
      std::rotate(it, it + 1, local.end());
  }
  return local;
}

bool TileLoads::movesWithStream(ReadOp read) {
  Block &region = *read->getBlock();
  auto step = dyn_cast_or_null<BlockArgument>(
      coordinatesOf(region).lookup(p.ranks.stream));
  Dependence dependence(region);
  return step && llvm::any_of(read.getIndices(), [&](Value index) {
           return dependence.of(index).test(step.getArgNumber());
         });
}

std::string TileLoads::keyOf(ReadOp read, RankRef order, Phase phase) {
  std::string key;
  llvm::raw_string_ostream os(key);
  os << read.getTensor().getAsOpaquePointer();
  for (Value index : read.getIndices())
    os << '[' << p.conditions.text(index);
  for (StringAttr rank : order)
    os << ' ' << rank.getValue();
  os << static_cast<int>(phase);
  return key;
}

void TileLoads::writeIndices(tile::LoadOp load, ReadOp read, RankRef order,
                             Phase phase) {
  OpBuilder &b = p.b;
  OpBuilder::InsertionGuard guard(b);
  Block *block = createBlock(b, load.getIndices(), order.size());
  ExprBuilder e(b, read.getLoc());
  Coordinates own = coordinatesOf(*read->getBlock());
  IRMapping mapping =
      substitution(own, p.coordinates(e, coordinatesOf(order, *block), phase));
  // All lanes of a tile have the same quotient.
  auto leaf = [&](Operation *def) {
    bool isStep = p.ranks.packed &&
                  isQuotient(def, own.lookup(p.ranks.lane), p.ranks.laneSize);
    return isStep ? p.grid.lookup(p.ranks.laneStep) : Value();
  };
  SmallVector<Value> indices;
  for (Value index : read.getIndices())
    indices.push_back(cloneExpr(b, index, mapping, leaf));
  tile::YieldOp::create(b, read.getLoc(), indices);
}

Value TileLoads::load(ReadOp read, EinsumOp reader, Phase phase) {
  Ranks order = orderOf(read, reader);
  if (phase == Phase::Stream && !movesWithStream(read))
    phase = Phase::Before;
  Value &known = loads[keyOf(read, order, phase)];
  if (known)
    return known;
  OpBuilder::InsertionGuard guard(p.b);
  p.setInsertionPoint(phase);
  Value tensor = read.getTensor();
  bool masked = read.getBounds() != Bounds::inside || mayBeAbsent(tensor);
  Type storage = read.getTensor().getType().getElementType();
  if (isa<FloatType>(storage))
    storage = computeReal(reader);
  auto load = tile::LoadOp::create(p.b, read.getLoc(),
                                   p.typeOf(order, storage, masked), tensor);
  writeIndices(load, read, order, phase);
  return known = load.getResult();
}
