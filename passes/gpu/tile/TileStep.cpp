//===- TileStep.cpp - tile kernels as steps of a cascade --------*- C++ -*-===//
#include "passes/cpu/tile/TileToCpu.h"
#include "passes/gpu/hopper/Warpgroups.h"
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

/// Coordinates of the grid point number `item`.
static SmallVector<Value> gridPoint(CodeBuilder &b, tile::KernelOp kernel,
                                    TileSurroundings &outside, Value item) {
  SmallVector<StringAttr> grid = strings(kernel.getGrid());
  SmallVector<Value> coordinates(grid.size());
  for (size_t axis = grid.size(); axis-- > 0;) {
    Value extent = outside.extent(grid[axis]);
    coordinates[axis] =
        axis ? Value(arith::RemUIOp::create(b, item, extent)) : item;
    if (axis)
      item = arith::DivUIOp::create(b, item, extent);
  }
  return coordinates;
}

static func::FuncOp emitGeneral(tile::KernelOp kernel,
                                CascadeLowering &lowering) {
  DeviceKernel device;
  device.threads = blockThreads;
  device.itemABlock = true;
  return lowering.deviceStep(device, [&](StepFunction &f) {
    StepSurroundings outside(kernel, f);
    TileBuffers buffers(kernel);
    buffers.emitLayout(f.frame.prologue,
                       [&](StringAttr rank) { return outside.extent(rank); });
    gpu::BlockLowering code(f.b, outside, kernel, buffers,
                            f.frame.scratch(f.b, f.worker));
    code.emitPoint(gridPoint(f.b, kernel, outside, f.begin));
  });
}

void gpu::lowerTileAt(StepFunction &f, tile::KernelOp kernel,
                      const llvm::DenseMap<StringAttr, Value> &at,
                      Value scratch) {
  CodeBuilder &b = f.b;
  StepSurroundings outside(kernel, f);
  TileBuffers buffers(kernel);
  buffers.emitLayout(f.frame.prologue,
                     [&](StringAttr rank) { return outside.extent(rank); });
  gpu::BlockLowering code(b, outside, kernel, buffers, scratch);
  SmallVector<StringAttr> grid = strings(kernel.getGrid());
  SmallVector<Value> coordinates;
  std::function<void()> nest = [&] {
    if (coordinates.size() == grid.size())
      return code.emitPoint(coordinates);
    StringAttr rank = grid[coordinates.size()];
    Value known = at.lookup(rank);
    auto inner = [&](Value i) {
      coordinates.push_back(i);
      nest();
      coordinates.pop_back();
    };
    if (known)
      inner(known);
    else
      b.loop(b.i64(0), outside.extent(rank), inner);
  };
  nest();
}

static func::FuncOp emitWarpgroups(tile::KernelOp kernel,
                                   CascadeLowering &lowering,
                                   const gpu::Roles &roles, DeviceKernel device,
                                   StringRef fallback) {
  device.fallback = fallback.str();
  return lowering.deviceStep(device, [&](StepFunction &f) {
    StepSurroundings outside(kernel, f);
    ValueRange maps = f.function.getArguments().drop_front(2);
    gpu::WarpgroupLowering code(f.b, outside, kernel, roles, maps);
    // From the last one: where the rows differ in length it is the longest.
    Value last = f.b.sub(f.function.getArgument(1), f.b.i64(1));
    code.emitPoint(gridPoint(f.b, kernel, outside, f.b.sub(last, f.begin)));
  });
}

LogicalResult gpu::lowerTileStep(tile::KernelOp kernel,
                                 CascadeLowering &lowering, bool warpgroups,
                                 int64_t sharedBytes) {
  if (failed(prepareTileKernel(kernel)))
    return failure();
  lowering.requestScratch([kernel](CodeBuilder &b, Frame &frame) {
    return tileScratchBytes(
        b, kernel, [&](StringAttr rank) { return frame.extent(rank); });
  });
  func::FuncOp step = emitGeneral(kernel, lowering);
  if (warpgroups) {
    gpu::Roles roles(kernel);
    if (roles.reason.empty()) {
      DeviceKernel device = describeWarpgroups(roles);
      if (device.sharedBytes <= sharedBytes)
        step = emitWarpgroups(kernel, lowering, roles, device, step.getName());
    }
  }
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
