//===- TileToGpu.h - tile kernels as GPU code -------------------*- C++ -*-===//
// A grid point is a block of threads. By the general lowering each tile lives
// in memory of the block, and each operation is spread over its threads, with a
// barrier behind it.
//===----------------------------------------------------------------------===//
#ifndef ATTN_PASSES_GPU_TILE_TILETOGPU_H
#define ATTN_PASSES_GPU_TILE_TILETOGPU_H

#include "passes/cpu/LowerCascade.h"

namespace attn::gpu {

/// The kernel as a step of its cascade (cpu::DeviceSteps::lowerTile).
llvm::LogicalResult lowerTileStep(tile::KernelOp kernel,
                                  cpu::CascadeLowering &lowering);

} // namespace attn::gpu
#endif // ATTN_PASSES_GPU_TILE_TILETOGPU_H
