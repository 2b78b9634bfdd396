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
  auto range = MatrixStream::rangeAt(b, points.memory(point));
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

/// Rows of more operations than this fill the time of half a quad by
/// themselves: code is kept small where it does not matter which products they
/// are beside.
constexpr int64_t longRows = 900;
/// Operations of rows in line, longer ones are a loop.
constexpr int64_t mostInLine = 900;

void MatrixStream::rowsBeside(bool isFull, Value step,
                              ArrayRef<Beside> products) {
  bool fused = reference && !roles.hasPieces();
  RowPhase phase = rowPhase(lastPhase(), isFull, fused);
  const StepOrder &order = layout.order;
  Values start = phase.begin();
  int64_t size = phase.sizeOfPair(start);
  // Half of the rows after each half of a quad, if there are enough.
  bool halves = order.pairs >= 4;
  int64_t count = halves ? order.pairs / 2 : order.pairs;
  bool isLong = size * count > longRows;
  int64_t inLine = count;
  if (isLong && isFull) {
    inLine = std::clamp<int64_t>(mostInLine / size, 1, count);
    while (count % inLine)
      --inLine;
  } else if (isLong) {
    // Steps that lack points are few.
    halves = false;
    inLine = 1;
  }
  auto rowsThere = [&](Value at, Values carried) {
    for (int64_t i = 0; i < inLine; ++i) {
      Value pair = b.add(at, b.i64(i));
      if (i == 0 || Ring::rows / 2 % order.pairs)
        seek(pair);
      carried = phase.pair(pair, carried);
    }
    return carried;
  };
  // Where none of several rows is there, products get nothing of them.
  Range range = rangeAt(b, point);
  Value begin = b.mul(step, b.i64(roles.rows));
  auto rows = [&](Value at, Values carried) {
    if (isFull)
      return rowsThere(at, std::move(carried));
    Value first = b.add(begin, b.mul(at, b.i64(2)));
    Value isThere =
        b.bitAnd(b.compare(CmpIPredicate::slt, first, range.to),
                 b.compare(CmpIPredicate::sgt, b.add(first, b.i64(2 * inLine)),
                           range.from));
    return b.ifElse(
        isThere, [&] { return rowsThere(at, carried); },
        [&] {
          for (int64_t i = 0; i < inLine; ++i)
            phase.absentPair(b.add(at, b.i64(i)));
          return carried;
        });
  };
  // Short rows that are all there: a few vectors beside each part of a quad,
  // for the machine has room for no more than four products that wait.
  bool isFine = isFull && !isLong;
  auto vectors = [&](Value at, int64_t part, int64_t parts, Values carried) {
    int64_t count = order.pairs * RowPhase::vectors;
    for (int64_t i = count * part / parts; i < count * (part + 1) / parts;
         ++i) {
      Value pair = b.add(at, b.i64(i / RowPhase::vectors));
      seek(pair);
      carried = phase.pair(pair, i % RowPhase::vectors, std::move(carried));
    }
    return carried;
  };
  auto round = [&](Value number, ValueRange in) {
    Values sums(in);
    Value before = b.mul(number, b.i64(order.quads));
    for (const Beside &x : products) {
      int64_t parts = partsOf(*x.product);
      auto slice = [&](Value quad, int64_t part, Values carried) {
        Value first = b.mul(b.add(before, quad), b.i64(order.pairs));
        if (isFine)
          return vectors(first, part, parts, carried);
        bool isMiddle = part + 1 == parts / 2, isEnd = part + 1 == parts;
        if (!isEnd && !(isMiddle && halves))
          return carried;
        int64_t low = 0, high = order.pairs;
        if (halves)
          (isEnd ? low : high) = order.pairs / 2;
        if (high - low == inLine)
          return rows(b.add(first, b.i64(low)), carried);
        return t.loop(b.add(first, b.i64(low)), b.add(first, b.i64(high)),
                      inLine, carried, [&](Value at, ValueRange in) {
                        return rows(at, Values(in));
                      });
      };
      const MatrixProduct &p = *x.product;
      int64_t count = p.columns / Ring::rows / order.rounds;
      Slice beside = {slice, isLong};
      sums = p.isLate ? late(p, b.mul(number, b.i64(count)), count, x.left,
                             x.right, x.to, x.isFirst, sums, beside)
                      : earlyBeside(x, number, sums, beside);
      before = b.add(before, b.i64(quadsOf(p) / order.rounds));
    }
    return sums;
  };
  Values sums = isLong ? Values() : noneWaiting();
  llvm::append_range(sums, start);
  sums = t.loop(b.i64(0), b.i64(order.rounds), 1, sums, round);
  if (!isLong) {
    storeWaiting(sums);
    sums.erase(sums.begin(), sums.begin() + numWaiting);
  }
  if (int64_t done = order.pairs * order.quads * order.rounds;
      done < allPairs())
    sums = phase.pairs(b.i64(done), b.i64(allPairs()), sums,
                       [this](Value pair) { seek(pair); });
  phase.end(sums);
}

/// Where the rows of early products are, for a step to come.
MatrixPipeline::Values MatrixPipeline::leftsOf(Item item, Value turn) {
  MatrixStream &stream = points.stream(item.point);
  Values result;
  for (const MatrixProduct &p : roles.products)
    if (!p.isLate) {
      MatrixStream::Left left = stream.left(p, item.step, turn);
      result.append({left.pointer, left.stride});
    }
  return result;
}

/// `lefts` and `coming` are of the rows' step and of the next one.
void MatrixPipeline::emitStep(Value turn, Item before, Item item, Item next,
                              ValueRange lefts, ValueRange comingLefts) {
  MatrixStream &past = points.stream(before.point);
  MatrixStream &coming = points.stream(next.point);
  MatrixStream &now = points.stream(item.point);
  Value lastTurn = b.sub(turn, b.i64(1));
  // The step before the first one goes where nobody looks.
  Value isFirst = b.compare(CmpIPredicate::eq, turn, b.i64(0));
  SmallVector<MatrixStream::Beside> products;
  unsigned number = 0;
  for (const MatrixProduct &p : roles.products) {
    if (p.isLate) {
      products.push_back({&p,
                          {},
                          Value(),
                          past.left(p, before.step, lastTurn),
                          past.factor(p, lastTurn),
                          b.select(isFirst, past.spare(p), past.accumulator(p)),
                          past.isFirst(p, before.step)});
      continue;
    }
    auto at = [&](ValueRange all) -> MatrixStream::Left {
      return {all[2 * number], all[2 * number + 1], {}};
    };
    products.push_back({&p, at(lefts), now.right(p), at(comingLefts),
                        coming.right(p), Value(), Value()});
    ++number;
  }

  auto range = MatrixStream::rangeAt(b, points.memory(item.point));
  now.turn = turn;
  now.setFull(
      b.bitAnd(b.compare(CmpIPredicate::sge, item.step, range.fullLow),
               b.compare(CmpIPredicate::slt, item.step, range.fullHigh)));
  now.enter(item.step);
  now.loads();
  now.showScores();
  if (now.reference) {
    b.ifThen(b.compare(CmpIPredicate::eq, item.step, range.low),
             [&] { now.referFirst(item.step); });
    now.enter(item.step);
    now.showScores();
    now.keep();
  } else {
    now.untilLastPhase();
  }
  now.byFull([&](bool isFull) { now.rowsBeside(isFull, item.step, products); });
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
  Value total =
      code.scalarLoop(none, points.count, {none},
                      [&](Value point, ValueRange in) -> Values {
                        MatrixStream::Range range = this->range(point);
                        Value steps = b.max(b.sub(range.high, range.low), none);
                        return {b.add(in[0], steps)};
                      })
          .front();
  b.ifThen(b.compare(CmpIPredicate::sgt, total, none), [&] {
    Item first = firstFrom(none, {none, none});
    MatrixStream &start = points.stream(first.point);
    Values carried = {first.point, first.step, first.point, first.step};
    llvm::append_range(carried, leftsOf(first, none));
    unsigned number = 4;
    for (const MatrixProduct &p : roles.products)
      if (!p.isLate) {
        start.earlyAhead(p, {carried[number], carried[number + 1], {}});
        number += 2;
      }
    Values last = code.loop(
        none, total, 1, carried, [&](Value turn, ValueRange in) -> Values {
          Item before{in[0], in[1]}, item{in[2], in[3]}, next = after(item);
          Values coming = leftsOf(next, b.add(turn, one));
          emitStep(turn, before, item, next, in.drop_front(4), coming);
          Values result = {item.point, item.step, next.point, next.step};
          llvm::append_range(result, coming);
          return result;
        });
    MatrixStream &end = points.stream(last[0]);
    for (const MatrixProduct &p : roles.products)
      if (p.isLate) {
        Value turn = b.sub(total, one);
        auto left = end.left(p, last[1], turn);
        Value right = end.factor(p, turn), to = end.accumulator(p);
        end.late(p, none, p.columns / Ring::rows, left, right, to,
                 end.isFirst(p, last[1]), {}, MatrixStream::nothing());
        end.correct(p, left, right, last[1], to);
      }
  });
}
