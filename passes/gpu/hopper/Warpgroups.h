//===- Warpgroups.h - a tile kernel by warpgroups ---------------*- C++ -*-===//
// One warp brings boxes of tensors into shared memory by the copy engine; the
// other warpgroups, 64 lanes of the tile each, multiply them and keep every
// other tile in registers:
//   a tile over lanes and columns as the accumulators of a product lie,
//   one over lanes alone in all threads that have these lanes,
//   one over columns alone in all threads that have these columns.
//===----------------------------------------------------------------------===//
#ifndef ATTN_PASSES_GPU_HOPPER_WARPGROUPS_H
#define ATTN_PASSES_GPU_HOPPER_WARPGROUPS_H

#include "passes/cpu/LowerCascade.h"
#include "passes/gpu/hopper/FastRegion.h"
#include "passes/gpu/hopper/Ptx.h"
#include "passes/gpu/hopper/Roles.h"

namespace attn::gpu {

/// Where things are in shared memory, in bytes from its aligned start.
struct SharedLayout {
  explicit SharedLayout(const Roles &roles);
  static constexpr int64_t stages = 2;
  llvm::SmallVector<int64_t> tiles; // by load
  int64_t bytes = 0;
  int64_t tile(unsigned load) const { return tiles[load]; }
  /// Barriers of a stage: it is full, it is empty.
  static int64_t full(unsigned load, int64_t stage) {
    return (load * stages + stage) * 16;
  }
  static int64_t empty(unsigned load, int64_t stage) {
    return full(load, stage) + 8;
  }
};

/// What a launch of the kernel needs, but for its name.
cpu::DeviceKernel describeWarpgroups(const Roles &roles);

class WarpgroupLowering {
  using Value = mlir::Value;

public:
  WarpgroupLowering(cpu::CodeBuilder &b, cpu::TileSurroundings &outside,
                    tile::KernelOp kernel, const Roles &roles,
                    mlir::ValueRange maps);

  /// One grid point; `coordinates` are i64.
  void emitPoint(mlir::ValueRange coordinates);

private:
  /// A tile in registers. Values by position; `present` is empty, or has an i1
  /// (null: present) each.
  struct Registers {
    tile::TileType type;
    Values values, present;
  };
  /// How a thread's values of a tile relate to its lanes and columns.
  struct Shape {
    bool lanes = false;
    int64_t columns = 0; // 0: none
    int64_t count() const {
      return (lanes ? 2 : 1) * (columns ? columns / 4 : 1);
    }
    int64_t lane(int64_t i) const {
      return !lanes ? 0 : columns ? (i >> 1) & 1 : i;
    }
    int64_t column(int64_t i) const {
      return !columns ? 0 : lanes ? (i >> 2) * 2 + (i & 1) : i;
    }
    int64_t at(int64_t lane, int64_t column) const {
      if (!columns)
        return lanes ? lane : 0;
      return lanes ? (column >> 1) * 4 + lane * 2 + (column & 1) : column;
    }
  };
  Shape shapeOf(tile::TileType type) const;

  // Producer.
  void emitProducer();
  void emitCopies(const SharedLoad &load, unsigned number, Value stage);

  // Consumers.
  void emitConsumer();
  void emitBlock(mlir::Block &block);
  void emitStream();
  void emitPart(Value low, Value high, bool full);
  void emitLoad(tile::LoadOp op);
  void emitStore(tile::StoreOp op);
  void emitContraction(tile::EinsumOp op, const Contraction &c);
  void emitEinsum(tile::EinsumOp op);
  void emitReduction(tile::EinsumOp op);
  void waitFor(const SharedLoad *load);
  void releaseAfter(mlir::Operation *op);

  using Point = std::pair<int64_t, int64_t>; // lane, column of the thread
  cpu::Scalar element(Value tile, Point point);
  cpu::Scalar emitRegion(mlir::Region &region, tile::TileType space,
                         mlir::StringAttr reduced, mlir::ValueRange tiles,
                         Point point);
  void bindCoordinates(FastRegion &code, mlir::Block &block,
                       llvm::ArrayRef<mlir::StringAttr> ranks, Point point);
  Values indicesAt(mlir::Region &region, tile::TileType type, Point point,
                   const cpu::Storage &s, Value &inside);
  Value bound(Value scalar);

  unsigned numberOf(const SharedLoad &load) const {
    return &load - roles.loads.data();
  }
  Value address(int64_t offset, Value stage = {}, int64_t stride = 0);
  SharedMatrix matrix(const SharedLoad &load, mlir::StringAttr reduced);

  cpu::CodeBuilder &b;
  cpu::TileSurroundings &outside;
  tile::KernelOp kernel;
  const Roles &roles;
  SharedLayout layout;
  mlir::ValueRange maps;
  FastRegion scalars;

  Value shared;                             // i32, aligned
  Value thread;                             // i32, in the block
  Value firstLane;                          // i32, of this thread, in the tile
  Value groupLane;                          // i32, first of the warpgroup
  Value firstColumn;                        // i32
  Value lower, upper, fullLower, fullUpper; // i64
  Value stage, phase;                       // i32, of the step
  Value full;
  llvm::DenseMap<Value, Registers> tiles;
  llvm::SmallPtrSet<const SharedLoad *, 4> waited;
};

} // namespace attn::gpu
#endif // ATTN_PASSES_GPU_HOPPER_WARPGROUPS_H
