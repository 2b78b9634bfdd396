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

#endif // ATTN_DIALECT_TILE_TILE_H
