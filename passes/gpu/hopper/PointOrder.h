//===- PointOrder.h - in which order grid points run ------------*- C++ -*-===//
// Points that stream the same tensors run one after the other, so that these
// are read from memory once; of those the last points go first: where they
// differ in length, the last is the longest. Then the end of the work is made
// of as many of such sets as the cache holds, their longest points first and
// the short ones to fill the machine. Where data decide how long points are, it
// is made of the first points of all sets: these are short in any case.
//===----------------------------------------------------------------------===//
#ifndef ATTN_PASSES_GPU_HOPPER_POINTORDER_H
#define ATTN_PASSES_GPU_HOPPER_POINTORDER_H

#include "passes/cpu/tile/TileToCpu.h"
#include "passes/gpu/hopper/Roles.h"

namespace attn::gpu {

class PointOrder {
  using Value = mlir::Value;

public:
  /// Emits what all points share.
  PointOrder(cpu::CodeBuilder &b, cpu::TileSurroundings &outside,
             tile::KernelOp kernel, const Roles &roles);
  /// Coordinates (i32) of point number `item` (i32) of that order.
  llvm::SmallVector<Value> coordinates(Value item);

private:
  /// Coordinates along `axes` (of the grid) of their point number `number`.
  void split(llvm::ArrayRef<unsigned> axes, Value number,
             llvm::MutableArrayRef<Value> at);

  cpu::CodeBuilder &b;
  llvm::SmallVector<unsigned> sets, others; // axes of the grid
  llvm::SmallVector<Value> extents;         // i32
  Value numOthers;
  // One by one, of each these others from the last one on; then all together
  // the sets behind `beforeSets`, the others that are left.
  Value firstSets, firstOthers;
  Value beforeSets, lastSets, lastOthers;
};

} // namespace attn::gpu
#endif // ATTN_PASSES_GPU_HOPPER_POINTORDER_H
