//===- Contractions.cpp - the matrix products of a tile kernel --*- C++ -*-===//
#include "passes/gpu/Contractions.h"

using namespace mlir;
using namespace attn;
using namespace attn::gpu;

StringAttr gpu::columnOf(tile::TileType type, StringAttr lane) {
  for (StringAttr rank : type.getRanks())
    if (rank != lane)
      return rank;
  return {};
}

int64_t gpu::sizeOf(tile::TileType type, StringAttr rank) {
  int64_t index = type.rankIndex(rank.getValue());
  return index < 0 ? 1 : type.getSizes()[index];
}

/// sum[r](A * B) of two tiles, each with r and a rank of its own.
static std::optional<Contraction> contractionOf(tile::EinsumOp op) {
  if (!op.getMonoid() || *op.getMonoid() != Reduce::sum ||
      op.getTiles().size() != 2 || op.getReduced().size() != 1 ||
      op.getResult().getType().getRanks().size() != 2)
    return std::nullopt;
  Block &block = op.getMap().front();
  auto product = block.back().getOperand(0).getDefiningOp<MapOp>();
  if (!product || product.getFn() != Fn::mul)
    return std::nullopt;
  Value x = block.getArgument(3), y = block.getArgument(4);
  Value left = product.getOperand(0), right = product.getOperand(1);
  if (!((left == x && right == y) || (left == y && right == x)))
    return std::nullopt;
  Contraction c{op.getTiles()[0],
                op.getTiles()[1],
                {},
                cast<StringAttr>(op.getReduced()[0])};
  for (Value operand : {c.a, c.b}) {
    auto type = cast<tile::TileType>(operand.getType());
    if (type.getRanks().size() != 2 || type.rankIndex(c.reduced.getValue()) < 0)
      return std::nullopt;
  }
  return c;
}

Contractions gpu::findContractions(tile::KernelOp kernel) {
  Contractions found;
  SmallVector<StringAttr> common;
  kernel.walk([&](tile::EinsumOp op) {
    auto c = contractionOf(op);
    if (!c)
      return;
    ArrayRef<StringAttr> ranks = op.getResult().getType().getRanks();
    if (found.all.empty())
      common.assign(ranks.begin(), ranks.end());
    else
      llvm::erase_if(common, [&](StringAttr rank) {
        return !llvm::is_contained(ranks, rank);
      });
    found.all[op] = *c;
  });
  if (found.all.empty()) {
    found.reason = "there is no matrix product";
    return found;
  }
  if (common.size() != 1) {
    found.reason = "no rank is in the results of all products";
    return found;
  }
  found.lane = common[0];
  for (auto &[op, c] : found.all) {
    tile::TileType type = cast<tile::EinsumOp>(op).getResult().getType();
    found.lanes = sizeOf(type, found.lane);
    c.column = columnOf(type, found.lane);
    if (cast<tile::TileType>(c.a.getType()).rankIndex(found.lane.getValue()) <
        0)
      std::swap(c.a, c.b);
  }
  return found;
}
