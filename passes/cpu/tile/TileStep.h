//===- TileStep.h - a tile kernel as a step of a cascade --------*- C++ -*-===//
#ifndef ATTN_PASSES_CPU_TILE_TILESTEP_H
#define ATTN_PASSES_CPU_TILE_TILESTEP_H

#include "passes/cpu/LowerCascade.h"
#include "passes/cpu/tile/TileToCpu.h"

namespace attn::cpu {

/// The memory and extents that the function of a step knows.
class StepSurroundings : public TileSurroundings {
public:
  StepSurroundings(tile::KernelOp kernel, StepFunction &f)
      : kernel(kernel), f(f) {}
  const Storage &storage(mlir::Value tensor) override {
    return f.storages.of(tensor);
  }
  const Storage &result(unsigned index) override {
    return f.storages.of(kernel.getResult(index));
  }
  mlir::Value extent(mlir::StringAttr rank) override {
    return f.frame.extent(rank);
  }

private:
  tile::KernelOp kernel;
  StepFunction &f;
};

/// Starts `step` over the grid of the kernel.
void startGrid(mlir::func::FuncOp step, tile::KernelOp kernel,
               CascadeLowering &lowering);

} // namespace attn::cpu
#endif // ATTN_PASSES_CPU_TILE_TILESTEP_H
