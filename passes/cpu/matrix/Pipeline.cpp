//===- Pipeline.cpp - steps, their stages side by side ----------*- C++ -*-===//
// Of MatrixStream: the pipeline, and how it keeps a maximum that need not be
// the latest until weights grow large.
//===----------------------------------------------------------------------===//
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "passes/cpu/matrix/Amx.h"
#include "passes/cpu/matrix/Stream.h"

using namespace mlir;
using namespace attn;
using namespace attn::cpu;
using arith::CmpIPredicate;

//===----------------------------------------------------------------------===//
// The maximum that is kept
//===----------------------------------------------------------------------===//

/// A weight above this asks for a later maximum; any power of 2 far from the
/// largest number would do.
constexpr double largestWeight = 16384;

/// The step's values as they are where the states' maximum stays.
void MatrixStream::keep() {
  for (auto [value, state] : reference->kept)
    t.setTile(value, t.tile(state));
  for (tile::EinsumOp op : roles.phases.back().laneOps)
    if (!reference->idle.contains(op)) {
      emitTileEinsum(t, op);
      settle(op.getResult());
    }
}

/// States that refer to the maximum of this step, too.
void MatrixStream::refer(Value step) {
  for (auto [value, state] : reference->kept)
    t.setTile(value, places[value]);
  untilLastPhase(step);
  byFull([&](bool isFull) {
    runPhase(rowPhase(reference->flags, step, isFull));
  });
  Block &body = stream.getBody().front();
  for (auto [i, next] : llvm::enumerate(body.back().getOperands())) {
    auto op = next.getDefiningOp<tile::EinsumOp>();
    const Tile &to = t.tile(body.getArgument(1 + i));
    if (const MatrixProduct *p = roles.product(op))
      repair(*p);
    else if (op == reference->maximum ||
             llvm::is_contained(reference->flags.reductions, op))
      t.copyTile(t.tile(next), to);
    else if (t.tile(op.getInit()).base != to.base)
      t.copyTile(t.tile(op.getInit()), to);
  }
  keep();
}

/// Does a lane need a later maximum, or has none yet?
Value MatrixStream::isPassed() {
  tile::EinsumOp mass = reference->mass;
  const Tile &most = t.tile(stream.getBody().getArgument(1 + reference->state));
  Type reals = t.vectorOf(b.getF32Type());
  Value good;
  for (int64_t lane = 0; lane < roles.lanes; lane += t.lanes()) {
    auto at = [&](const Tile &tile) {
      return t.load(reals, tile.base, b.i64(lane));
    };
    Value grown =
        b.sub(at(t.tile(mass.getResult())), at(t.tile(mass.getInit())));
    good = b.both(good, b.compare(CmpIPredicate::sle, grown,
                                  b.real(reals, largestWeight)));
    good = b.both(good, b.compare(CmpIPredicate::sgt, at(most),
                                  b.real(reals, -INFINITY)));
    for (tile::EinsumOp op : reference->flags.reductions) {
      Type bytes = t.vectorOf(b.getI8Type());
      Value flag = t.load(bytes, t.tile(op.getInit()).base, b.i64(lane));
      good =
          b.both(good, b.compare(CmpIPredicate::ne, flag, b.integer(bytes, 0)));
    }
  }
  return b.bitNot(
      vector::ReductionOp::create(b, vector::CombiningKind::AND, good));
}

/// After the rows of `step`, with no late product under way.
void MatrixStream::settleReference(Value step) {
  enter(step);
  b.ifThen(isPassed(), [&] {
    // The ring has rows of the next step by now.
    for (auto [p, offsets] : llvm::zip(roles.products, layout.products)) {
      if (p.isLate)
        continue;
      Value again = place(offsets.again);
      int64_t bytes = Ring(roles, p).blockBytes;
      auto to = [&](Value block) {
        return b.gep(b.getI8Type(), again, b.mul(block, b.i64(bytes)));
      };
      early(p, left(p, step), to, {}, nothing);
    }
    Value full = t.full;
    setFull({}); // one code for all, as it is rare
    enter(step);
    showScores(step, /*isAgain=*/true);
    refer(step);
    runPhase(rowPhase(lastPhase(), step, /*isFull=*/false));
    setFull(full);
  });
}

//===----------------------------------------------------------------------===//
// The pipeline
//===----------------------------------------------------------------------===//

void MatrixStream::rowsBeside(Value step, bool isFull, Value next,
                              Value before, ArrayRef<Left> lefts,
                              ArrayRef<Value> targets) {
  RowPhase phase = rowPhase(lastPhase(), step, isFull);
  Values sums = phase.begin();
  int64_t share = pairsOfQuad(roles), quadsBefore = 0;
  for (auto [p, at, to] : llvm::zip(roles.products, lefts, targets)) {
    auto slice = [&](Value quad, int64_t part, Values carried) {
      // Half of the rows after each half of the quad, if there are enough.
      int64_t low = 0, high = share;
      if (share >= 4)
        (part ? low : high) = share / 2;
      else if (part == 0)
        high = 0;
      Value first = b.mul(b.add(quad, b.i64(quadsBefore)), b.i64(share));
      for (int64_t i = low; i < high; ++i) {
        Value pair = b.add(first, b.i64(i));
        if (i == low || Ring::rows / 2 % share)
          seek(pair);
        carried = phase.pair(pair, carried);
      }
      return carried;
    };
    sums = p.isLate ? late(p, at, before, to, sums, slice)
                    : earlyOf(p, at, next, sums, slice);
    quadsBefore += quadsOf(p);
  }
  if (int64_t pairs = roles.rows / 2; share * quadsBefore < pairs)
    sums = phase.pairs(b.i64(share * quadsBefore), b.i64(pairs), sums,
                       [this](Value pair) { seek(pair); });
  phase.end(sums);
}

void MatrixStream::pipeline(Value low, Value high) {
  Value one = b.i64(1), last = b.sub(high, one);
  auto accumulator = [&](const MatrixProduct &p) {
    return t.tile(stream.getBody().getArgument(1 + p.state)).base;
  };
  auto spare = [&](const MatrixProduct &p) {
    return place(layout.products[&p - roles.products.data()].spare);
  };
  auto isFull = [&](Value step) {
    return b.bitAnd(b.compare(CmpIPredicate::sge, step, fullLow),
                    b.compare(CmpIPredicate::slt, step, fullHigh));
  };
  setFull(isFull(low));
  for (const MatrixProduct &p : roles.products)
    if (!p.isLate)
      earlyOf(p, left(p, low), low, {}, nothing);
  enter(low);
  loads();
  showScores(low);
  if (reference)
    refer(low);
  else
    untilLastPhase(low);

  t.loop(low, last, 1, [&](Value step) {
    Value next = b.add(step, one);
    Value before = b.max(b.sub(step, one), low);
    // The step before the first one goes where nobody looks.
    Value isFirst = b.compare(CmpIPredicate::eq, step, low);
    SmallVector<Left> lefts;
    SmallVector<Value> targets;
    for (const MatrixProduct &p : roles.products) {
      lefts.push_back(left(p, p.isLate ? before : next));
      targets.push_back(p.isLate ? b.select(isFirst, spare(p), accumulator(p))
                                 : Value());
    }
    setFull(isFull(step));
    enter(step);
    showScores(step);
    if (reference)
      keep();
    byFull([&](bool isFull) {
      rowsBeside(step, isFull, next, before, lefts, targets);
    });
    emitAll(roles.lastOps);
    for (auto [p, at, to] : llvm::zip(roles.products, lefts, targets))
      if (p.isLate) {
        correct(p, at, before, to);
        if (!reference)
          repair(p);
      }
    if (reference)
      settleReference(step);
    moveStates();
    setFull(isFull(next));
    enter(next);
    loads();
    showScores(next);
    if (!reference)
      untilLastPhase(next);
  });

  // The last two late products and the last rows.
  setFull(isFull(last));
  enter(last);
  showScores(last);
  if (reference)
    keep();
  byFull(
      [&](bool isFull) { runPhase(rowPhase(lastPhase(), last, isFull)); });
  emitAll(roles.lastOps);
  Value before = b.max(b.sub(last, one), low);
  Value isFirst = b.compare(CmpIPredicate::eq, last, low);
  auto lateOne = [&](const MatrixProduct &p, Value step, Value to) {
    Left at = left(p, step);
    late(p, at, step, to, {}, nothing);
    correct(p, at, step, to);
  };
  for (const MatrixProduct &p : roles.products)
    if (p.isLate)
      lateOne(p, before, b.select(isFirst, spare(p), accumulator(p)));
  enter(last);
  if (reference)
    settleReference(last);
  for (const MatrixProduct &p : roles.products)
    if (p.isLate && !reference)
      repair(p);
  for (const MatrixProduct &p : roles.products)
    if (p.isLate)
      lateOne(p, last, accumulator(p));
  moveStates();
  if (reference)
    for (auto [value, state] : reference->kept)
      t.setTile(value, places[value]);
}
