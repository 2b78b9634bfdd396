//===- TileStep.cpp - tile kernels as steps of a cascade --------*- C++ -*-===//
#include "passes/cpu/tile/TileStep.h"
#include "passes/cpu/matrix/Amx.h"
#include "passes/cpu/matrix/Grid.h"
#include "passes/cpu/tile/Fold.h"
#include "passes/cpu/tile/Split.h"

using namespace mlir;
using namespace attn;
using namespace attn::cpu;

void cpu::startGrid(func::FuncOp step, tile::KernelOp kernel,
                    CascadeLowering &lowering) {
  lowering.parallelFor(
      step,
      [&](RunFunction &run) {
        return tileGridItems(run.frame.prologue, kernel, [&](StringAttr rank) {
          return run.frame.extent(rank);
        });
      },
      [&](RunFunction &run) { return run.b.i64(1); });
}

/// The kernel on a matrix unit, after a step for each operand that is laid out
/// anew.
static void lowerMatrixStep(tile::KernelOp kernel, const MatrixRoles &roles,
                            CascadeLowering &lowering) {
  SmallVector<unsigned> slots;
  for (const MatrixProduct &p : roles.products) {
    slots.push_back(0);
    if (!p.isLaidOut())
      continue;
    Panels panels(p);
    slots.back() = lowering.requestSlot([p](CodeBuilder &b, Frame &frame) {
      return Panels(p).bytes(
          b, [&](StringAttr rank) { return frame.extent(rank); });
    });
    func::FuncOp turn = lowering.step([&](StepFunction &f) {
      StepSurroundings outside(kernel, f);
      TileBuffers none(kernel);
      Value scratch = f.frame.scratch(f.b, f.worker);
      Value memory = f.frame.slot(slots.back());
      tile::LoadOp load = p.left;
      const Storage &s = outside.storage(load.getTensor());
      TileLowering code(f.b, outside, kernel, none, scratch);
      code.loop(f.begin, f.end, 1, [&](Value item) {
        panels.emitBlock(code, s, memory, item, scratch,
                         [&](StringAttr rank) { return outside.extent(rank); });
      });
    });
    lowering.parallelFor(
        turn,
        [&](RunFunction &run) {
          return panels.items(run.frame.prologue, [&](StringAttr rank) {
            return run.frame.extent(rank);
          });
        },
        [&](RunFunction &run) { return run.b.i64(1); });
  }
  lowering.requestScratch([=](CodeBuilder &b, Frame &frame) {
    MatrixRoles roles(kernel);
    return MatrixGrid(kernel, roles).scratchBytes(b, [&](StringAttr rank) {
      return frame.extent(rank);
    });
  });
  func::FuncOp step = lowering.step([&](StepFunction &f) {
    StepSurroundings outside(kernel, f);
    SmallVector<Value> panels;
    for (auto [p, slot] : llvm::zip(roles.products, slots))
      panels.push_back(p.isLaidOut() ? f.frame.slot(slot) : Value());
    MatrixGrid(kernel, roles)
        .emit(f.b, outside, f.begin, f.end, f.frame.scratch(f.b, f.worker),
              panels);
  });
  lowering.parallelFor(
      step,
      [&](RunFunction &run) {
        return MatrixGrid(kernel, roles)
            .items(run.frame.prologue,
                   [&](StringAttr rank) { return run.frame.extent(rank); });
      },
      [&](RunFunction &run) { return run.b.i64(1); });
}

/// A step over the parts of all grid points, and one that merges them.
static void lowerSplitStep(tile::KernelOp kernel, StreamSplit &split,
                           CascadeLowering &lowering) {
  auto frameExtent = [](Frame &frame) {
    return [&frame](StringAttr rank) { return frame.extent(rank); };
  };
  lowering.requestScratch([=](CodeBuilder &b, Frame &frame) {
    return b.mul(tileScratchBytes(b, kernel, frameExtent(frame)), b.i64(2));
  });
  unsigned slot = lowering.requestSlot([=](CodeBuilder &b, Frame &frame) {
    Value points = tileGridItems(b, kernel, frameExtent(frame));
    return split.memoryBytes(b, points, frameExtent(frame));
  });
  auto emit = [&](bool merges) {
    return lowering.step([&](StepFunction &f) {
      StepSurroundings outside(kernel, f);
      auto extent = [&](StringAttr rank) { return outside.extent(rank); };
      CodeBuilder &b = f.b;
      TileBuffers buffers(kernel);
      Value bytes = buffers.emitLayout(b, extent);
      Value scratch = f.frame.scratch(b, f.worker);
      Value memory = f.frame.slot(slot);
      Value parts = split.parts(b, tileGridItems(b, kernel, extent), extent);
      TileLowering code(b, outside, kernel, buffers, scratch);
      code.loop(f.begin, f.end, 1, [&](Value item) {
        if (merges)
          return split.emitMerge(code, buffers, gridCoordinates(code, item),
                                 item, parts, memory,
                                 b.gep(b.getI8Type(), scratch, bytes));
        Value point = arith::DivSIOp::create(b, item, parts);
        split.emitPart(code, buffers, gridCoordinates(code, point), point,
                       arith::RemSIOp::create(b, item, parts), parts, memory);
      });
    });
  };
  auto start = [&](func::FuncOp step, bool merges) {
    lowering.parallelFor(
        step,
        [&](RunFunction &run) -> Value {
          CodeBuilder &b = run.frame.prologue;
          auto extent = frameExtent(run.frame);
          Value points = tileGridItems(b, kernel, extent);
          Value parts = split.parts(b, points, extent);
          if (!merges)
            return b.mul(points, parts);
          return b.select(b.compare(arith::CmpIPredicate::sgt, parts, b.i64(1)),
                          points, b.i64(0));
        },
        [&](RunFunction &run) { return run.b.i64(1); });
  };
  start(emit(/*merges=*/false), /*merges=*/false);
  start(emit(/*merges=*/true), /*merges=*/true);
}

MatrixFit cpu::matrixFit(tile::KernelOp kernel) {
  // The first cache; left operands pass it by.
  constexpr int64_t most = 48 << 10;
  MatrixRoles roles(kernel);
  if (!roles.reason.empty())
    return MatrixFit::none;
  return !roles.isClassified && MatrixStream::stepBytes(roles) <= most
             ? MatrixFit::good
             : MatrixFit::some;
}

LogicalResult cpu::lowerTileStep(tile::KernelOp kernel,
                                 CascadeLowering &lowering) {
  if (failed(prepareTileKernel(kernel)))
    return failure();
  if (lowering.getTarget().amx)
    if (MatrixRoles roles(kernel); roles.reason.empty()) {
      lowerMatrixStep(kernel, roles, lowering);
      return success();
    }
  foldMaps(kernel);
  if (auto split = StreamSplit::of(kernel)) {
    lowerSplitStep(kernel, *split, lowering);
    return success();
  }
  lowering.requestScratch([kernel](CodeBuilder &b, Frame &frame) {
    return tileScratchBytes(
        b, kernel, [&](StringAttr rank) { return frame.extent(rank); });
  });
  func::FuncOp step = lowering.step([&](StepFunction &f) {
    StepSurroundings outside(kernel, f);
    lowerTileKernel(f.b, kernel, outside, f.begin, f.end,
                    f.frame.scratch(f.b, f.worker));
  });
  startGrid(step, kernel, lowering);
  return success();
}

void cpu::lowerTileKernelAt(StepFunction &f, tile::KernelOp kernel,
                            const llvm::DenseMap<StringAttr, Value> &at,
                            Value scratch) {
  StepSurroundings outside(kernel, f);
  lowerTileKernelAt(f.b, kernel, outside, at, scratch);
}
