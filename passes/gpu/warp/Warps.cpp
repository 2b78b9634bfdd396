//===- Warps.cpp - the blocks of a tile kernel by warps ---------*- C++ -*-===//
#include "passes/gpu/warp/Warps.h"
#include "mlir/IR/Matchers.h"
#include "passes/gpu/Intrinsics.h"
#include "passes/gpu/hopper/Reduce.h"
#include "passes/gpu/warp/Matrix.h"

using namespace mlir;
using namespace attn;
using namespace attn::cpu;
using namespace attn::gpu;
using arith::CmpIPredicate;

constexpr int64_t wordBytes = 4, warpThreads = 32;

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
                  b.i32(warpThreads * wordBytes), /*all=*/false);
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

//===----------------------------------------------------------------------===//
// States of parts
//===----------------------------------------------------------------------===//

WarpLowering::States WarpLowering::takeStates(ValueRange names) {
  States states;
  for (Value name : names)
    states.push_back(tiles.find(name)->second);
  return states;
}

void WarpLowering::setStates(ValueRange names, const States &states) {
  for (auto [name, state] : llvm::zip(names, states)) {
    Registers r = state;
    r.type = cast<tile::TileType>(name.getType());
    if (r.type.getMasked() && r.present.empty())
      r.present.assign(r.values.size(), Value());
    tiles[name] = r;
  }
}

WarpLowering::Values WarpLowering::carry(const States &states) {
  Values values;
  for (const Registers &r : states) {
    llvm::append_range(values, r.values);
    if (r.type.getMasked())
      for (size_t i = 0; i < r.values.size(); ++i)
        values.push_back(r.present.empty() || !r.present[i] ? b.boolean(true)
                                                            : r.present[i]);
  }
  return values;
}

WarpLowering::States WarpLowering::carried(ValueRange values,
                                           const States &like) {
  States states = like;
  size_t next = 0;
  for (Registers &r : states) {
    for (Value &value : r.values)
      value = values[next++];
    if (r.type.getMasked()) {
      r.present.resize(r.values.size());
      for (Value &value : r.present)
        value = values[next++];
    }
  }
  return states;
}

WarpLowering::States WarpLowering::merge(const States &left,
                                         const States &right) {
  tile::StreamOp stream = roles.stream;
  Block &body = stream.getBody().front();
  ValueRange old = body.getArguments().drop_front();
  ValueRange next = body.back().getOperands();
  States result = left;
  for (const StreamMerge::State &state : roles.merge->states) {
    auto repaired = [&](const States &from) {
      setStates(old, from);
      for (tile::EinsumOp op : state.repair)
        emitEinsum(op);
      return tiles.find(state.start)->second;
    };
    Registers mine = repaired(left), theirs = repaired(right);
    Registers &whole = result[state.number];
    for (size_t i = 0; i < whole.values.size(); ++i)
      whole.values[i] =
          combine(b, state.kind, mine.values[i], theirs.values[i]);
    tiles[next[state.number]] = whole;
  }
  return result;
}

/// Of two lanes of a thread the second may be none of the tile.
static bool isKept(int64_t lane, int64_t lanes, bool all) {
  return all || lane == 0 || lanes > 8;
}

int64_t WarpLowering::partBytes(const WarpRoles &roles) {
  return roles.stateWords() * warpThreads * wordBytes * roles.rowWarps;
}

/// Memory of a part, for this thread: word after word of all threads.
Value WarpLowering::partMemory(Value memory, Value part) {
  Value warps = b.mul(part, b.i64(roles.rowWarps));
  if (roles.rowWarps > 1)
    warps = b.add(warps, arith::ExtUIOp::create(b, b.getI64Type(), warp));
  Value bytes =
      b.mul(warps, b.i64(roles.stateWords() * warpThreads * wordBytes));
  Value own =
      arith::ExtUIOp::create(b, b.getI64Type(), b.mul(lane, b.i32(wordBytes)));
  return b.gep(b.getI8Type(), memory, b.add(bytes, own));
}

/// Words of the states at `memory`, `stride` bytes (i32) apart. Not `all`:
/// those of lanes that the tile has.
void WarpLowering::store(const States &states, Value memory, Value stride,
                         bool all) {
  int64_t word = 0;
  auto write = [&] {
    for (const Registers &r : states) {
      Shape shape = shapeOf(r.type);
      for (auto [i, value] : llvm::enumerate(r.values)) {
        if (!isKept(shape.lane(i), roles.lanes, all))
          continue;
        Value stored = value;
        if (value.getType().isInteger(1))
          stored = arith::ExtUIOp::create(b, b.getI32Type(), value);
        b.store(stored,
                b.gep(b.getI8Type(), memory,
                      b.convert(b.mul(stride, b.i32(word)), b.getI64Type())));
        ++word;
      }
    }
  };
  if (all || roles.lanes % 8 == 0)
    write();
  else
    b.ifThen(b.ult(firstLane, b.i32(roles.lanes)), write);
}

WarpLowering::States WarpLowering::load(const States &like, Value memory,
                                        Value stride, bool all) {
  States states = like;
  int64_t word = 0;
  for (Registers &r : states) {
    Shape shape = shapeOf(r.type);
    for (auto [i, value] : llvm::enumerate(r.values)) {
      if (!isKept(shape.lane(i), roles.lanes, all)) {
        // A lane that is none of the tile has what its neighbour has.
        value = r.values[shape.at(0, shape.column(i))];
        continue;
      }
      Type type = value.getType();
      Value pointer =
          b.gep(b.getI8Type(), memory,
                b.convert(b.mul(stride, b.i32(word)), b.getI64Type()));
      Value loaded = b.load(type.isInteger(1) ? b.getI32Type() : type, pointer);
      if (type.isInteger(1))
        loaded = b.compare(CmpIPredicate::ne, loaded, b.i32(0));
      value = loaded;
      ++word;
    }
  }
  return states;
}

void WarpLowering::mergeWarps() {
  emitBarrier(b); // the tiles have been read
  if (roles.keyWarps == 1)
    return;
  tile::StreamOp stream = roles.stream;
  ValueRange names = stream.getResults();
  States own = takeStates(names);
  Value stride = b.i32(roles.threads() * wordBytes);
  auto memoryOf = [&](Value thread) -> Value {
    return LLVM::IntToPtrOp::create(
        b, LLVM::LLVMPointerType::get(b.getContext(), sharedSpace),
        b.add(shared, b.mul(thread, b.i32(wordBytes))));
  };
  store(own, memoryOf(thread), stride, /*all=*/true);
  emitBarrier(b);
  // By all warps: the first one's result counts.
  Values merged =
      b.loop(b.i64(1), b.i64(roles.keyWarps), carry(own),
             [&](Value other, ValueRange in) -> Values {
               Value start =
                   b.mul(b.convert(other, b.getI32Type()), b.i32(warpThreads));
               States theirs = load(own, memoryOf(b.add(start, lane)), stride,
                                    /*all=*/true);
               return carry(merge(carried(in, own), theirs));
             });
  setStates(names, carried(merged, own));
}

void WarpLowering::emitMerge(ValueRange point, Value number, Value splits,
                             Value memory) {
  tile::StreamOp stream = roles.stream;
  ValueRange names = stream.getResults();
  bindPoint(point);
  emitOutside(/*before=*/true);
  setStates(names, takeStates(stream.getInit()));
  States start = takeStates(names);
  Value stride = b.i32(warpThreads * wordBytes);
  Value first = b.i64(0), step = b.i64(roles.keyWarps);
  if (roles.keyWarps > 1)
    first = arith::ExtUIOp::create(b, b.getI64Type(), warp);
  Value base = b.mul(number, splits);
  Value count = arith::DivUIOp::create(
      b, b.sub(b.add(splits, b.sub(step, b.i64(1))), first), step);
  Values merged = b.loop(
      b.i64(0), count, carry(start), [&](Value i, ValueRange in) -> Values {
        Value part = b.add(base, b.add(first, b.mul(i, step)));
        States theirs =
            load(start, partMemory(memory, part), stride, /*all=*/false);
        return carry(merge(carried(in, start), theirs));
      });
  setStates(names, carried(merged, start));
  mergeWarps();
  if (roles.keyWarps > 1)
    b.ifThen(isFirstWarp(), [&] { emitOutside(/*before=*/false); });
  else
    emitOutside(/*before=*/false);
  emitBarrier(b);
}
