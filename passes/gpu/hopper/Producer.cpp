//===- Producer.cpp - what brings tiles into shared memory ------*- C++ -*-===//
// A thread brings what the warpgroups multiply, boxes of grid points and of
// steps. It takes the points itself, or is told of them and of their steps by
// the classifying warp (Classifier.cpp), as the warpgroups are.
//===----------------------------------------------------------------------===//
#include "passes/gpu/hopper/Warpgroups.h"

using namespace mlir;
using namespace attn;
using namespace attn::cpu;
using namespace attn::gpu;
using arith::CmpIPredicate;

/// Coordinates of a box (i32, from the last axis): of the first column, and of
/// `row`. What is not there lies outside.
gpu::Values WarpgroupLowering::boxCoordinates(Region &indices, unsigned rowRank,
                                              Value row) {
  FastRegion code(b, outside, b.getF32Type(), {});
  code.capture(*scalars, indices);
  Block &block = indices.front();
  for (BlockArgument argument : block.getArguments())
    code.bind(
        argument,
        {argument.getArgNumber() == rowRank ? row : b.i32(0), {}, {}, true});
  SmallVector<Scalar> found = code.emit(block);
  Values result;
  for (const Scalar &index : llvm::reverse(found)) {
    Value i = b.convert(index.value, b.getI32Type());
    result.push_back(index.present ? b.select(index.present, i, b.i32(-1 << 30))
                                   : i);
  }
  return result;
}

void WarpgroupLowering::emitCopies(const SharedLoad &load, Value to,
                                   Value barrier, Value halves) {
  tile::LoadOp op = load.op;
  Value map =
      LLVM::PtrToIntOp::create(b, b.getI64Type(), work.maps[numberOf(load)]);
  int64_t panels = load.columns / 64, rows = roles.boxRows(load);
  auto copy = [&](int64_t row, int64_t first, int64_t end) {
    Values at = boxCoordinates(op.getIndices(), load.rowRank, b.i32(row));
    for (int64_t panel = first; panel < end; ++panel) {
      at[0] = b.i32(panel * 64);
      copyBox(b, b.add(to, b.i32((panel * load.rows + row) * 128)), map, at,
              barrier);
    }
  };
  if (!halves)
    return copy(0, 0, panels);
  for (int64_t half : {0, 1})
    b.ifThen(b.compare(CmpIPredicate::ne, b.bitAnd(halves, b.i32(1 << half)),
                       b.i32(0)),
             [&] {
               if (rows < load.rows)
                 copy(half * rows, 0, panels);
               else
                 copy(0, half * panels / 2, (half + 1) * panels / 2);
             });
}

void WarpgroupLowering::emitStepCopies(Value step, Value halves) {
  tile::StreamOp stream = roles.stream;
  Block &body = stream.getBody().front();
  scalars->bindCoordinate(body.getArgument(0), b.convert(step, b.getI64Type()));
  for (Operation &op : body)
    if (!isa<tile::LoadOp, tile::EinsumOp, tile::YieldOp>(op))
      scalars->emit(&op);
  for (auto [load, ring] : llvm::zip(roles.loads, layout.loads)) {
    if (!load.inStream)
      continue;
    waitEmpty(ring, steps);
    Value barrier = fullBarrier(ring, steps);
    Value bytes = b.i32(load.bytes());
    if (halves)
      bytes = b.select(b.compare(CmpIPredicate::eq, halves, b.i32(3)), bytes,
                       b.i32(load.bytes() / 2));
    barrierExpect(b, barrier, bytes);
    emitCopies(load, boxes(load, steps), barrier, halves);
  }
}

void WarpgroupLowering::copyPoint() {
  if (roles.isClassified())
    waitEmpty(layout.point, points);
  Value barrier = fullBarrier(layout.point, points);
  barrierExpect(b, barrier, b.i32(layout.pointBytes));
  for (const SharedLoad &load : roles.loads)
    if (!load.inStream)
      emitCopies(load, boxes(load, points), barrier);
}

void WarpgroupLowering::emitSteps() {
  Value base = steps;
  forLoop(b, lower, upper, 1, {}, [&](Value step, ValueRange) {
    steps = b.add(base, b.sub(step, lower));
    emitStepCopies(step);
    return Values();
  });
  steps = b.add(base, b.sub(upper, lower));
}

void WarpgroupLowering::emitProducer() {
  forPoints([&] {
    copyPoint();
    emitSteps();
  });
}

/// Reads the words as the warpgroups do.
void WarpgroupLowering::emitCopier() {
  auto release = [&](const Ring &ring, Value count) {
    barrierArrive(b, emptyBarrier(ring, count), b.boolean(true));
  };
  unsigned axes = kernel.getBody().getNumArguments();
  whileLoop(
      b, {b.i32(0), b.i32(0), b.i32(0)},
      [&](ValueRange in, Values &) {
        waitFull(layout.line, in[0]);
        return b.compare(CmpIPredicate::sge, loadWord(b, lineOf(in[0])),
                         b.i32(0));
      },
      [&](ValueRange in, ValueRange) {
        points = in[0];
        Values coordinates;
        for (unsigned axis = 0; axis < axes; ++axis)
          coordinates.push_back(loadWord(
              b, b.add(lineOf(points), b.i32(4 * (firstCoordinate + axis)))));
        release(layout.line, points);
        bindPoint(coordinates);
        emitScalars();
        copyPoint();
        Values counts = whileLoop(
            b, {in[1], in[2]},
            [&](ValueRange in, Values &found) {
              waitFull(layout.message, in[1]);
              found.push_back(loadWord(b, messageAt(in[1])));
              release(layout.message, in[1]);
              return b.compare(CmpIPredicate::sge, found[0], b.i32(0));
            },
            [&](ValueRange in, ValueRange found) {
              steps = in[0];
              // What any of the warpgroups needs.
              Value halves;
              for (int64_t i = 0; roles.halved && i < roles.lanes / 64; ++i) {
                Value own =
                    arith::ShRUIOp::create(b, found[0], b.i32(i * groupBits));
                halves = halves ? b.bitOr(halves, own) : own;
              }
              if (halves)
                halves = b.bitAnd(halves, b.i32(halfBits));
              emitStepCopies(stepOf(found[0]), halves);
              return Values{b.add(steps, b.i32(1)), b.add(in[1], b.i32(1))};
            });
        // The test that fails has read a message, too.
        return Values{b.add(points, b.i32(1)), counts[0],
                      b.add(counts[1], b.i32(1))};
      });
}
