//===- Index.h - linear indices, multiples of tiles -------------*- C++ -*-===//
// How an index of a load or store moves with a coordinate of the tile; whether
// a map multiplies a tile.
//===----------------------------------------------------------------------===//
#ifndef ATTN_PASSES_CPU_TILE_INDEX_H
#define ATTN_PASSES_CPU_TILE_INDEX_H

#include "dialect/Attn.h"
#include "dialect/tile/Tile.h"

namespace attn::cpu {

/// c if `index` is c * coordinate + something free of it; nothing if it depends
/// on the coordinate in another way. `coordinate` is an argument of the region.
std::optional<int64_t> coefficient(mlir::Value index, mlir::Value coordinate);

/// Do the points of a tile with the indices of `region` lie in the tensor row
/// by row, each row by itself: only the last index moves with the tile's last
/// coordinate, and moves as that does?
bool isByRows(mlir::Region &region);
/// Moreover, rows start with a row of the tensor, and are in no box: another
/// index moves with them in a way that is not linear.
bool isRowGather(mlir::Region &region);

/// state * x, of tiles: zeros stay.
bool scales(tile::EinsumOp op, mlir::Value state);

} // namespace attn::cpu
#endif // ATTN_PASSES_CPU_TILE_INDEX_H
