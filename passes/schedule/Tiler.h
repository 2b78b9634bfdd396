//===- Tiler.h - a derived kernel as a tile program -------------*- C++ -*-===//
// Rows run in the grid, one rank of them fills the lanes of tiles; the streamed
// rank is the loop; what remains of an einsum's ranks are its tile. Presence
// that is linear bounds the loop.
//
// KernelRanks chooses the lanes, StreamSteps says which steps run, TileEinsums
// and TileLoads write what they compute and read, TileProgram is what they
// write.
//===----------------------------------------------------------------------===//
#ifndef ATTN_PASSES_SCHEDULE_TILER_H
#define ATTN_PASSES_SCHEDULE_TILER_H

#include "passes/schedule/KernelRanks.h"

namespace attn {

/// Replaces the kernel by a tile program `name`, with `laneSize` lanes or as
/// many as share something; `partSize`: what is said of parts of steps, 0:
/// nothing. Fails, changing nothing, where the kernel is none that this
/// lowering covers.
mlir::LogicalResult tileKernel(CascadeOp cascade, KernelOp kernel,
                               llvm::StringRef name, int64_t laneSize,
                               TilePacking packing, int64_t partSize);

} // namespace attn
#endif // ATTN_PASSES_SCHEDULE_TILER_H
