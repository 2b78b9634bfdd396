//===- WarpStates.cpp - states of parts of a stream -------------*- C++ -*-===//
// What warps that share lanes, and parts of a stream, have left: to memory,
// back, and into one.
#include "passes/gpu/Intrinsics.h"
#include "passes/gpu/hopper/Reduce.h"
#include "passes/gpu/warp/Warps.h"

using namespace mlir;
using namespace attn;
using namespace attn::cpu;
using namespace attn::gpu;
using arith::CmpIPredicate;

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
  return roles.stateWords() * warpLanes * wordBytes * roles.rowWarps;
}

/// Memory of a part, for this thread: word after word of all threads.
Value WarpLowering::partMemory(Value memory, Value part) {
  Value warps = b.mul(part, b.i64(roles.rowWarps));
  if (roles.rowWarps > 1)
    warps = b.add(warps, arith::ExtUIOp::create(b, b.getI64Type(), warp));
  Value bytes = b.mul(warps, b.i64(roles.stateWords() * warpLanes * wordBytes));
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
                   b.mul(b.convert(other, b.getI32Type()), b.i32(warpLanes));
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
  Value stride = b.i32(warpLanes * wordBytes);
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
