//===- TileToGpu.h - tile kernels as GPU code -------------------*- C++ -*-===//
// A grid point is a block of threads. By the general lowering each tile lives
// in memory of the block, and each operation is spread over its threads, with a
// barrier behind it.
//===----------------------------------------------------------------------===//
#ifndef ATTN_PASSES_GPU_TILE_TILETOGPU_H
#define ATTN_PASSES_GPU_TILE_TILETOGPU_H

#include "passes/cpu/LowerCascade.h"

namespace attn::gpu {

/// How well warpgroups run the kernel: not at all (0), one product after the
/// other, or with those of neighbouring steps at a time; best where tiles that
/// the stream's bounds cut are small.
unsigned warpgroupFit(tile::KernelOp kernel, int64_t sharedBytes);
constexpr unsigned bestWarpgroupFit = 3;
/// Lanes of one of them, and the fewest points of a step that it computes.
constexpr int64_t warpgroupLanes = 64;

/// The kernel as a step of its cascade (cpu::DeviceSteps::lowerTile). With
/// `warpgroups` it is also emitted for these (hopper/) where they can run it,
/// and the general code is what runs where the tensors' memory does not fit.
llvm::LogicalResult lowerTileStep(tile::KernelOp kernel,
                                  cpu::CascadeLowering &lowering,
                                  bool warpgroups, int64_t sharedBytes);

/// cpu::DeviceSteps::lowerTileAt.
void lowerTileAt(cpu::StepFunction &f, tile::KernelOp kernel,
                 const llvm::DenseMap<mlir::StringAttr, mlir::Value> &at,
                 mlir::Value scratch);

} // namespace attn::gpu
#endif // ATTN_PASSES_GPU_TILE_TILETOGPU_H
