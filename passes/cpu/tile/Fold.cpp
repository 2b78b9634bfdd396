//===- Fold.cpp - maps inside of the reductions that read them --*- C++ -*-===//
#include "passes/cpu/tile/Fold.h"
#include "dialect/Attn.h"
#include "mlir/IR/IRMapping.h"

using namespace mlir;
using namespace attn;

/// The map that alone makes tile `number` of `op`, for it alone.
static tile::EinsumOp mapOf(tile::EinsumOp op, unsigned number) {
  Value tile = op.getTiles()[number];
  auto map = tile.getDefiningOp<tile::EinsumOp>();
  if (!map || map.getMonoid() || map.getInit() || !tile.hasOneUse() ||
      map->getBlock() != op->getBlock() ||
      tile::spaceOf(map).size() != tile::spaceOf(op).size())
    return {};
  return map;
}

/// `op` with the map in place of its tile `number`.
static tile::EinsumOp fold(tile::EinsumOp op, unsigned number,
                           tile::EinsumOp map) {
  OpBuilder b(op);
  SmallVector<StringAttr> space = tile::spaceOf(op);
  SmallVector<Value> tiles(op.getTiles());
  tiles.erase(tiles.begin() + number);
  llvm::append_range(tiles, map.getTiles());
  auto result = tile::EinsumOp::create(
      b, op.getLoc(), op.getResult().getType(), tiles, op.getInit(),
      op.getReduced(), op.getReducedSizesAttr(), op.getMonoidAttr());
  Block &outer = op.getMap().front(), &inner = map.getMap().front();
  Block *block = b.createBlock(&result.getMap());
  IRMapping mapping;
  auto add = [&](Value argument) {
    mapping.map(argument,
                block->addArgument(argument.getType(), argument.getLoc()));
  };
  for (Value argument : outer.getArguments().take_front(space.size()))
    add(argument);
  for (auto [i, argument] :
       llvm::enumerate(outer.getArguments().drop_front(space.size())))
    if (i != number)
      add(argument);
  for (auto [rank, argument] :
       llvm::zip(tile::spaceOf(map), inner.getArguments())) {
    auto place = llvm::find(space, rank) - space.begin();
    mapping.map(argument, block->getArgument(place));
  }
  for (Value argument : inner.getArguments().drop_front(space.size()))
    add(argument);
  for (Operation &x : inner.without_terminator())
    b.clone(x, mapping);
  mapping.map(outer.getArgument(space.size() + number),
              mapping.lookupOrDefault(inner.back().getOperand(0)));
  for (Operation &x : outer)
    b.clone(x, mapping);
  op.getResult().replaceAllUsesWith(result.getResult());
  op.erase();
  map.erase();
  return result;
}

void cpu::foldMaps(tile::KernelOp kernel) {
  SmallVector<tile::EinsumOp> reductions;
  kernel.walk([&](tile::EinsumOp op) {
    if (op.getMonoid())
      reductions.push_back(op);
  });
  for (tile::EinsumOp op : reductions)
    for (unsigned number = 0; number < op.getTiles().size();)
      if (tile::EinsumOp map = mapOf(op, number))
        op = fold(op, number, map);
      else
        ++number;
}
