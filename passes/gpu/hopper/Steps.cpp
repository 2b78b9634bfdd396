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
//
// Where data decide which steps have points (and all that is asked of points is
// asked of one first product, Roles::masks), a warpgroup computes the half of a
// step's points that has any for its lanes, or nothing. Its code is small, as
// two warpgroups that run different parts of it at a time have to share what
// the instruction cache holds: the first step is one like all others, behind
// one that there is not, and full steps leave out the masks by branches.
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
  int64_t count = op.getReducedSizes()[0] / 2 / partsOf(c.reduced);
  for (int64_t i = 0; i < count; i += 2)
    fragments.push_back(packPair(b, element, value(i), value(i + 1)));
  return fragments;
}

/// A product whose operands are there, or come in use `count` of the stream.
gpu::Values WarpgroupLowering::start(tile::EinsumOp op, Value count,
                                     ArrayRef<Value> fragments,
                                     ArrayRef<Value> sum, Value halves) {
  const Contraction &c = roles.contractions.find(op)->second;
  auto matrix = [&](const SharedLoad &load) {
    if (!load.inStream)
      awaitPoint();
    else if (!halves)
      waitFull(layout.loads[numberOf(load)], count);
    else // where nothing came before: what is there
      waitEither(isNothing(halves), {layout.point, points},
                 {layout.loads[numberOf(load)], count});
    ArrayRef<StringAttr> ranks = load.type().getRanks();
    bool transposed = ranks[load.rowRank] == c.reduced;
    Value at = boxes(load, load.inStream ? count : points);
    // Half of the rows of each panel, or of the panels.
    Value number = half;
    if (halves)
      number = b.select(b.compare(CmpIPredicate::eq, halves, b.i32(2)),
                        b.i32(1), b.i32(0));
    if (number && llvm::is_contained(ranks, roles.halved)) {
      int64_t rows = load.rows;
      if (ranks[load.rowRank] == roles.halved)
        rows /= 2;
      at = b.add(at, b.mul(number, b.i32(rows * 128)));
    }
    return SharedMatrix{at, load.rows, transposed};
  };
  const SharedLoad *a = roles.sharedLoad(c.a), *right = roles.sharedLoad(c.b);
  SharedMatrix am;
  if (a)
    am = matrix(*a);
  SharedMatrix bm = matrix(*right);
  int64_t columns = sizeOf(op.getResult().getType(), c.column);
  std::optional<SomeDepth> some;
  if (halves)
    some = {halves, address(layout.zeros)};
  return startProduct(b, right->element(), columns / partsOf(c.column),
                      op.getReducedSizes()[0], a ? &am : nullptr, groupLane,
                      fragments, bm, sum, some);
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

/// Does one of the products read the load?
static bool reads(ArrayRef<tile::EinsumOp> products, const SharedLoad &load) {
  tile::LoadOp source = load.op;
  return llvm::any_of(source.getResult().getUsers(), [&](Operation *user) {
    return llvm::is_contained(products, user);
  });
}

void WarpgroupLowering::release(const SharedLoad &load, Value count,
                                Value unless) {
  if (!load.inStream)
    return;
  Value mine = isFirst;
  if (unless)
    mine = b.select(unless, b.boolean(false), mine);
  barrierArrive(b, emptyBarrier(layout.loads[numberOf(load)], count), mine);
}

Value WarpgroupLowering::isNothing(Value halves) {
  return b.compare(CmpIPredicate::eq, halves, b.i32(nothing));
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

/// All of a step, a half or nothing.
gpu::Values WarpgroupLowering::halvedStep(Step step, ValueRange carried) {
  Step part = step;
  part.half = arith::ShRUIOp::create(b, step.halves, b.i32(1));
  Value halves = step.halves;
  step.halves = b.i32(3);
  return b.ifElse(
      b.compare(CmpIPredicate::eq, halves, step.halves),
      [&] { return overlappedStep(step, carried); },
      [&] {
        return b.ifElse(
            b.compare(CmpIPredicate::ne, halves, b.i32(0)),
            [&] { return overlappedStep(part, carried); },
            [&] { return skippedStep(part, carried); });
      });
}

/// The first products, -inf where there are no points. Bounds and other
/// conditions are asked one after the other: mostly one of them says all.
gpu::Values WarpgroupLowering::maskedProducts(const Step &step,
                                              Values products) {
  tile::EinsumOp reader = roles.masks.reader;
  tile::EinsumOp product = roles.overlap.leading.front();
  Values result = products;
  auto ask = [&](bool others) {
    tiles[product.getResult()].values = result;
    return b.ifElse(
        anyOf(step.bits, others ? asksOthers : asksOrdered),
        [&] {
          setFull(false);
          // What the conditions read of the stream.
          for (Value tile : reader.getTiles())
            if (auto load = tile.getDefiningOp<tile::LoadOp>();
                load && load->getBlock() == reader->getBlock())
              emitOperation(*load);
          return dropUnused(
              *b.getInsertionBlock(),
              emitMasks(reader, roles.masks.condition, result, [&](MapOp map) {
                return map->hasAttr("classified") == others;
              }));
        },
        [&] { return result; });
  };
  result = b.ifElse(
      anyOf(step.bits, asksOrdered | asksOthers),
      [&] {
        for (bool others : {false, true})
          result = ask(others);
        return result;
      },
      [&] { return products; });
  setFull(true);
  return result;
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
  half = step.half;
  setFull(step.full);
  bindStep(step.step);
  auto fetch = [&] {
    Values held;
    for (tile::LoadOp load : slicedLoads()) {
      fetchSlice(load);
      llvm::append_range(held, slices[load]);
    }
    return held;
  };
  if (!step.bits || slicedLoads().empty()) {
    fetch();
    return;
  }
  SmallVector<Type> types;
  Values held = b.ifElse(
      anyOf(step.bits, asksOthers),
      [&] {
        Values held = fetch();
        llvm::append_range(types, ValueRange(held).getTypes());
        return held;
      },
      [&] {
        Values none;
        for (Type type : types)
          none.push_back(isa<FloatType>(type) ? b.real(type, 0)
                                              : b.integer(type, 0));
        return none;
      });
  ArrayRef<Value> rest = held;
  for (tile::LoadOp load : slicedLoads()) {
    Values &own = slices[load];
    own.assign(rest.begin(), rest.begin() + own.size());
    rest = rest.drop_front(own.size());
  }
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

/// Nothing of it is computed; what the step before left is.
gpu::Values WarpgroupLowering::skippedStep(const Step &step,
                                           ValueRange carried) {
  half = {};
  Value before = b.sub(step.count, b.i32(1));
  for (const SharedLoad &load : roles.loads)
    if (load.inStream && !reads(roles.overlap.trailing, load)) {
      waitFull(layout.loads[numberOf(load)], step.count);
      release(load, step.count);
    }
  ValueRange left = carried.drop_front(assign(carried));
  finishTrailing(startTrailing(left, before), before, left.back());
  Values result = flatten(states());
  for (tile::EinsumOp op : roles.overlap.trailing)
    result.append(op.getReducedSizes()[0] / 4, b.i32(0));
  result.push_back(b.i32(0));
  if (step.messages)
    result.push_back(nextWord(step.messages));
  return result;
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

/// The first step is one like all others, behind one that there is not.
gpu::Values WarpgroupLowering::emitHalved(const Values &before) {
  Values carried(before);
  for (tile::EinsumOp op : roles.overlap.trailing)
    carried.append(op.getReducedSizes()[0] / 4, b.i32(0));
  carried.push_back(b.i32(nothing));
  carried.push_back(nextWord(messages));
  messages = b.add(messages, b.i32(1));
  awaitPoint();
  return finishOverlapped(forClassifiedSteps(carried, nullptr));
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
  Values after = roles.halved    ? emitHalved(before)
                 : roles.overlap ? emitOverlapped(before)
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
