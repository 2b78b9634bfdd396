//===- Contractions.h - the matrix products of a tile kernel ----*- C++ -*-===//
#ifndef ATTN_PASSES_GPU_CONTRACTIONS_H
#define ATTN_PASSES_GPU_CONTRACTIONS_H

#include "dialect/tile/Tile.h"

namespace attn::gpu {

/// result[lanes, columns] = init + sum A[lanes, reduced] B[reduced, columns]
struct Contraction {
  mlir::Value a, b;
  mlir::StringAttr column, reduced;
};

/// The products of two tiles in a kernel. The lanes are the rank that all of
/// them keep.
struct Contractions {
  llvm::DenseMap<mlir::Operation *, Contraction> all;
  mlir::StringAttr lane;
  int64_t lanes = 0;
  std::string reason; ///< why there are no such lanes
};
Contractions findContractions(tile::KernelOp kernel);

/// The rank of a tile beside the lanes; null: there is none.
mlir::StringAttr columnOf(tile::TileType type, mlir::StringAttr lane);
/// 1 where the tile does not have the rank.
int64_t sizeOf(tile::TileType type, mlir::StringAttr rank);

} // namespace attn::gpu
#endif // ATTN_PASSES_GPU_CONTRACTIONS_H
