//===- Kernel.cpp - entry points of the lowering of tile kernels -*- C++ -*-==//
#include "mlir/Transforms/RegionUtils.h"
#include "passes/cpu/tile/Lowering.h"

using namespace mlir;
using namespace attn;
using namespace attn::cpu;

/// Nothing it reads is defined in `stream`'s body, and no map in it is decided
/// by the stream's full range.
static bool isInvariant(Operation *op, tile::StreamOp stream) {
  auto outside = [&](Value value) {
    return !stream.getBody().isAncestor(value.getParentRegion());
  };
  llvm::SetVector<Value> captured;
  for (Region &region : op->getRegions())
    getUsedValuesDefinedAbove(region, captured);
  bool bounded = false;
  op->walk([&](MapOp map) { bounded |= map->hasAttr("bounded"); });
  return !bounded && llvm::all_of(op->getOperands(), outside) &&
         llvm::all_of(captured, outside);
}

static bool hasLowering(Reduce kind) {
  return !llvm::is_contained(
      {Reduce::argmax, Reduce::argmin, Reduce::first, Reduce::last}, kind);
}

LogicalResult cpu::prepareTileKernel(tile::KernelOp kernel) {
  auto result = kernel.walk([](tile::EinsumOp einsum) -> WalkResult {
    auto monoid = einsum.getMonoid();
    if (!monoid || hasLowering(*monoid))
      return WalkResult::advance();
    return einsum.emitOpError("has no code for ") << stringifyReduce(*monoid);
  });
  if (result.wasInterrupted())
    return failure();
  // Innermost first, so that an operation may leave several streams.
  kernel.walk([](tile::StreamOp stream) {
    for (Operation &op : llvm::make_early_inc_range(stream.getBody().front()))
      if (!isa<tile::YieldOp>(op) && isInvariant(&op, stream))
        op.moveBefore(stream);
  });
  return success();
}

Value cpu::tileScratchBytes(CodeBuilder &b, tile::KernelOp kernel,
                            llvm::function_ref<Value(StringAttr)> extent) {
  return TileBuffers(kernel).emitLayout(b, extent);
}

Value cpu::tileGridItems(CodeBuilder &b, tile::KernelOp kernel,
                         llvm::function_ref<Value(StringAttr)> extent) {
  Value items = b.i64(1);
  for (StringAttr rank : strings(kernel.getGrid()))
    items = b.mul(items, extent(rank));
  return items;
}

SmallVector<Value> cpu::gridCoordinates(TileLowering &lowering, Value item) {
  CodeBuilder &b = lowering.b;
  SmallVector<StringAttr> grid = strings(lowering.kernel.getGrid());
  SmallVector<Value> coordinates(grid.size());
  Value rest = item;
  for (size_t axis = grid.size(); axis-- > 0;) {
    Value extent = lowering.outside.extent(grid[axis]);
    coordinates[axis] =
        axis ? Value(arith::RemSIOp::create(b, rest, extent)) : rest;
    if (axis)
      rest = arith::DivSIOp::create(b, rest, extent);
  }
  return coordinates;
}

/// All of `begin` to `end`, row major, by `lowering`.
static void emitGrid(TileLowering &lowering, Value begin, Value end) {
  lowering.loop(begin, end, 1, [&](Value item) {
    lowering.emitPoint(gridCoordinates(lowering, item));
  });
}

void cpu::lowerTileKernel(CodeBuilder &b, tile::KernelOp kernel,
                          TileSurroundings &outside, Value begin, Value end,
                          Value scratch) {
  TileBuffers buffers(kernel);
  buffers.emitLayout(b, [&](StringAttr rank) { return outside.extent(rank); });
  TileLowering lowering(b, outside, kernel, buffers, scratch);
  emitGrid(lowering, begin, end);
}

void cpu::lowerTileKernelAt(CodeBuilder &b, tile::KernelOp kernel,
                            TileSurroundings &outside,
                            const llvm::DenseMap<StringAttr, Value> &at,
                            Value scratch) {
  TileBuffers buffers(kernel);
  buffers.emitLayout(b, [&](StringAttr rank) { return outside.extent(rank); });
  TileLowering lowering(b, outside, kernel, buffers, scratch);
  SmallVector<StringAttr> grid = strings(kernel.getGrid());
  SmallVector<Value> low, high;
  for (StringAttr rank : grid) {
    Value known = at.lookup(rank);
    low.push_back(known ? known : b.i64(0));
    high.push_back(known ? b.add(known, b.i64(1)) : outside.extent(rank));
  }
  lowering.nest(low, high, [&](ArrayRef<Value> coordinates) {
    lowering.emitPoint(coordinates);
  });
}
