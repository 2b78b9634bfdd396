//===- Warps.cpp - the blocks of a tile kernel by warps ---------*- C++ -*-===//
#include "passes/gpu/warp/Warps.h"
#include "mlir/IR/Matchers.h"
#include "passes/gpu/Intrinsics.h"
#include "passes/gpu/warp/Matrix.h"

using namespace mlir;
using namespace attn;
using namespace attn::cpu;
using namespace attn::gpu;
using arith::CmpIPredicate;

WarpLowering::WarpLowering(CodeBuilder &b, TileSurroundings &outside,
                           tile::KernelOp kernel, const WarpRoles &roles)
    : Fragments(b, outside, roles.lane), kernel(kernel), roles(roles),
      scalars(b, outside, b.getF32Type(), {}) {}

Value WarpLowering::bound(Value name) {
  Scalar scalar = scalars.lookup(name);
  Value wide = wideInteger(b, scalar);
  return scalar.present ? b.select(scalar.present, wide, b.i64(0)) : wide;
}

void WarpLowering::bindPoint(ValueRange point) {
  Block &body = kernel.getBody().front();
  for (auto [argument, coordinate] : llvm::zip(body.getArguments(), point))
    scalars.bindCoordinate(argument, coordinate);
  shared = sharedMemory(b);
  thread = specialRegister(b, "tid.x");
  lane = b.bitAnd(thread, b.i32(31));
  warp = broadcast(b, arith::ShRUIOp::create(b, thread, b.i32(5)));
  Value row = arith::ShRUIOp::create(b, lane, b.i32(2));
  firstLane = roles.rowWarps > 1 ? b.add(b.mul(warp, b.i32(16)), row) : row;
  firstColumn = b.mul(b.bitAnd(lane, b.i32(3)), b.i32(2));
  firstDivided = b.i32(0);
  if (!roles.divided)
    return;
  // The size of a warp's part is that of any tile that has the rank.
  for (auto op :
       tile::StreamOp(roles.stream).getBody().front().getOps<tile::EinsumOp>())
    if (columnOf(op.getResult().getType(), roles.lane) == roles.divided)
      firstDivided = b.mul(
          warp, b.i32(roles.sizeOf(op.getResult().getType(), roles.divided)));
}

Value WarpLowering::isFirstWarp() {
  return b.compare(CmpIPredicate::eq, warp, b.i32(0));
}

//===----------------------------------------------------------------------===//
// Copies
//===----------------------------------------------------------------------===//

Value WarpLowering::address(const RowsLoad &load, Value at) {
  unsigned number = &load - roles.loads.data();
  Value start = b.add(shared, b.i32(roles.start(number)));
  return load.inStream ? b.add(start, b.mul(at, b.i32(load.bytes()))) : start;
}

void WarpLowering::emitCopies(const RowsLoad &load, Value to) {
  tile::LoadOp op = load.op;
  const Storage &s = outside.storage(op.getTensor());
  int64_t inRow = load.columns / 8, total = load.rows * inRow;
  int64_t threads = roles.threads();
  bool even = threads % inRow == 0;
  for (int64_t done = 0; done < total; done += threads) {
    // 16 bytes for each thread.
    Value chunk = b.add(thread, b.i32(even ? 0 : done));
    Value row = arith::DivUIOp::create(b, chunk, b.i32(inRow));
    Value column =
        b.mul(arith::RemUIOp::create(b, chunk, b.i32(inRow)), b.i32(8));
    if (even)
      row = b.add(row, b.i32(done / inRow));
    auto copy = [&] {
      FastRegion code(b, outside, b.getF32Type(), {});
      code.capture(scalars, op.getIndices());
      Block &block = op.getIndices().front();
      code.bind(block.getArgument(load.rowRank), {row, {}, {}, true});
      code.bind(block.getArgument(load.innerRank), {column, {}, {}, true});
      Value present;
      if (load.rows > load.filled)
        present = b.ult(row, b.i32(load.filled));
      Values indices;
      for (auto [index, extent] : llvm::zip(code.emit(block), s.extents)) {
        Value i = wideInteger(b, index);
        present = b.both(present, b.both(index.present, b.ult(i, extent)));
        indices.push_back(i);
      }
      Value from =
          b.gep(b.getI16Type(), s.base, StorageMap::offset(b, s, indices));
      Value at = b.add(
          to, b.add(b.mul(row, b.i32(load.pitch())), b.mul(column, b.i32(2))));
      copyRow(b, at, from, present);
    };
    if (done + threads <= total)
      copy();
    else
      b.ifThen(b.ult(b.add(thread, b.i32(done)), b.i32(total)), copy);
  }
}

void WarpLowering::emitCopies(bool inStream, Value at) {
  for (const RowsLoad &load : roles.loads)
    if (load.inStream == inStream)
      emitCopies(load, address(load, at));
}

//===----------------------------------------------------------------------===//
// The stream
//===----------------------------------------------------------------------===//

/// Steps [from, to) from the states in `tiles`, which they replace.
void WarpLowering::emitSteps(Value from, Value to, bool isFull) {
  tile::StreamOp stream = roles.stream;
  Block &body = stream.getBody().front();
  ValueRange names = body.getArguments().drop_front();
  States start = takeStates(names);
  int64_t stages = roles.stages;
  full = isFull ? b.boolean(true) : Value();
  scalars.setFull(full);
  Values after =
      b.loop(from, to, carry(start), [&](Value step, ValueRange in) -> Values {
        setStates(names, carried(in, start));
        Value count = b.convert(b.sub(step, low), b.getI32Type());
        stage = arith::RemUIOp::create(b, count, b.i32(stages));
        // This step is there for all threads, and none is still at the one
        // whose buffer comes next.
        waitCopies(b, stages - 2);
        emitBarrier(b);
        Value ahead = b.add(step, b.i64(stages - 1));
        b.ifThen(b.compare(CmpIPredicate::slt, ahead, high), [&] {
          scalars.bindCoordinate(body.getArgument(0), ahead);
          emitScalars(body);
          emitCopies(/*inStream=*/true,
                     arith::RemUIOp::create(b, b.add(count, b.i32(stages - 1)),
                                            b.i32(stages)));
        });
        commitCopies(b);
        scalars.bindCoordinate(body.getArgument(0), step);
        for (Operation &op : body)
          emitOperation(op);
        return carry(takeStates(body.back().getOperands()));
      });
  setStates(names, carried(after, start));
  full = {};
  scalars.setFull(full);
}

/// Scalars of a step, which its copies may ask for.
void WarpLowering::emitScalars(Block &block) {
  for (Operation &op : block)
    if (!isa<tile::LoadOp, tile::StoreOp, tile::EinsumOp, tile::StreamOp,
             tile::YieldOp>(op))
      scalars.emit(&op);
}

void WarpLowering::emitStream(Value split, Value splits) {
  tile::StreamOp stream = roles.stream;
  Block &body = stream.getBody().front();
  ValueRange names = body.getArguments().drop_front();
  Value lower = bound(stream.getLower());
  Value upper = b.max(bound(stream.getUpper()), lower);
  Value steps = b.sub(upper, lower);
  Value each =
      arith::DivUIOp::create(b, b.add(steps, b.sub(splits, b.i64(1))), splits);
  low = b.min(b.add(lower, b.mul(split, each)), upper);
  high = b.min(b.add(low, each), upper);
  fullLow = b.min(b.max(bound(stream.getFullLower()), low), high);
  fullHigh = b.min(b.max(bound(stream.getFullUpper()), fullLow), high);

  // What is read outside of the stream comes with the first step.
  emitCopies(/*inStream=*/false, {});
  for (int64_t ahead = 0; ahead + 1 < roles.stages; ++ahead) {
    Value step = b.add(low, b.i64(ahead));
    b.ifThen(b.compare(CmpIPredicate::slt, step, high), [&] {
      scalars.bindCoordinate(body.getArgument(0), step);
      emitScalars(body);
      emitCopies(/*inStream=*/true, b.i32(ahead));
    });
    commitCopies(b);
  }
  setStates(names, takeStates(stream.getInit()));
  auto isZero = [](Value bound) { return matchPattern(bound, m_Zero()); };
  if (roles.isClassified()) {
    // No step is full while what `classify` says is not asked here.
    emitSteps(low, high, false);
  } else {
    if (!isZero(stream.getLower()) || !isZero(stream.getFullLower()))
      emitSteps(low, fullLow, false);
    emitSteps(fullLow, fullHigh, true);
    emitSteps(fullHigh, high, false);
  }
  waitCopies(b, 0);
  setStates(stream.getResults(), takeStates(names));
}

void WarpLowering::emitOutside(bool before) {
  tile::StreamOp stream = roles.stream;
  for (Operation &op : kernel.getBody().front())
    if (&op != stream && op.isBeforeInBlock(stream) == before)
      emitOperation(op);
}

void WarpLowering::emitPart(ValueRange point, Value number, Value split,
                            Value splits, Value memory) {
  tile::StreamOp stream = roles.stream;
  bindPoint(point);
  emitOutside(/*before=*/true);
  emitStream(split, splits);
  mergeWarps();
  auto finish = [&] {
    b.ifElse(
        b.compare(CmpIPredicate::sle, splits, b.i64(1)),
        [&]() -> Values {
          emitOutside(/*before=*/false);
          return {};
        },
        [&]() -> Values {
          if (roles.merge)
            store(takeStates(stream.getResults()),
                  partMemory(memory, b.add(b.mul(number, splits), split)),
                  b.i32(warpLanes * wordBytes), /*all=*/false);
          return {};
        });
  };
  if (roles.keyWarps > 1)
    b.ifThen(isFirstWarp(), finish);
  else
    finish();
  // The next point of the block takes the memory again.
  emitBarrier(b);
}
