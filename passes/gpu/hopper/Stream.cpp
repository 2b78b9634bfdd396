//===- Stream.cpp - the loop over the steps of a stream ---------*- C++ -*-===//
// States are values that steps carry. Bounds say which steps there are and
// which of them are full, or the words of the classifying warp, one a step.
//===----------------------------------------------------------------------===//
#include "mlir/IR/Matchers.h"
#include "passes/gpu/hopper/Reduce.h"
#include "passes/gpu/hopper/Warpgroups.h"

using namespace mlir;
using namespace attn;
using namespace attn::cpu;
using namespace attn::gpu;
using arith::CmpIPredicate;

ValueRange WarpgroupLowering::states() const {
  tile::StreamOp stream = roles.stream;
  return stream.getBody().getArguments().drop_front();
}

/// The registers of tiles, as the states (in this order) carry them.
gpu::Values WarpgroupLowering::flatten(ValueRange tilesOf) {
  Values result;
  for (auto [tile, state] : llvm::zip(tilesOf, states())) {
    const Registers &r = tiles.find(tile)->second;
    llvm::append_range(result, r.values);
    if (cast<tile::TileType>(state.getType()).getMasked())
      for (size_t i = 0; i < r.values.size(); ++i)
        result.push_back(r.present.empty() || !r.present[i] ? b.boolean(true)
                                                            : r.present[i]);
  }
  return result;
}

size_t WarpgroupLowering::assign(ValueRange values) {
  size_t next = 0;
  for (Value state : states()) {
    auto type = cast<tile::TileType>(state.getType());
    Registers r{type, {}, {}};
    int64_t count = shapeOf(type).count();
    for (int64_t i = 0; i < count; ++i)
      r.values.push_back(values[next++]);
    for (int64_t i = 0; type.getMasked() && i < count; ++i)
      r.present.push_back(values[next++]);
    tiles[state] = r;
  }
  return next;
}

Value WarpgroupLowering::bitsOf(Value word) {
  Value group = arith::ShRUIOp::create(b, groupLane, b.i32(6));
  return arith::ShRUIOp::create(b, word, b.mul(group, b.i32(groupBits)));
}

Value WarpgroupLowering::isFullStep(Value bits) {
  return b.compare(CmpIPredicate::eq,
                   b.bitAnd(bits, b.i32(asksOrdered | asksOthers)), b.i32(0));
}

Value WarpgroupLowering::anyOf(Value word, int64_t bits) {
  return b.compare(CmpIPredicate::ne, b.bitAnd(word, b.i32(bits)), b.i32(0));
}

Value WarpgroupLowering::nextWord(Value count) {
  waitFull(layout.message, count);
  Value word = broadcast(b, loadWord(b, messageAt(count)));
  barrierArrive(b, emptyBarrier(layout.message, count), isFirst);
  return word;
}

gpu::Values WarpgroupLowering::forSteps(Value from, ValueRange carried,
                                        StepBody body) {
  if (roles.isClassified())
    return forClassifiedSteps(carried, body);
  Value base = b.sub(steps, from); // of the step's number
  Values values(carried);
  auto part = [&](Value low, Value high, bool isFull) {
    values = forLoop(b, low, high, 1, values, [&](Value step, ValueRange in) {
      return body({step, b.add(base, step), isFull}, in);
    });
  };
  auto isZero = [](Value bound) { return matchPattern(bound, m_Zero()); };
  tile::StreamOp stream = roles.stream;
  if (isAgain) { // rare: little code
    values = forLoop(b, from, upper, 1, values, [&](Value step, ValueRange in) {
      return body({step, b.add(base, step)}, in);
    });
    steps = b.add(base, b.max(upper, from));
    return values;
  }
  if (asksReads() || roles.asksProducts) {
    values = forLoop(b, from, upper, 1, values, [&](Value step, ValueRange in) {
      Value isFull = b.bitAnd(b.compare(CmpIPredicate::sge, step, fullLower),
                              b.compare(CmpIPredicate::slt, step, fullUpper));
      return eitherStep(withReads(isFull, step), {step, b.add(base, step)}, in,
                        body);
    });
    steps = b.add(base, b.max(upper, from));
    return values;
  }
  Value first = b.max(fullLower, from), last = b.max(fullUpper, from);
  if (!isZero(stream.getLower()) || !isZero(stream.getFullLower()))
    part(from, first, false);
  part(first, last, true);
  part(last, upper, false);
  steps = b.add(base, b.max(upper, from));
  return values;
}

/// Carried: the states and what else a step leaves, the word of the next step.
gpu::Values WarpgroupLowering::forClassifiedSteps(ValueRange carried,
                                                  StepBody body) {
  Values init(carried);
  init.push_back(steps);
  init.push_back(messages);
  Values last = whileLoop(
      b, init,
      [&](ValueRange in, Values &) {
        return b.compare(CmpIPredicate::sge, in.drop_back(2).back(), b.i32(0));
      },
      [&](ValueRange in, ValueRange) {
        Value count = in.drop_back().back(), read = in.back();
        Value word = in.drop_back(2).back();
        Step step{stepOf(word), count};
        step.messages = read;
        Value bits = bitsOf(word);
        Values next;
        if (roles.halved) {
          step.halves = b.bitAnd(bits, b.i32(halfBits));
          step.bits = bits;
          next = halvedStep(step, in.drop_back(3));
        } else {
          Value isFull = withReads(isFullStep(bits), step.step);
          next = eitherStep(isFull, step, in.drop_back(3), body);
        }
        next.push_back(b.add(count, b.i32(1)));
        next.push_back(b.add(read, b.i32(1)));
        return next;
      });
  messages = last.pop_back_val();
  steps = last.pop_back_val();
  last.pop_back();
  return last;
}

/// The registers of states that are kept in parts.
void WarpgroupLowering::forParts(
    llvm::function_ref<void(Reduce, Value &)> change) {
  tile::StreamOp stream = roles.stream;
  Block &body = stream.getBody().front();
  for (auto [next, state] : llvm::zip(body.back().getOperands(), states()))
    if (auto op = next.getDefiningOp<tile::EinsumOp>();
        op && roles.inParts.contains(op))
      for (Value &value : tiles[state].values)
        change(*op.getMonoid(), value);
}

void WarpgroupLowering::emitStream() {
  tile::StreamOp stream = roles.stream;
  assign(flatten(stream.getInit()));
  // What a sum starts from is in one part.
  Value first = b.compare(CmpIPredicate::eq, firstColumn, b.i32(0));
  forParts([&](Reduce kind, Value &value) {
    Type type = value.getType();
    if (kind == Reduce::sum)
      value =
          b.select(first, value,
                   isa<FloatType>(type) ? b.real(type, 0) : b.integer(type, 0));
  });
  Values before = flatten(states());
  auto plain = [&] {
    awaitPoint();
    if (roles.isClassified()) {
      before.push_back(nextWord(messages));
      messages = b.add(messages, b.i32(1));
    }
    return forSteps(lower, before, [&](const Step &step, ValueRange in) {
      return plainStep(step, in);
    });
  };
  Values after = roles.halved                ? emitHalved(before)
                 : roles.overlap && !isAgain ? emitOverlapped(before)
                                             : plain();
  full = {};
  scalars->setFull(full);
  assign(after);
  forParts(
      [&](Reduce kind, Value &value) { value = reduceAcross(b, kind, value); });
  for (auto [result, state] : llvm::zip(stream.getResults(), states())) {
    Registers last = tiles.find(state)->second;
    tiles[result] = last;
  }
  bool readLater = llvm::any_of(roles.contractions, [&](auto &entry) {
    return entry.first->getBlock() == stream->getBlock() &&
           stream->isBeforeInBlock(entry.first);
  });
  if (!readLater && !layout.storesShare)
    releasePoint();
}
