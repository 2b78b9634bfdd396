//===- Roles.h - what a tile kernel's values are on a Hopper GPU -*- C++ -*-==//
// Decides whether warpgroups can run a kernel, and where its tiles live: in
// registers as the accumulators of a matrix product lie there, or in shared
// memory, brought by the copy engine, as operands of one.
//===----------------------------------------------------------------------===//
#ifndef ATTN_PASSES_GPU_HOPPER_ROLES_H
#define ATTN_PASSES_GPU_HOPPER_ROLES_H

#include "dialect/tile/Tile.h"

namespace attn::gpu {

/// A load that becomes copies of boxes into shared memory.
struct SharedLoad {
  tile::LoadOp op;
  unsigned port;
  unsigned rowRank = 0, innerRank = 0; // ranks of the tile
  unsigned rowAxis = 0;                // of the tensor; the inner one is last
  int64_t rows = 0, columns = 0;
  bool inStream = false;
  int64_t bytes() const { return rows * columns * 2; }
  tile::TileType type() const { return tile::LoadOp(op).getType(); }
  mlir::Type element() const {
    return tile::LoadOp(op).getTensor().getType().getElementType();
  }
};

/// result[lanes, columns] = init + sum A[lanes, reduced] B[reduced, columns]
struct Contraction {
  mlir::Value a, b;
  mlir::StringAttr column, reduced;
};

class Roles {
public:
  /// Analyses `kernel`; `reason` says why it cannot be run so.
  explicit Roles(tile::KernelOp kernel);
  std::string reason;

  tile::StreamOp stream;
  mlir::StringAttr lane;
  int64_t lanes = 0;
  std::vector<SharedLoad> loads;
  llvm::DenseMap<mlir::Operation *, Contraction> contractions;

  const SharedLoad *sharedLoad(mlir::Value value) const;
  /// The rank of a tile beside the lanes; null: there is none.
  mlir::StringAttr columnOf(tile::TileType type) const;
  static int64_t sizeOf(tile::TileType type, mlir::StringAttr rank);

private:
  bool refuse(const llvm::Twine &why);
  bool findContractions(tile::KernelOp kernel);
  bool check(mlir::Block &block);
  bool checkEinsum(tile::EinsumOp op);
  bool addShared(mlir::Value value);
};

} // namespace attn::gpu
#endif // ATTN_PASSES_GPU_HOPPER_ROLES_H
