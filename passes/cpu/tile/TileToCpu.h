//===- TileToCpu.h - tile kernels as CPU code -------------------*- C++ -*-===//
// A tile.kernel becomes a loop over grid points. Each tile lives in a buffer of
// the worker's scratch memory, rows padded to whole vectors; each operation is
// a loop nest over such buffers, vectors along the tile's last rank.
//===----------------------------------------------------------------------===//
#ifndef ATTN_PASSES_CPU_TILE_TILETOCPU_H
#define ATTN_PASSES_CPU_TILE_TILETOCPU_H

#include "dialect/tile/Tile.h"
#include "passes/cpu/Storage.h"

namespace attn::cpu {

/// What a kernel asks of the function it is emitted into.
class TileSurroundings {
public:
  virtual ~TileSurroundings() = default;
  /// Memory of a tensor the kernel captures. Must dominate the kernel's code.
  virtual const Storage &storage(mlir::Value tensor) = 0;
  /// Memory of result `index` of the kernel.
  virtual const Storage &result(unsigned index) = 0;
  /// Extent of a rank, i64. Must dominate the kernel's code.
  virtual mlir::Value extent(mlir::StringAttr rank) = 0;
};

/// Hoists what does not change out of the kernel's streams. Call it once,
/// before the two functions below. Fails, with a message, if an operation has
/// no lowering.
llvm::LogicalResult prepareTileKernel(tile::KernelOp kernel);

/// Scratch bytes a worker needs, i64; `extent` gives a rank's extent. The
/// memory is to be 64-byte aligned.
mlir::Value
tileScratchBytes(CodeBuilder &b, tile::KernelOp kernel,
                 llvm::function_ref<mlir::Value(mlir::StringAttr)> extent);

/// Number of grid points, i64.
mlir::Value
tileGridItems(CodeBuilder &b, tile::KernelOp kernel,
              llvm::function_ref<mlir::Value(mlir::StringAttr)> extent);

/// Code for grid points [begin, end), row major, at the builder's insertion
/// point. `scratch` is the worker's memory (!llvm.ptr).
void lowerTileKernel(CodeBuilder &b, tile::KernelOp kernel,
                     TileSurroundings &outside, mlir::Value begin,
                     mlir::Value end, mlir::Value scratch);

/// Code for the grid points with the coordinates `at`; all others of the grid
/// are walked.
void lowerTileKernelAt(CodeBuilder &b, tile::KernelOp kernel,
                       TileSurroundings &outside,
                       const llvm::DenseMap<mlir::StringAttr, mlir::Value> &at,
                       mlir::Value scratch);

/// Does the kernel run on a matrix unit, and (good) what a step stores stay in
/// the first cache?
enum class MatrixFit { none, some, good };
MatrixFit matrixFit(tile::KernelOp kernel);

class TileLowering;
/// The grid point of that number, row major.
llvm::SmallVector<mlir::Value> gridCoordinates(TileLowering &lowering,
                                               mlir::Value item);

class CascadeLowering;

/// The kernel as a step of its cascade: a function over the grid, its scratch
/// memory and its call.
llvm::LogicalResult lowerTileStep(tile::KernelOp kernel,
                                  CascadeLowering &lowering);

struct StepFunction;
/// The kernel's grid points that have the coordinates `at`, in a step of the
/// cascade; prepared, and with scratch memory of its own.
void lowerTileKernelAt(StepFunction &f, tile::KernelOp kernel,
                       const llvm::DenseMap<mlir::StringAttr, mlir::Value> &at,
                       mlir::Value scratch);

} // namespace attn::cpu
#endif // ATTN_PASSES_CPU_TILE_TILETOCPU_H
