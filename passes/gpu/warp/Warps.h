//===- Warps.h - a tile kernel by warps -------------------------*- C++ -*-===//
// Each warp has 16 lanes of the tile in registers, as accumulators of products
// lie:
//   a tile over lanes and columns: two lanes of a thread, two of 8 columns,
//   one over lanes alone in all threads that have these lanes,
//   one over columns alone in all threads that have these columns.
// Where few lanes are there, warps share them and divide the columns of a step;
// where few grid points are there, blocks divide the steps. States of such
// parts are merged (StreamMerge.h) always in the same order.
//===----------------------------------------------------------------------===//
#ifndef ATTN_PASSES_GPU_WARP_WARPS_H
#define ATTN_PASSES_GPU_WARP_WARPS_H

#include "passes/cpu/LowerCascade.h"
#include "passes/cpu/tile/TileToCpu.h"
#include "passes/gpu/Fragments.h"
#include "passes/gpu/hopper/FastRegion.h"
#include "passes/gpu/warp/WarpRoles.h"

namespace attn::gpu {

class WarpLowering : Fragments {
  using Value = mlir::Value;

public:
  WarpLowering(cpu::CodeBuilder &b, cpu::TileSurroundings &outside,
               tile::KernelOp kernel, const WarpRoles &roles);

  /// Part `split` of `splits` of the stream of a grid point (all i64). States
  /// of several parts go to `memory`.
  void emitPart(mlir::ValueRange point, Value number, Value split, Value splits,
                Value memory);
  /// What a grid point stores, of the states that its parts have left.
  void emitMerge(mlir::ValueRange point, Value number, Value splits,
                 Value memory);
  /// Bytes of `memory` for a part.
  static int64_t partBytes(const WarpRoles &roles);

private:
  const FastRegion &surroundings() const override { return scalars; }
  int64_t partsOf(mlir::StringAttr rank) const override {
    return rank == roles.divided ? roles.keyWarps : 1;
  }
  Value partBegin(mlir::StringAttr rank) const override {
    return rank == roles.divided ? firstDivided : Value();
  }
  Value hasLane(int64_t lane) override;

  // The block: Warps.cpp.
  void bindPoint(mlir::ValueRange point);
  void emitCopies(bool inStream, Value stage);
  void emitCopies(const RowsLoad &load, Value to);
  void emitStream(Value split, Value splits);
  void emitSteps(Value from, Value to, bool isFull);
  void emitScalars(mlir::Block &block);
  /// Operations of the kernel before its stream, or behind it.
  void emitOutside(bool before);
  Value address(const RowsLoad &load, Value stage);
  Value bound(Value scalar);

  // Parts: WarpStates.cpp.
  static constexpr int64_t wordBytes = 4;
  using States = std::vector<Registers>;
  States takeStates(mlir::ValueRange tiles);
  void setStates(mlir::ValueRange tiles, const States &states);
  States merge(const States &left, const States &right);
  /// The states of the warps that share lanes, in the first of them.
  void mergeWarps();
  /// Its states from one loop to the next.
  Values carry(const States &states);
  States carried(mlir::ValueRange values, const States &like);
  Value isFirstWarp();
  void store(const States &states, Value memory, Value stride, bool all);
  States load(const States &like, Value memory, Value stride, bool all);
  Value partMemory(Value memory, Value part);

  // Operations: WarpTiles.cpp.
  void emitOperation(mlir::Operation &op);
  void emitProduct(tile::EinsumOp op, const Contraction &p);
  tile::KernelOp kernel;
  const WarpRoles &roles;
  FastRegion scalars;

  Value shared;             // i32
  Value thread, lane, warp; // i32: in the block, in the warp, of the block
  Value firstDivided;       // i32, of the warp in the divided rank
  Value low, high, fullLow, fullHigh; // i64, of this part
  Value stage;                        // i32, of the step
};

} // namespace attn::gpu
#endif // ATTN_PASSES_GPU_WARP_WARPS_H
