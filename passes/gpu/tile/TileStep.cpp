//===- TileStep.cpp - tile kernels as steps of a cascade --------*- C++ -*-===//
#include "passes/cpu/tile/TileToCpu.h"
#include "passes/gpu/tile/BlockLowering.h"
#include "passes/gpu/tile/TileToGpu.h"

using namespace mlir;
using namespace attn;
using namespace attn::cpu;

// Threads of a block in the general lowering.
constexpr int blockThreads = 256;

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

LogicalResult gpu::lowerTileStep(tile::KernelOp kernel,
                                 CascadeLowering &lowering) {
  if (failed(prepareTileKernel(kernel)))
    return failure();
  lowering.requestScratch([kernel](CodeBuilder &b, Frame &frame) {
    return tileScratchBytes(
        b, kernel, [&](StringAttr rank) { return frame.extent(rank); });
  });
  DeviceKernel device;
  device.threads = blockThreads;
  device.itemABlock = true;
  func::FuncOp step = lowering.deviceStep(device, [&](StepFunction &f) {
    StepSurroundings outside(kernel, f);
    TileBuffers buffers(kernel);
    buffers.emitLayout(f.frame.prologue, [&](StringAttr rank) {
      return outside.extent(rank);
    });
    BlockLowering code(f.b, outside, kernel, buffers,
                       f.frame.scratch(f.b, f.worker));
    SmallVector<StringAttr> grid = strings(kernel.getGrid());
    SmallVector<Value> coordinates(grid.size());
    Value rest = f.begin;
    for (size_t axis = grid.size(); axis-- > 0;) {
      Value extent = outside.extent(grid[axis]);
      coordinates[axis] =
          axis ? Value(arith::RemUIOp::create(f.b, rest, extent)) : rest;
      if (axis)
        rest = arith::DivUIOp::create(f.b, rest, extent);
    }
    code.emitPoint(coordinates);
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
