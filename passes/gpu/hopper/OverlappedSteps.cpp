//===- OverlappedSteps.cpp - steps that run under each other ----*- C++ -*-===//
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
#include "passes/gpu/hopper/Warpgroups.h"

using namespace mlir;
using namespace attn;
using namespace attn::cpu;
using namespace attn::gpu;
using arith::CmpIPredicate;

/// Behind the last products of the step before: their next operands, and the
/// states that they will add to.
gpu::Values WarpgroupLowering::afterStep() {
  tile::StreamOp stream = roles.stream;
  Block &body = stream.getBody().front();
  const Overlap &overlap = roles.overlap;
  SmallVector<Value> next(body.back().getOperands());
  Values fragments;
  for (tile::EinsumOp op : overlap.trailing) {
    Values own = fragmentsOf(op);
    llvm::append_range(fragments, own);
    if (half)
      fragments.append(own.size(), b.i32(0));
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

/// What is left of the step before, of which `carried` has the operands and,
/// where steps are halved, which halves it has.
gpu::Values WarpgroupLowering::startTrailing(ValueRange carried, Value before) {
  Values running;
  Value halves = roles.halved ? carried.back() : Value(), outer = half;
  half = {};
  for (tile::EinsumOp op : roles.overlap.trailing) {
    unsigned operand = op.getResult().use_begin()->getOperandNumber();
    int64_t count = op.getReducedSizes()[0] / 4;
    Values own(carried.take_front(count));
    carried = carried.drop_front(count);
    llvm::append_range(
        running, start(op, before, own,
                       tiles.find(states()[operand])->second.values, halves));
  }
  half = outer;
  return running;
}

/// Products that `startTrailing` has started, ended: the states' registers.
void WarpgroupLowering::finishTrailing(ArrayRef<Value> running, Value before,
                                       Value halves) {
  Values ended = waitProducts(b, 0, running);
  ArrayRef<Value> rest = ended;
  for (tile::EinsumOp op : roles.overlap.trailing) {
    unsigned operand = op.getResult().use_begin()->getOperandNumber();
    Values &values = tiles[states()[operand]].values;
    values.assign(rest.begin(), rest.begin() + values.size());
    rest = rest.drop_front(values.size());
  }
  for (const SharedLoad &load : roles.loads)
    if (reads(roles.overlap.trailing, load))
      release(load, before, halves ? isNothing(halves) : Value());
}

/// Carried: the states, then the operands of the last products.
gpu::Values WarpgroupLowering::overlappedStep(const Step &step,
                                              ValueRange carried) {
  tile::StreamOp stream = roles.stream;
  Block &body = stream.getBody().front();
  const Overlap &overlap = roles.overlap;
  bool isFirstStep = carried.empty(); // nothing runs before
  beginStep(step);
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
  Value halves; // of the step before
  if (!isFirstStep) {
    ValueRange left = carried.drop_front(assign(carried));
    if (roles.halved)
      halves = left.back();
    last = startTrailing(left, before);
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
    if (reads(overlap.leading, load) && !reads(overlap.trailing, load))
      release(load, step.count);
  if (roles.halved) {
    tile::EinsumOp op = overlap.leading.front();
    Values masked = maskedProducts(step, tiles[op.getResult()].values);
    tiles[op.getResult()].values = std::move(masked);
  }
  auto finish = [&] {
    bool isRunning = !isFirstStep;
    auto waitLast = [&] {
      isRunning = false;
      finishTrailing(last, before, halves);
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
    if (roles.halved)
      result.push_back(step.halves);
    llvm::append_range(result, next);
    half = {};
    if (shifting == Shifts::exact && small.empty())
      roundDifferences(*b.getInsertionBlock());
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
  ValueRange left = carried.drop_front(assign(carried));
  finishTrailing(startTrailing(left, before), before,
                 roles.halved ? left.back() : Value());
  return flatten(states());
}

gpu::Values WarpgroupLowering::emitOverlapped(const Values &before) {
  Step first{lower, steps};
  Value isFull, some;
  if (roles.isClassified()) {
    Value word = nextWord(messages);
    messages = b.add(messages, b.i32(1));
    first.step = stepOf(word);
    first.messages = messages;
    some = b.compare(CmpIPredicate::sge, word, b.i32(0));
    isFull = isFullStep(bitsOf(word));
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
