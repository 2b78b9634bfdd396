//===- TileStep.cpp - tile kernels as steps of a cascade --------*- C++ -*-===//
#include "passes/cpu/LowerCascade.h"
#include "passes/cpu/tile/TileToCpu.h"

using namespace mlir;
using namespace attn;
using namespace attn::cpu;

namespace {
class StepSurroundings : public TileSurroundings {
public:
  StepSurroundings(tile::KernelOp kernel, StepFunction &f)
      : kernel(kernel), f(f) {}
  const Storage &storage(Value tensor) override {
    return f.storages.of(tensor);
  }
  const Storage &result(unsigned index) override {
    return f.storages.of(kernel.getResult(index));
  }
  Value extent(StringAttr rank) override { return f.frame.extent(rank); }

private:
  tile::KernelOp kernel;
  StepFunction &f;
};
} // namespace

LogicalResult cpu::lowerTileStep(tile::KernelOp kernel,
                                 CascadeLowering &lowering) {
  if (failed(prepareTileKernel(kernel)))
    return failure();
  lowering.requestScratch([kernel](CodeBuilder &b, Frame &frame) {
    return tileScratchBytes(
        b, kernel, [&](StringAttr rank) { return frame.extent(rank); });
  });
  func::FuncOp step = lowering.step([&](StepFunction &f) {
    StepSurroundings outside(kernel, f);
    lowerTileKernel(f.b, kernel, outside, f.begin, f.end,
                    f.frame.scratch(f.b, f.worker));
  });
  lowering.parallelFor(
      step,
      [&](RunFunction &run) {
        return tileGridItems(run.frame.prologue, kernel, [&](StringAttr rank) {
          return run.frame.extent(rank);
        });
      },
      [&](RunFunction &run) { return run.b.i64(1); });
  return success();
}

void cpu::lowerTileKernelAt(StepFunction &f, tile::KernelOp kernel,
                            const llvm::DenseMap<StringAttr, Value> &at,
                            Value scratch) {
  StepSurroundings outside(kernel, f);
  lowerTileKernelAt(f.b, kernel, outside, at, scratch);
}
