//===- WarpRoles.h - what a tile kernel's values are to warps ---*- C++ -*-===//
// Decides whether warps can run a kernel by the matrix instructions that GPUs
// have from sm_80 on: operands of products are rows that threads copy into
// shared memory, all other tiles are registers as accumulators lie.
//===----------------------------------------------------------------------===//
#ifndef ATTN_PASSES_GPU_WARP_WARPROLES_H
#define ATTN_PASSES_GPU_WARP_WARPROLES_H

#include "passes/gpu/Contractions.h"
#include "passes/cpu/tile/StreamMerge.h"

namespace attn::gpu {

/// Rows of a port that are copied to shared memory, 16 bytes at a time.
struct RowsLoad {
  tile::LoadOp op;
  unsigned port;
  unsigned rowRank = 0, innerRank = 0; // ranks of the tile
  int64_t rows = 0, columns = 0;       // in shared memory
  int64_t filled = 0;                  // rows that the tile has
  bool inStream = false;
  /// Bytes from row to row: 16 more than they take, so that eight rows lie in
  /// different banks.
  int64_t pitch() const { return columns * 2 + 16; }
  int64_t bytes() const { return rows * pitch(); }
  tile::TileType type() const { return tile::LoadOp(op).getType(); }
  mlir::StringAttr rank(unsigned which) const {
    return type().getRanks()[which];
  }
  mlir::Type element() const {
    return tile::LoadOp(op).getTensor().getType().getElementType();
  }
};

class WarpRoles {
public:
  /// `reason` says why warps cannot run the kernel. `sharedBytes`: what a block
  /// can have.
  WarpRoles(tile::KernelOp kernel, int64_t sharedBytes);
  std::string reason;

  tile::StreamOp stream;
  mlir::StringAttr lane;
  int64_t lanes = 0;
  std::vector<RowsLoad> loads;
  llvm::DenseMap<mlir::Operation *, Contraction> products;
  /// Warps that have 16 lanes each, and those that share these lanes: each
  /// takes a part of `divided`, a rank of the step's own, and has states of its
  /// own until the end.
  int64_t rowWarps = 1, keyWarps = 1;
  mlir::StringAttr divided;
  std::optional<StreamMerge> merge;
  /// Buffers of the stream's loads.
  int64_t stages = 2;
  /// Blocks that a multiprocessor has room for.
  int64_t blocks = 0;

  int64_t threads() const { return 32 * rowWarps * keyWarps; }
  /// Bytes of shared memory; where the tiles of load `number` begin.
  int64_t bytes() const;
  /// Of these, for states of the warps that share lanes.
  int64_t mergeBytes() const;
  int64_t start(unsigned number) const;
  /// Whether a step is full is not known from its number alone.
  bool isClassified() const;
  const RowsLoad *rowsLoad(mlir::Value value) const;
  /// Points of a rank that one warp has.
  int64_t sizeOf(tile::TileType type, mlir::StringAttr rank) const;
  /// Words of the states in a thread.
  int64_t stateWords() const;

private:
  bool refuse(const llvm::Twine &why);
  bool takeProducts(tile::KernelOp kernel);
  bool check(mlir::Block &block);
  bool checkEinsum(tile::EinsumOp op);
  bool checkTiles(tile::KernelOp kernel);
  bool addRows(mlir::Value value);
  void divide();
  int64_t registersOf(tile::TileType type) const;
};

} // namespace attn::gpu
#endif // ATTN_PASSES_GPU_WARP_WARPROLES_H
