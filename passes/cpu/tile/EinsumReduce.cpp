//===- EinsumReduce.cpp - einsums that reduce -------------------*- C++ -*-===//
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "passes/cpu/tile/Absence.h"
#include "passes/cpu/tile/Accumulate.h"
#include "passes/cpu/tile/EinsumEmitter.h"

using namespace mlir;
using namespace attn;
using namespace attn::cpu;
using arith::CmpIPredicate;

Type EinsumEmitter::accumulatorType() {
  Type element = op.getResult().getType().getElementType();
  return hasLanes() ? Type(t.vectorOf(element)) : element;
}

Value EinsumEmitter::identity() {
  Reduce kind = *op.getMonoid();
  Type type = accumulatorType();
  TypedAttr value = identityOf(kind, scalarType);
  if (auto real = dyn_cast<FloatAttr>(value))
    return b.real(type, real.getValueAsDouble());
  return b.integer(type, cast<IntegerAttr>(value).getInt());
}

Value EinsumEmitter::combine(Value sum, Scalar point) {
  Value next = accumulate(b, *op.getMonoid(), sum, point.value);
  if (!point.present)
    return next;
  // -inf is no maximum.
  bool free = *op.getMonoid() == Reduce::max &&
              aboveMinusInfinity(point.present) == point.value;
  return free ? next : b.select(point.present, next, sum);
}

/// Lane i is sum i over all of its lanes. Two vectors become one in a step: of
/// the lanes that differ in one bit, each has what its side's vector has.
Value EinsumEmitter::acrossLanes(ArrayRef<Value> sums) {
  bool counts = *op.getMonoid() == Reduce::count;
  auto join = [&](Value x, Value y) {
    return counts ? b.add(x, y) : combine(x, {y, {}, {}, false});
  };
  int64_t lanes = t.lanes();
  auto shuffle = [&](Value x, Value y, auto laneOf) -> Value {
    SmallVector<int64_t> picks;
    for (int64_t lane = 0; lane < lanes; ++lane)
      picks.push_back(laneOf(lane));
    return vector::ShuffleOp::create(b, x, y, picks);
  };
  int64_t count = llvm::PowerOf2Ceil(sums.size());
  Values rest(sums);
  rest.resize(count, sums.back());
  for (int64_t bit = count / 2; bit; bit /= 2)
    for (int64_t i = 0; i < bit; ++i) {
      Value x = rest[i], y = rest[i + bit];
      Value own = shuffle(
          x, y, [&](int64_t lane) { return lane & bit ? lanes + lane : lane; });
      Value other = shuffle(x, y, [&](int64_t lane) {
        return lane & bit ? lanes + lane - bit : lane + bit;
      });
      rest[i] = join(own, other);
    }
  Value sum = rest.front();
  for (int64_t bit = count; bit < lanes; bit *= 2)
    sum =
        join(sum, shuffle(sum, sum, [&](int64_t lane) { return lane ^ bit; }));
  return sum;
}

EinsumEmitter::Values EinsumEmitter::emitReduced(size_t next, Values sums,
                                                 Value lanesInside) {
  if (next == reduced.size()) {
    Cache cache;
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t c = 0; c < columns; ++c) {
        Scalar value = point({r, c}, cache);
        value.present = b.both(value.present, lanesInside);
        Value &sum = sums[r * columns + c];
        sum = combine(sum, value);
      }
    return sums;
  }
  int64_t dim = reduced[next];
  const Dim &d = dims[dim];
  auto walk = [&](Value low, Value high, int64_t step, bool partial) {
    sums = t.loop(low, high, step, sums, [&](Value counter, ValueRange in) {
      at[dim] = counter;
      Value inside = lanesInside;
      if (partial)
        inside = b.compare(CmpIPredicate::slt, coordinate(dim, {0, 0}).value,
                           b.convert(d.size, b.getI32Type()));
      return emitReduced(next + 1, Values(in), inside);
    });
  };
  if (dim != lane) {
    walk(b.i64(0), d.size, 1, false);
    return sums;
  }
  Value whole = b.bitAnd(d.size, b.i64(-t.lanes()));
  // A line of what streams from memory in each round.
  int64_t rounds = 1;
  for (const Operand &operand : operands)
    if (operand.tile.ahead && operand.isLast(lane))
      rounds = std::max(rounds, vectorsPerLine(operand));
  if (d.fixed < 0 || d.fixed % (rounds * t.lanes()))
    rounds = 1;
  sums = t.loop(b.i64(0), whole, rounds * t.lanes(), sums,
                [&](Value counter, ValueRange in) {
                  Values next(in);
                  for (int64_t round = 0; round < rounds; ++round) {
                    repetition = round;
                    at[dim] = b.add(counter, b.i64(round * t.lanes()));
                    next = emitReduced(reduced.size(), next, lanesInside);
                  }
                  repetition = 0;
                  return next;
                });
  if (d.fixed < 0 || d.fixed % t.lanes())
    walk(whole, d.size, t.lanes(), true);
  return sums;
}

/// What is in memory as it is accumulated.
Value EinsumEmitter::asAccumulator(Value value) {
  if (!op.getResult().getType().getElementType().isInteger(1))
    return value;
  return b.compare(CmpIPredicate::ne, value, b.integer(value.getType(), 0));
}

void EinsumEmitter::emitReduceBlock() {
  auto each = [&](llvm::function_ref<void(Place, size_t)> body) {
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t c = 0; c < columns; ++c)
        body({r, c}, r * columns + c);
  };
  Values sums(rows * columns);
  if (multiples)
    return storeAcrossLanes(emitIntegerSums());
  each([&](Place place, size_t i) {
    sums[i] = init && !lanesReduced()
                  ? asAccumulator(loadOperand(*init, init->tile.base,
                                              init->tile.element, place))
                  : identity();
  });
  sums = emitReduced(0, sums, {});
  if (lanesReduced())
    return storeAcrossLanes(sums);
  each([&](Place place, size_t i) {
    storeResult(place, toResult({sums[i], {}, {}, false}), {});
  });
}

/// The block's sums over their lanes, stored in runs of points that are
/// neighbours in the result.
void EinsumEmitter::storeAcrossLanes(ArrayRef<Value> sums) {
  int64_t along = result.isLast(row) ? row : column;
  if (!result.isLast(along) || (init && !init->isLast(along)))
    along = -1;
  struct Run {
    Place place;
    Values sums;
  };
  SmallVector<Run> runs;
  auto add = [&](Place place, bool isNext) {
    if (!isNext || int64_t(runs.back().sums.size()) == t.lanes())
      runs.push_back({place, {}});
    runs.back().sums.push_back(sums[place.row * columns + place.column]);
  };
  if (along == row)
    for (int64_t c = 0; c < columns; ++c)
      for (int64_t r = 0; r < rows; ++r)
        add({r, c}, r > 0);
  else
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t c = 0; c < columns; ++c)
        add({r, c}, c > 0 && along >= 0);

  for (size_t first = 0, last; first < runs.size(); first = last) {
    Values together;
    for (last = first; last < runs.size(); ++last) {
      if (int64_t(together.size() + runs[last].sums.size()) > t.lanes())
        break;
      llvm::append_range(together, runs[last].sums);
    }
    Value whole = acrossLanes(together);
    int64_t lane = 0;
    for (const Run &run : ArrayRef(runs).slice(first, last - first)) {
      storeRun(run.place, whole, lane, run.sums.size());
      lane += run.sums.size();
    }
  }
}

/// `count` lanes of `whole` from `lane` on are the points from `place` on.
void EinsumEmitter::storeRun(Place place, Value whole, int64_t lane,
                             int64_t count) {
  Value sum;
  if (count == 1) {
    sum = LLVM::ExtractElementOp::create(b, whole, b.i64(lane));
  } else {
    auto picks = llvm::to_vector(llvm::seq(lane, lane + count));
    sum = vector::ShuffleOp::create(b, whole, whole, picks);
  }
  if (multiples)
    sum = withUnits(sum, place);
  if (init) {
    Type element = init->tile.element;
    Type type = count == 1 ? element : VectorType::get({count}, element);
    Values coordinates;
    for (unsigned dim : init->dims)
      coordinates.push_back(scalarCoordinate(dim, place));
    Value start =
        t.load(type, init->tile.base,
               TileLowering::offset(b, coordinates, init->tile.strides));
    start = asAccumulator(start);
    sum = *op.getMonoid() == Reduce::count
              ? b.add(sum, start)
              : combine(start, {sum, {}, {}, false});
  }
  storeResult(place, toResult({sum, {}, {}, false}), {});
}
