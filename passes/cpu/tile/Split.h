//===- Split.h - the stream of a kernel in parts ----------------*- C++ -*-===//
// Few grid points with long streams leave workers idle: the steps of each are
// shared out in parts, whose states a second pass over the points merges in
// order. How many parts there are is a function of the extents alone, so that
// results do not depend on the number of threads.
//===----------------------------------------------------------------------===//
#ifndef ATTN_PASSES_CPU_TILE_SPLIT_H
#define ATTN_PASSES_CPU_TILE_SPLIT_H

#include "passes/cpu/tile/Lowering.h"
#include "passes/cpu/tile/StreamMerge.h"

namespace attn::cpu {

class StreamSplit {
  using Value = mlir::Value;

public:
  /// Nothing where states cannot be merged, or where a grid point has so many
  /// rows that others are few only in small problems. The kernel is prepared.
  static std::optional<StreamSplit> of(tile::KernelOp kernel);

  using ExtentOf = llvm::function_ref<Value(mlir::StringAttr)>;
  /// Parts of a grid point's stream, given how many points there are.
  Value parts(CodeBuilder &b, Value points, ExtentOf extent) const;
  /// Memory of the states of all parts.
  Value memoryBytes(CodeBuilder &b, Value points, ExtentOf extent) const;

  /// Part `number` of `parts` of the point `coordinates`; its result where
  /// there is one part only, else its states to `memory`.
  void emitPart(TileLowering &t, const TileBuffers &buffers,
                mlir::ValueRange coordinates, Value point, Value number,
                Value parts, Value memory);
  /// The result of a point from the states of its parts. `spare` is as large
  /// as the memory of the kernel's tiles.
  void emitMerge(TileLowering &t, const TileBuffers &buffers,
                 mlir::ValueRange coordinates, Value point, Value parts,
                 Value memory, Value spare);

private:
  StreamSplit(tile::KernelOp kernel, tile::StreamOp stream, StreamMerge merge)
      : kernel(kernel), stream(stream), merge(std::move(merge)) {}

  llvm::SmallVector<Tile> tilesAt(TileLowering &t, const TileBuffers &buffers,
                                  Value part, Value memory) const;
  void emitAround(TileLowering &t, bool before) const;
  void emitJoin(TileLowering &t, llvm::ArrayRef<Tile> mine,
                llvm::ArrayRef<Tile> theirs, Value spare);

  // Handles, whose accessors are not const.
  mutable tile::KernelOp kernel;
  mutable tile::StreamOp stream;
  StreamMerge merge;
};

} // namespace attn::cpu
#endif // ATTN_PASSES_CPU_TILE_SPLIT_H
