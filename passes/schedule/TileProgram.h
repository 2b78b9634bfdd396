//===- TileProgram.h - a kernel on tiles while it is written ----*- C++ -*-===//
// What the parts of --attn-to-tile share: the kernel and what its ranks become,
// the tile program so far, and where in it the next operation goes.
//===----------------------------------------------------------------------===//
#ifndef ATTN_PASSES_SCHEDULE_TILEPROGRAM_H
#define ATTN_PASSES_SCHEDULE_TILEPROGRAM_H

#include "dialect/tile/Tile.h"
#include "passes/schedule/Presence.h"

namespace attn {

/// Where a value of the kernel is at: before, in, or after the stream.
enum class Phase { Before, Stream, After };

struct TileProgram {
  /// An empty program `name` in front of the kernel.
  TileProgram(CascadeOp cascade, KernelOp kernel, const KernelRanks &ranks,
              llvm::StringRef name);
  TileProgram(const TileProgram &) = delete;

  /// Those of `all` that are a tile's, lanes at their place.
  Ranks tileRanks(RankRef all);
  int64_t sizeOf(mlir::StringAttr rank);
  llvm::SmallVector<int64_t> sizesOf(RankRef all);
  /// A tile over `tileRanks` of what is stored as `storage`.
  tile::TileType typeOf(RankRef tileRanks, mlir::Type storage, bool masked);
  /// Does the kernel, not what runs before it, define the tensor?
  bool defines(mlir::Value tensor);

  /// The coordinate of the first lane.
  mlir::Value firstLane(ExprBuilder &e);
  /// Coordinates of the kernel's ranks for a region whose tile coordinates are
  /// `local`, at the given phase.
  Coordinates coordinates(ExprBuilder &e, const Coordinates &local,
                          Phase phase);
  /// What comes before the stream goes there, even if the stream is written.
  void setInsertionPoint(Phase phase);

  CascadeOp cascade;
  KernelOp kernel;
  const KernelRanks ranks;
  PresenceConditions conditions;
  /// Carried by the stream, in this order.
  llvm::SmallVector<EquationsOp> states;

  mlir::OpBuilder b;
  tile::KernelOp tiled;
  tile::StreamOp stream; // null before it is written
  Coordinates grid;
};

/// The block of a region of tile programs: coordinates, then `arguments`.
mlir::Block *createBlock(mlir::OpBuilder &b, mlir::Region &region,
                         unsigned coordinates, mlir::TypeRange arguments = {});

/// The coordinates of the region of an einsum, map or guard, that `block` is.
Coordinates coordinatesOf(mlir::Block &block);

} // namespace attn
#endif // ATTN_PASSES_SCHEDULE_TILEPROGRAM_H
