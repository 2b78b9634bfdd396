//===- Pipeline.cpp - steps of several points side by side ------*- C++ -*-===//
#include "passes/cpu/matrix/Pipeline.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace attn;
using namespace attn::cpu;
using arith::CmpIPredicate;

//===----------------------------------------------------------------------===//
// Which step is next
//===----------------------------------------------------------------------===//

/// Of a point, what is in our part of the stream.
MatrixStream::Range MatrixPipeline::range(Value point) {
  auto range = MatrixStream::rangeAt(b, roles, points.memory(point));
  auto clip = [&](Value x) { return b.min(b.max(x, low), high); };
  range.low = clip(range.low);
  range.high = clip(range.high);
  return range;
}

/// The first step of `point` or of the first one after it that has any.
MatrixPipeline::Item MatrixPipeline::firstFrom(Value point, Item otherwise) {
  Type i64 = b.getI64Type();
  auto loop = scf::WhileOp::create(
      b, TypeRange{i64, i64}, ValueRange{point, otherwise.step},
      [&](OpBuilder &, Location, ValueRange in) {
        Value inside = b.compare(CmpIPredicate::slt, in[0], points.count);
        // Beyond the last point nothing is read.
        Value at = b.select(inside, in[0], b.i64(0));
        MatrixStream::Range range = this->range(at);
        Value empty = b.compare(CmpIPredicate::sge, range.low, range.high);
        scf::ConditionOp::create(b, b.bitAnd(inside, empty),
                                 ValueRange{in[0], range.low});
      },
      [&](OpBuilder &, Location, ValueRange in) {
        scf::YieldOp::create(b, ValueRange{b.add(in[0], b.i64(1)), in[1]});
      });
  Value found = b.compare(CmpIPredicate::slt, loop.getResult(0), points.count);
  return {b.select(found, loop.getResult(0), otherwise.point),
          b.select(found, loop.getResult(1), otherwise.step)};
}

/// After the last one comes the last one again.
MatrixPipeline::Item MatrixPipeline::after(Item item) {
  Value step = b.add(item.step, b.i64(1));
  Value more = b.compare(CmpIPredicate::slt, step, range(item.point).high);
  Values next = b.ifElse(
      more, [&]() -> Values { return {item.point, step}; },
      [&]() -> Values {
        Item other = firstFrom(b.add(item.point, b.i64(1)), item);
        return {other.point, other.step};
      });
  return {next[0], next[1]};
}

//===----------------------------------------------------------------------===//
// A step
//===----------------------------------------------------------------------===//

void MatrixStream::rowsBeside(bool isFull, ArrayRef<Beside> products) {
  RowPhase phase = rowPhase(lastPhase(), isFull, reference.has_value());
  Values sums = phase.begin();
  int64_t share = pairsOfQuad(roles), quadsBefore = 0;
  for (const Beside &x : products) {
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
    const MatrixProduct &p = *x.product;
    sums = p.isLate ? late(p, x.left, x.right, x.to, sums, slice)
                    : earlyAt(x.turn, p, x.left, x.right, sums, slice);
    quadsBefore += quadsOf(p);
  }
  if (int64_t pairs = roles.rows / 2; share * quadsBefore < pairs)
    sums = phase.pairs(b.i64(share * quadsBefore), b.i64(pairs), sums,
                       [this](Value pair) { seek(pair); });
  phase.end(sums);
}

void MatrixPipeline::emitStep(Value turn, Item before, Item item, Item next) {
  MatrixStream &past = points.stream(before.point);
  MatrixStream &coming = points.stream(next.point);
  MatrixStream &now = points.stream(item.point);
  Value one = b.i64(1), lastTurn = b.sub(turn, one);
  // The step before the first one goes where nobody looks.
  Value isFirst = b.compare(CmpIPredicate::eq, turn, b.i64(0));
  SmallVector<MatrixStream::Beside> products;
  for (const MatrixProduct &p : roles.products)
    if (p.isLate)
      products.push_back(
          {&p, past.left(p, before.step), past.factor(p, lastTurn), Value(),
           b.select(isFirst, past.spare(p), past.accumulator(p))});
    else
      products.push_back({&p, coming.left(p, next.step), coming.right(p),
                          b.add(turn, one), Value()});

  auto range = MatrixStream::rangeAt(b, roles, points.memory(item.point));
  now.turn = turn;
  now.setFull(
      b.bitAnd(b.compare(CmpIPredicate::sge, item.step, range.fullLow),
               b.compare(CmpIPredicate::slt, item.step, range.fullHigh)));
  now.enter(item.step);
  now.loads();
  now.showScores();
  if (now.reference) {
    b.ifThen(b.compare(CmpIPredicate::eq, item.step, range.low),
             [&] { now.refer(); });
    now.showScores();
    now.keep();
  } else {
    now.untilLastPhase();
  }
  now.byFull([&](bool isFull) { now.rowsBeside(isFull, products); });
  now.emitAll(roles.lastOps);
  for (const MatrixStream::Beside &x : products)
    if (x.product->isLate) {
      past.correct(*x.product, x.left, x.right, before.step, x.to);
      if (!now.reference)
        now.repair(*x.product);
    }
  if (now.reference)
    now.settleReference(item.step);
  now.moveStates();
}

//===----------------------------------------------------------------------===//
// All steps
//===----------------------------------------------------------------------===//

void MatrixPipeline::emit(Value from, Value to) {
  low = from;
  high = to;
  Value none = b.i64(0), one = b.i64(1);
  Value total = code.loop(none, points.count, 1, {none},
                          [&](Value point, ValueRange in) -> Values {
                            MatrixStream::Range range = this->range(point);
                            Value steps =
                                b.max(b.sub(range.high, range.low), none);
                            return {b.add(in[0], steps)};
                          })
                    .front();
  b.ifThen(b.compare(CmpIPredicate::sgt, total, none), [&] {
    Item first = firstFrom(none, {none, none});
    MatrixStream &start = points.stream(first.point);
    for (const MatrixProduct &p : roles.products)
      if (!p.isLate)
        start.earlyAt(none, p, start.left(p, first.step), start.right(p), {},
                      MatrixStream::nothing);
    Values last = code.loop(
        none, total, 1, {first.point, first.step, first.point, first.step},
        [&](Value turn, ValueRange in) -> Values {
          Item before{in[0], in[1]}, item{in[2], in[3]}, next = after(item);
          emitStep(turn, before, item, next);
          return {item.point, item.step, next.point, next.step};
        });
    MatrixStream &end = points.stream(last[0]);
    for (const MatrixProduct &p : roles.products)
      if (p.isLate) {
        auto left = end.left(p, last[1]);
        Value right = end.factor(p, b.sub(total, one)), to = end.accumulator(p);
        end.late(p, left, right, to, {}, MatrixStream::nothing);
        end.correct(p, left, right, last[1], to);
      }
  });
}
