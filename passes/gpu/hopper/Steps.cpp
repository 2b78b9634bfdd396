//===- Steps.cpp - products and the steps of a stream -----------*- C++ -*-===//
// Where the order of a step allows it (Overlap), the first products of a step
// run together with the last ones of the step before, and the last ones run
// under all that is computed between them:
//   start the first products of step j; start the last ones of step j - 1;
//   when the first have ended: what lies between, of step j;
//   when the last have ended: round their operands, repair their states.
// ptxas moves the second wait up as far as it can: no further than behind the
// first reduction (a guard's branch, or keepBehind), or the scores' masks and
// maximum, which need no exponential, would wait for products that they could
// run under. Registers that a running product reads are written by conversions
// behind the wait alone: ptxas takes anything else for a reason to run one at a
// time.
//===----------------------------------------------------------------------===//
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Matchers.h"
#include "passes/gpu/hopper/Reduce.h"
#include "passes/gpu/hopper/Warpgroups.h"
#include <cmath>

using namespace mlir;
using namespace attn;
using namespace attn::cpu;
using namespace attn::gpu;
using arith::CmpIPredicate;

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

/// Operand A in registers, rounded and in pairs.
gpu::Values WarpgroupLowering::fragmentsOf(tile::EinsumOp op) {
  const Contraction &c = roles.contractions.find(op)->second;
  const Registers &r = tiles.find(c.a)->second;
  auto value = [&](int64_t i) {
    // An absent factor has no part in the sum.
    Value x = r.values[i];
    if (r.present.empty() || !r.present[i] || isZeroWhenAbsent(x, r.present[i]))
      return x;
    return b.select(r.present[i], x, b.real(x.getType(), 0));
  };
  Type element = roles.sharedLoad(c.b)->element();
  Values fragments;
  for (int64_t i = 0; i < op.getReducedSizes()[0] / 2; i += 2)
    fragments.push_back(packPair(b, element, value(i), value(i + 1)));
  return fragments;
}

/// A product whose operands are there, or come in use `count` of the stream.
gpu::Values WarpgroupLowering::start(tile::EinsumOp op, Value count,
                                     ArrayRef<Value> fragments,
                                     ArrayRef<Value> sum) {
  const Contraction &c = roles.contractions.find(op)->second;
  auto matrix = [&](const SharedLoad &load) {
    if (load.inStream)
      waitFull(layout.loads[numberOf(load)], count);
    else
      awaitPoint();
    bool transposed = load.type().getRanks()[load.rowRank] == c.reduced;
    return SharedMatrix{boxes(load, load.inStream ? count : points), load.rows,
                        transposed};
  };
  const SharedLoad *a = roles.sharedLoad(c.a), *right = roles.sharedLoad(c.b);
  SharedMatrix am;
  if (a)
    am = matrix(*a);
  SharedMatrix bm = matrix(*right);
  return startProduct(b, right->element(),
                      sizeOf(op.getResult().getType(), c.column),
                      op.getReducedSizes()[0], a ? &am : nullptr, groupLane,
                      fragments, bm, sum);
}

bool WarpgroupLowering::isLastUser(const SharedLoad &load,
                                   Operation *op) const {
  tile::LoadOp source = load.op;
  auto users = source.getResult().getUsers();
  return llvm::is_contained(users, op) &&
         llvm::all_of(users, [&](Operation *other) {
           return other == op || other->isBeforeInBlock(op);
         });
}

void WarpgroupLowering::release(const SharedLoad &load, Value count) {
  if (load.inStream)
    barrierArrive(b, emptyBarrier(layout.loads[numberOf(load)], count),
                  isFirst);
}

/// One by itself.
void WarpgroupLowering::emitContraction(tile::EinsumOp op) {
  const Contraction &c = roles.contractions.find(op)->second;
  Values fragments, sum;
  if (!roles.sharedLoad(c.a))
    fragments = fragmentsOf(op);
  if (op.getInit())
    sum = tiles.find(op.getInit())->second.values;
  Values running = start(op, steps, fragments, sum);
  tiles[op.getResult()] = {
      op.getResult().getType(), waitProducts(b, 0, running), {}};
  for (const SharedLoad &load : roles.loads)
    if (isLastUser(load, op))
      release(load, steps);
}

//===----------------------------------------------------------------------===//
// States as values
//===----------------------------------------------------------------------===//

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

//===----------------------------------------------------------------------===//
// Loops
//===----------------------------------------------------------------------===//

static Value stepOf(CodeBuilder &b, Value word) {
  return arith::ShRUIOp::create(b, word, b.i32(1));
}

static Value isFullWord(CodeBuilder &b, Value word) {
  return b.compare(CmpIPredicate::ne, b.bitAnd(word, b.i32(1)), b.i32(0));
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
        Step step{stepOf(b, word), count};
        step.messages = read;
        Value isFull = withReads(isFullWord(b, word), step.step);
        Values next = eitherStep(isFull, step, in.drop_back(3), body);
        next.push_back(b.add(count, b.i32(1)));
        next.push_back(b.add(read, b.i32(1)));
        return next;
      });
  messages = last.pop_back_val();
  steps = last.pop_back_val();
  last.pop_back();
  return last;
}

/// Loads of the stream that warps fetch in slices.
SmallVector<tile::LoadOp> WarpgroupLowering::slicedLoads() const {
  tile::StreamOp stream = roles.stream;
  SmallVector<tile::LoadOp> result;
  for (auto load : stream.getBody().getOps<tile::LoadOp>())
    if (!roles.sharedLoad(load.getResult()) && sliceOf(load))
      result.push_back(load);
  return result;
}

bool WarpgroupLowering::asksReads() const {
  return llvm::any_of(slicedLoads(), [](tile::LoadOp load) {
    return load.getType().getMasked();
  });
}

/// Is a step full whose reads are all inside, too? The same for the block.
Value WarpgroupLowering::withReads(Value isFull, Value step) {
  if (!asksReads())
    return isFull;
  bindStep(step);
  for (tile::LoadOp load : slicedLoads())
    if (load.getType().getMasked())
      isFull = b.both(isFull, sliceInside(load));
  Value word = arith::ExtUIOp::create(b, b.getI32Type(), isFull);
  return b.compare(CmpIPredicate::ne, broadcast(b, word), b.i32(0));
}

void WarpgroupLowering::bindStep(Value step) {
  tile::StreamOp stream = roles.stream;
  Block &body = stream.getBody().front();
  scalars->bindCoordinate(body.getArgument(0), b.convert(step, b.getI64Type()));
  // What slices' indices are made of comes before everything else.
  if (!slicedLoads().empty())
    for (Operation &op : body)
      if (!isa<tile::LoadOp, tile::EinsumOp, tile::YieldOp>(op))
        scalars->emit(&op);
}

void WarpgroupLowering::setFull(bool isFull) {
  full = isFull ? b.boolean(true) : Value();
  sliceIsInside = isFull;
  scalars->setFull(full);
}

gpu::Values WarpgroupLowering::eitherStep(Value isFull, const Step &step,
                                          ValueRange carried, StepBody body) {
  Step full = step, partial = step;
  full.full = true;
  partial.full = false;
  if (roles.asksProducts) {
    partial.mayBeFull = isFull;
    return body(partial, carried);
  }
  return b.ifElse(
      isFull, [&] { return body(full, carried); },
      [&] { return body(partial, carried); });
}

/// Sums of multiples that overflow where a value is not small, and where
/// several are half of that.
Value WarpgroupLowering::areSmall(ArrayRef<Value> values) {
  Type f32 = b.getF32Type();
  Value factor = b.real(f32, std::ldexp(1, 129) / smallValue);
  Values sums(std::min<size_t>(values.size(), 4), b.real(f32, 0));
  for (auto [i, value] : llvm::enumerate(values)) {
    Value &sum = sums[i % sums.size()];
    sum = math::FmaOp::create(b, value, factor, sum);
  }
  Value all = b.real(f32, 0);
  for (Value sum : sums)
    all = b.add(all, sum);
  Value mine = arith::CmpFOp::create(b, arith::CmpFPredicate::OLT,
                                     math::AbsFOp::create(b, all),
                                     b.real(f32, INFINITY));
  return intrinsic(b, "llvm.nvvm.vote.all.sync", b.getI1Type(),
                   {b.i32(-1), mine});
}

void WarpgroupLowering::beginStep(const Step &step) {
  setFull(step.full);
  bindStep(step.step);
  for (tile::LoadOp load : slicedLoads())
    fetchSlice(load);
}

/// Values of slices that nobody asked for: what threads do together is not
/// removed later.
static gpu::Values dropUnused(Block &block, gpu::Values results) {
  for (Operation &op : llvm::make_early_inc_range(llvm::reverse(block))) {
    auto call = dyn_cast<LLVM::CallIntrinsicOp>(op);
    bool isFetch = call && call.getIntrin() == "llvm.nvvm.shfl.sync.idx.i32";
    if ((isFetch || isa<arith::BitcastOp>(op)) && op.use_empty() &&
        !llvm::is_contained(results, op.getResult(0)))
      op.erase();
  }
  return results;
}

gpu::Values WarpgroupLowering::plainStep(const Step &step, ValueRange carried) {
  assign(carried);
  beginStep(step);
  Value outer = steps;
  steps = step.count;
  tile::StreamOp stream = roles.stream;
  Block &body = stream.getBody().front();
  emitBlock(body);
  steps = outer;
  Values result = flatten(body.back().getOperands());
  if (step.messages)
    result.push_back(nextWord(step.messages));
  return dropUnused(*b.getInsertionBlock(), std::move(result));
}

//===----------------------------------------------------------------------===//
// Overlapped steps
//===----------------------------------------------------------------------===//

/// Behind the last products of the step before: their next operands, and the
/// states that they will add to.
gpu::Values WarpgroupLowering::afterStep() {
  tile::StreamOp stream = roles.stream;
  Block &body = stream.getBody().front();
  const Overlap &overlap = roles.overlap;
  SmallVector<Value> next(body.back().getOperands());
  Values fragments;
  for (tile::EinsumOp op : overlap.trailing) {
    llvm::append_range(fragments, fragmentsOf(op));
    *llvm::find(next, op.getResult()) = op.getInit();
  }
  for (Operation &op : body)
    if (overlap.late.contains(&op))
      emitOperation(op);
  Values result = flatten(next);
  llvm::append_range(result, fragments);
  return result;
}

/// What lies between the first products and the last ones, in the order in
/// which it is emitted; `guardsFirst`: what a guard (Shifts.cpp) asks for comes
/// at once behind the first reduction.
SmallVector<Operation *> WarpgroupLowering::between(Block &body,
                                                    bool guardsFirst) const {
  const Overlap &overlap = roles.overlap;
  llvm::SetVector<Operation *> order;
  std::function<void(Operation *)> add = [&](Operation *op) {
    if (!op || op->getBlock() != &body || overlap.contains(op) ||
        overlap.late.contains(op) || isa<tile::YieldOp>(op) ||
        order.contains(op))
      return;
    for (Value operand : op->getOperands())
      add(operand.getDefiningOp());
    order.insert(op);
  };
  for (Operation &op : body) {
    add(&op);
    if (!guardsFirst || overlap.reduction != &op)
      continue;
    for (auto einsum : body.getOps<tile::EinsumOp>())
      if (isGuarded(einsum)) {
        add(einsum);
        break;
      }
  }
  return order.takeVector();
}

/// Carried: the states, then the operands of the last products.
gpu::Values WarpgroupLowering::overlappedStep(const Step &step,
                                              ValueRange carried) {
  tile::StreamOp stream = roles.stream;
  Block &body = stream.getBody().front();
  const Overlap &overlap = roles.overlap;
  bool isFirstStep = carried.empty(); // nothing runs before
  beginStep(step);
  auto operandOf = [&](tile::EinsumOp op) {
    return op.getResult().use_begin()->getOperandNumber();
  };
  auto uses = [&](const SharedLoad &load, ArrayRef<tile::EinsumOp> products) {
    tile::LoadOp source = load.op;
    return llvm::any_of(source.getResult().getUsers(), [&](Operation *user) {
      return llvm::is_contained(products, user);
    });
  };
  auto registers = [&](Value tile) {
    return shapeOf(cast<tile::TileType>(tile.getType())).count();
  };

  Values first, last;
  for (tile::EinsumOp op : overlap.leading)
    llvm::append_range(first, start(op, step.count, {}, {}));
  Values next; // its word comes while these run
  if (step.messages)
    next.push_back(nextWord(step.messages));
  Value before = b.sub(step.count, b.i32(1));
  if (!isFirstStep) {
    ValueRange fragments = carried.drop_front(assign(carried));
    for (tile::EinsumOp op : overlap.trailing) {
      int64_t count = op.getReducedSizes()[0] / 4;
      Values own(fragments.take_front(count));
      fragments = fragments.drop_front(count);
      llvm::append_range(
          last, start(op, before, own,
                      tiles.find(states()[operandOf(op)])->second.values));
    }
  }
  first = waitProducts(b, isFirstStep ? 0 : overlap.trailing.size(), first);
  ArrayRef<Value> rest = first;
  for (tile::EinsumOp op : overlap.leading) {
    Value result = op.getResult();
    tiles[result] = {op.getResult().getType(),
                     Values(rest.take_front(registers(result))),
                     {}};
    rest = rest.drop_front(registers(result));
  }
  for (const SharedLoad &load : roles.loads)
    if (uses(load, overlap.leading) && !uses(load, overlap.trailing))
      release(load, step.count);
  auto finish = [&] {
    bool isRunning = !isFirstStep;
    auto waitLast = [&] {
      isRunning = false;
      Values ended = waitProducts(b, 0, last);
      ArrayRef<Value> rest = ended;
      for (tile::EinsumOp op : overlap.trailing) {
        Value state = states()[operandOf(op)];
        tiles[state].values = Values(rest.take_front(registers(state)));
        rest = rest.drop_front(registers(state));
      }
      for (const SharedLoad &load : roles.loads)
        if (uses(load, overlap.trailing))
          release(load, before);
    };
    // Not behind the question of products, nor with more sums than 128
    // columns, which leave no registers (d=256, 16k keys: 679 TFLOP/s with
    // it, 733 without); nor where three warpgroups share the matrix unit:
    // one's wait is another's turn (d=64: 458 and 533).
    bool staysBehind =
        !step.mayBeFull && last.size() <= 64 && roles.lanes <= 128;
    bool branches = llvm::any_of(body.getOps<tile::EinsumOp>(),
                                 [&](auto op) { return isGuarded(op); });
    for (Operation *op : between(body, /*guardsFirst=*/!staysBehind)) {
      emitOperation(*op);
      if (!isRunning || overlap.reduction != op)
        continue;
      // The wait does not move beyond a guard's branch.
      if (staysBehind && !branches)
        keepBehind(b, tiles.find(op->getResult(0))->second.values);
      else if (!staysBehind && branches)
        waitLast();
    }
    if (isRunning)
      waitLast();
    Values result = afterStep();
    llvm::append_range(result, next);
    return dropUnused(*b.getInsertionBlock(), std::move(result));
  };
  if (!step.mayBeFull)
    return finish();
  return b.ifElse(
      b.bitAnd(step.mayBeFull, areSmall(first)),
      [&] {
        setFull(true);
        small.insert(first.begin(), first.end());
        Values result = finish();
        small.clear();
        return result;
      },
      [&] {
        setFull(false);
        return finish();
      });
}

/// The last products; the states behind them.
gpu::Values WarpgroupLowering::finishOverlapped(ValueRange carried) {
  Value before = b.sub(steps, b.i32(1));
  ValueRange fragments = carried.drop_front(assign(carried));
  Values last;
  for (tile::EinsumOp op : roles.overlap.trailing) {
    unsigned operand = op.getResult().use_begin()->getOperandNumber();
    int64_t count = op.getReducedSizes()[0] / 4;
    Values own(fragments.take_front(count));
    fragments = fragments.drop_front(count);
    llvm::append_range(
        last,
        start(op, before, own, tiles.find(states()[operand])->second.values));
  }
  last = waitProducts(b, 0, last);
  ArrayRef<Value> rest = last;
  for (tile::EinsumOp op : roles.overlap.trailing) {
    unsigned operand = op.getResult().use_begin()->getOperandNumber();
    Values &values = tiles[states()[operand]].values;
    values.assign(rest.begin(), rest.begin() + values.size());
    rest = rest.drop_front(values.size());
    for (const SharedLoad &load : roles.loads)
      if (isLastUser(load, op))
        release(load, before);
  }
  return flatten(states());
}

gpu::Values WarpgroupLowering::emitOverlapped(const Values &before) {
  Step first{lower, steps};
  Value isFull, some;
  if (roles.isClassified()) {
    Value word = nextWord(messages);
    messages = b.add(messages, b.i32(1));
    first.step = stepOf(b, word);
    first.messages = messages;
    some = b.compare(CmpIPredicate::sge, word, b.i32(0));
    isFull = isFullWord(b, word);
  } else {
    some = b.compare(CmpIPredicate::slt, lower, upper);
    isFull = b.bitAnd(b.compare(CmpIPredicate::sge, lower, fullLower),
                      b.compare(CmpIPredicate::slt, lower, fullUpper));
  }
  isFull = withReads(isFull, first.step);
  awaitPoint();
  Values none{steps, messages};
  Values after = b.ifElse(
      some,
      [&] {
        auto body = [&](const Step &step, ValueRange in) {
          return overlappedStep(step, in);
        };
        // The first step's code is there once where it would be long; so it is
        // where data say which step is first: few of those are full.
        bool once = roles.asksProducts || roles.isClassified();
        Values carried =
            once ? body(first, {}) : eitherStep(isFull, first, {}, body);
        steps = b.add(steps, b.i32(1));
        if (first.messages)
          messages = b.add(messages, b.i32(1));
        carried = forSteps(b.add(first.step, b.i32(1)), carried, body);
        Values result = finishOverlapped(carried);
        result.push_back(steps);
        result.push_back(messages);
        return result;
      },
      [&] {
        Values result = before;
        llvm::append_range(result, none);
        return result;
      });
  messages = after.pop_back_val();
  steps = after.pop_back_val();
  return after;
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
  Values after = roles.overlap ? emitOverlapped(before) : plain();
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
