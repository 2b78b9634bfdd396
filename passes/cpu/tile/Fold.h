//===- Fold.h - maps inside of the reductions that read them ----*- C++ -*-===//
#ifndef ATTN_PASSES_CPU_TILE_FOLD_H
#define ATTN_PASSES_CPU_TILE_FOLD_H

#include "dialect/tile/Tile.h"

namespace attn::cpu {

/// A map whose points one reduction reads, each once, is computed there: its
/// tile and mask need no memory, and presence is seen as it is tested.
void foldMaps(tile::KernelOp kernel);

} // namespace attn::cpu
#endif // ATTN_PASSES_CPU_TILE_FOLD_H
