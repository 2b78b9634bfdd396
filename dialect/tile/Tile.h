//===- Tile.h - the tile dialect --------------------------------*- C++ -*-===//
// Einsums on tiles, shared by all back ends. Semantics in Tile.td.
//===----------------------------------------------------------------------===//
#ifndef ATTN_DIALECT_TILE_TILE_H
#define ATTN_DIALECT_TILE_TILE_H

#include "dialect/Attn.h"

#include "dialect/tile/TileDialect.h.inc"

#define GET_TYPEDEF_CLASSES
#include "dialect/tile/TileTypes.h.inc"

#define GET_OP_CLASSES
#include "dialect/tile/TileOps.h.inc"

namespace attn::tile {

/// The ranks of the coordinates of op's map: the result's, then the reduced.
llvm::SmallVector<mlir::StringAttr> spaceOf(EinsumOp op);

} // namespace attn::tile

#endif // ATTN_DIALECT_TILE_TILE_H
