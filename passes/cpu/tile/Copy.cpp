//===- Copy.cpp - boxes of tensors, loads and stores ------------*- C++ -*-===//
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "passes/cpu/Formats.h"
#include "passes/cpu/tile/Index.h"
#include "passes/cpu/tile/TileCopy.h"

using namespace mlir;
using namespace attn;
using namespace attn::cpu;
using arith::CmpIPredicate;

//===----------------------------------------------------------------------===//
// Where the tile lies
//===----------------------------------------------------------------------===//

void TileCopy::analyse() {
  Block &block = indices.front();
  ValueRange yielded = block.back().getOperands();
  for (auto [j, index] : llvm::enumerate(yielded)) {
    SmallVector<int64_t> row;
    unsigned moving = 0;
    for (auto [axis, argument] : llvm::enumerate(block.getArguments())) {
      auto factor = coefficient(index, argument);
      isBox &= factor.has_value() && *factor >= 0;
      row.push_back(factor.value_or(0));
      moving += row.back() != 0;
      if (j + 1 == yielded.size() && factor == 1)
        inner = axis;
    }
    isBox &= moving <= 1;
    factors.push_back(row);
  }
  // Two elements share a byte: no row is copied as a whole.
  isBox &= storedBits(s.element) != 4;
}

TileCopy::Values TileCopy::indicesAt(ValueRange coordinates, Value &present) {
  TileRegion region(b, t.outside, b.getF32Type(), t.full);
  region.capture(t.scalars, indices);
  Block &block = indices.front();
  for (auto [argument, coordinate] :
       llvm::zip(block.getArguments(), coordinates))
    region.bindCoordinate(argument, coordinate);
  Values values;
  for (const Scalar &index : region.emit(block)) {
    values.push_back(wideInteger(b, index));
    present = b.both(present, index.present);
  }
  return values;
}

void TileCopy::locate() {
  Value zero = b.i64(0), present;
  Values first = indicesAt(Values(axes(), zero), present);
  origin = TileLowering::offset(b, first, s.strides);
  Value any = present ? present : b.boolean(true);
  low.assign(axes(), zero);
  high = tile.sizes;
  steps.assign(axes(), zero);
  for (size_t j = 0; j < tensor; ++j) {
    auto moving = llvm::find_if(factors[j], [](int64_t f) { return f != 0; });
    if (moving == factors[j].end()) {
      any = b.bitAnd(
          any, b.bitAnd(b.compare(CmpIPredicate::sge, first[j], zero),
                        b.compare(CmpIPredicate::slt, first[j], s.extents[j])));
      continue;
    }
    size_t axis = moving - factors[j].begin();
    Value factor = b.i64(*moving);
    auto stepsTo = [&](Value distance) -> Value {
      return b.max(b.createOrFold<arith::CeilDivSIOp>(distance, factor), zero);
    };
    low[axis] = b.max(low[axis], stepsTo(b.sub(zero, first[j])));
    high[axis] = b.min(high[axis], stepsTo(b.sub(s.extents[j], first[j])));
    steps[axis] = b.add(steps[axis], b.mul(s.strides[j], factor));
  }
  inside = any;
  for (size_t axis = 0; axis < axes(); ++axis) {
    inside = b.bitAnd(inside, equal(low[axis], 0));
    inside = b.bitAnd(
        inside, b.compare(CmpIPredicate::eq, high[axis], tile.sizes[axis]));
    high[axis] = b.select(any, high[axis], low[axis]);
  }
  if (!axes())
    low.push_back(zero), high.push_back(b.select(any, b.i64(1), zero));
}

Value TileCopy::tensorOffset(ArrayRef<Value> at) {
  return b.add(origin, TileLowering::offset(b, at, steps));
}

//===----------------------------------------------------------------------===//
// Elements
//===----------------------------------------------------------------------===//

Value TileCopy::rawLoad(Value offset, bool vector) {
  Type type = rawType(b.target, s.element);
  return t.load(vector ? Type(t.vectorOf(type)) : type, s.base, offset);
}

void TileCopy::rawStore(Value raw, Value offset) {
  t.store(raw, s.base, offset);
}

Value TileCopy::zeroInTile() {
  return isa<FloatType>(tile.element) ? b.real(tile.element, 0)
                                      : b.integer(tile.element, 0);
}

/// What the tile's memory holds, as a value, and back.
Value TileCopy::fromTile(Value raw) {
  if (!computeType().isInteger(1))
    return raw;
  return b.compare(CmpIPredicate::ne, raw, b.integer(raw.getType(), 0));
}
Value TileCopy::toTile(Value value) {
  if (!computeType().isInteger(1))
    return value;
  return arith::ExtUIOp::create(b, b.like(value.getType(), b.getI8Type()),
                                value);
}

static Value asBytes(CodeBuilder &b, Value flags) {
  return arith::ExtUIOp::create(b, b.like(flags.getType(), b.getI8Type()),
                                flags);
}

/// A value (or vector) into the tensor at `offset`; null `present`: present.
void TileCopy::storeCode(Value value, Value present, Value offset) {
  Value code = encode(b, s.element, value);
  if (present)
    code = b.select(present, code, absentFill(b, s.element));
  rawStore(code, offset);
  if (!s.presence)
    return;
  Type bytes = b.like(value.getType(), b.getI8Type());
  t.store(present ? asBytes(b, b.splat(present, bytes)) : b.integer(bytes, 1),
          s.presence, offset);
}

void TileCopy::transfer(Value inTile, Value inTensor, bool vector) {
  auto shaped = [&](Type type) {
    return vector ? Type(t.vectorOf(type)) : type;
  };
  if (!isLoad) {
    Value value = fromTile(t.load(shaped(tile.element), tile.base, inTile));
    Value present;
    if (tile.isMasked()) {
      Value bytes = t.load(shaped(b.getI8Type()), tile.mask, inTile);
      present =
          b.compare(CmpIPredicate::ne, bytes, b.integer(bytes.getType(), 0));
    }
    return storeCode(value, present, inTensor);
  }
  Value value = rawLoad(inTensor, vector);
  if (!tile.codes)
    value = toTile(decode(b, s.element, value, computeType()));
  t.store(value, tile.base, inTile);
  if (!tile.isMasked())
    return;
  Type bytes = shaped(b.getI8Type());
  t.store(s.presence ? t.load(bytes, s.presence, inTensor)
                     : b.integer(bytes, 1),
          tile.mask, inTile);
}

//===----------------------------------------------------------------------===//
// Boxes
//===----------------------------------------------------------------------===//

void TileCopy::emitPoints(ArrayRef<Value> from, ArrayRef<Value> to) {
  t.nest(from, to, [&](ArrayRef<Value> at) {
    if (!axes())
      at = {};
    transfer(tileOffset(at), tensorOffset(at), false);
  });
}

void TileCopy::emitRows(ArrayRef<Value> from, ArrayRef<Value> to) {
  Value first = from.back(), last = to.back();
  t.nest(from.drop_back(), to.drop_back(), [&](ArrayRef<Value> outer) {
    auto point = [&](Value lane, bool vector) {
      Values at(outer);
      at.push_back(lane);
      transfer(tileOffset(at), tensorOffset(at), vector);
    };
    Value whole = b.add(first, b.bitAnd(b.sub(last, first), b.i64(-t.lanes())));
    t.loop(first, whole, t.lanes(), [&](Value lane) { point(lane, true); });
    t.scalarLoop(whole, last, {}, [&](Value lane, ValueRange) {
      point(lane, false);
      return Values();
    });
  });
}

void cpu::transpose(CodeBuilder &b, MutableArrayRef<Value> rows) {
  int64_t n = rows.size();
  for (int64_t step = n / 2; step; step /= 2) {
    SmallVector<int64_t> upper, lower;
    for (int64_t lane = 0; lane < n; ++lane) {
      upper.push_back(lane & step ? n + lane - step : lane);
      lower.push_back(lane & step ? n + lane : lane + step);
    }
    for (int64_t i = 0; i < n; ++i) {
      if (i & step)
        continue;
      Value x = rows[i], y = rows[i + step];
      rows[i] = vector::ShuffleOp::create(b, x, y, upper);
      rows[i + step] = vector::ShuffleOp::create(b, x, y, lower);
    }
  }
}

/// Of two vectors of 16 codes of 16 bits, pairs as words.
static Value interleaved(CodeBuilder &b, Value even, Value odd) {
  auto halves = VectorType::get({16}, b.getI16Type());
  SmallVector<int64_t> order;
  for (int64_t i = 0; i < 16; ++i)
    order.append({i, 16 + i});
  Value pairs = vector::ShuffleOp::create(
      b, vector::BitCastOp::create(b, halves, even),
      vector::BitCastOp::create(b, halves, odd), order);
  return vector::BitCastOp::create(b, VectorType::get({16}, b.getI32Type()),
                                   pairs);
}

void TileCopy::emitTransposed(ArrayRef<Value> from, ArrayRef<Value> to) {
  size_t last = axes() - 1, along = *inner;
  int64_t lanes = t.lanes();
  // Codes of 16 bits are stored in pairs: half as many words to turn.
  bool inPairs = !isLoad && lanes == 16 &&
                 rawType(b.target, s.element).getIntOrFloatBitWidth() == 16;
  int64_t length = inPairs ? 2 * lanes : lanes;
  auto split = [&](size_t axis, int64_t size) {
    Value whole = b.bitAnd(b.sub(to[axis], from[axis]), b.i64(-size));
    return b.add(from[axis], whole);
  };
  Value middle = split(along, length), middleLast = split(last, lanes);
  // Whole blocks of lanes x lanes: vectors along `along` in the tensor, along
  // the last axis in the tile.
  SmallVector<size_t> others;
  Values othersLow, othersHigh;
  for (size_t axis = 0; axis < last; ++axis)
    if (axis != along) {
      others.push_back(axis);
      othersLow.push_back(from[axis]);
      othersHigh.push_back(to[axis]);
    }
  t.nest(othersLow, othersHigh, [&](ArrayRef<Value> outer) {
    Values at(axes());
    for (auto [axis, coordinate] : llvm::zip(others, outer))
      at[axis] = coordinate;
    t.loop(from[along], middle, length, [&](Value i) {
      t.loop(from[last], middleLast, lanes, [&](Value j) {
        at[along] = i;
        at[last] = j;
        Value inTile = tileOffset(at), inTensor = tensorOffset(at);
        auto place = [&](Value start, Value step, int64_t k) {
          return b.add(start, b.mul(step, b.i64(k)));
        };
        auto fromTensor = [&](int64_t k) {
          return toTile(decode(b, s.element,
                               rawLoad(place(inTensor, steps[last], k), true),
                               computeType()));
        };
        auto inTileAt = [&](int64_t k) {
          return t.load(t.vectorOf(tile.element), tile.base,
                        place(inTile, tile.strides[along], k));
        };
        auto pairAt = [&](int64_t k) {
          return interleaved(b, encode(b, s.element, inTileAt(2 * k)),
                             encode(b, s.element, inTileAt(2 * k + 1)));
        };
        Type halves = VectorType::get({2 * lanes}, b.getI16Type());
        SmallVector<Value> rows;
        for (int64_t k = 0; k < lanes; ++k)
          rows.push_back(isLoad    ? fromTensor(k)
                         : inPairs ? pairAt(k)
                                   : inTileAt(k));
        transpose(b, rows);
        for (auto [k, row] : llvm::enumerate(rows)) {
          Value there = place(inTensor, steps[last], k);
          if (isLoad)
            t.store(row, tile.base, place(inTile, tile.strides[along], k));
          else if (inPairs)
            rawStore(vector::BitCastOp::create(b, halves, row), there);
          else
            storeCode(fromTile(row), {}, there);
        }
      });
    });
  });
  // The ragged ends.
  Values restLow(from), restHigh(to);
  restLow[along] = middle;
  emitPoints(restLow, restHigh);
  restLow[along] = from[along];
  restHigh[along] = middle;
  restLow[last] = middleLast;
  emitPoints(restLow, restHigh);
}

void TileCopy::emitBox(ArrayRef<Value> from, ArrayRef<Value> to) {
  if (!inner || !axes())
    return emitPoints(from, to);
  bool rows = *inner + 1 == axes();
  // Masks and presence go element by element where rows do not line up.
  if (!rows && (tile.isMasked() || s.presence))
    return emitPoints(from, to);
  b.ifElse(
      equal(steps[*inner], 1),
      [&] {
        rows ? emitRows(from, to) : emitTransposed(from, to);
        return Values();
      },
      [&] {
        emitPoints(from, to);
        return Values();
      });
}

/// The element at `index`, however it is stored.
void TileCopy::transferPoint(Value inTile, ArrayRef<Value> index) {
  if (isLoad) {
    Scalar scalar = StorageMap::load(b, s, index, computeType());
    Value value = scalar.value;
    if (isa<FloatType>(value.getType()))
      value = b.convert(value, computeType());
    t.store(toTile(value), tile.base, inTile);
    if (tile.isMasked())
      t.store(scalar.present ? asBytes(b, scalar.present)
                             : b.integer(b.getI8Type(), 1),
              tile.mask, inTile);
    return;
  }
  Scalar scalar{fromTile(t.load(tile.element, tile.base, inTile)), {}, {}};
  if (tile.isMasked()) {
    Value byte = t.load(b.getI8Type(), tile.mask, inTile);
    scalar.present =
        b.compare(CmpIPredicate::ne, byte, b.integer(byte.getType(), 0));
  }
  StorageMap::store(b, s, index, scalar);
}

//===----------------------------------------------------------------------===//
// Loads and stores
//===----------------------------------------------------------------------===//

void TileCopy::keepCodes() {
  if (!lineUp() || s.presence || (!isBox && !tile.rows))
    return;
  tile.codes = s.element;
  tile.element = rawType(b.target, s.element);
}

void TileCopy::emitLoad(Value result, bool viewable) {
  Value zero = zeroInTile();
  if (!isBox && lineUp() && storedBits(s.element) != 4) {
    bool stays = viewable && tile.rows && !s.presence &&
                 (tile.codes || computeType() == s.element);
    if (stays)
      loadByRows(result.getDefiningOp<tile::LoadOp>());
    else
      tile.rows = {}, emitRowCopies();
    return t.setTile(result, tile);
  }
  tile.rows = {};
  if (!isBox) {
    t.fill(tile, zero, false);
    emitGather();
    return t.setTile(result, tile);
  }
  locate();
  auto copy = [&] {
    Values none(low.size(), b.i64(0));
    // A transposition is much code: once for both cases.
    if (inner && axes() && *inner + 1 != axes()) {
      b.ifThen(b.bitNot(inside), [&] { t.fill(tile, zero, false); });
      return emitBox(low, high);
    }
    b.ifElse(
        inside,
        [&] {
          emitBox(none, tile.sizes.empty() ? high : Values(tile.sizes));
          return Values();
        },
        [&] {
          t.fill(tile, zero, false);
          emitBox(low, high);
          return Values();
        });
  };
  if (viewable && !s.presence && (tile.codes || computeType() == s.element)) {
    // The tensor itself serves, if whole vectors of it may be read.
    Value aligned = equal(b.bitAnd(tile.sizes.back(), b.i64(t.lanes() - 1)), 0);
    Value view = b.bitAnd(inside, b.bitAnd(equal(steps.back(), 1), aligned));
    b.ifElse(
        view, [] { return Values(); },
        [&] {
          copy();
          return Values();
        });
    Value there = b.gep(tile.element, s.base, b.select(view, origin, b.i64(0)));
    tile.base = b.select(view, there, tile.base);
    for (auto [stride, step] : llvm::zip(tile.strides, steps))
      stride = b.select(view, step, stride);
    tile.strides.back() = b.i64(1);
    auto load = result.getDefiningOp<tile::LoadOp>();
    if (isa<tile::StreamOp>(load->getParentOp()) && axes() > 1 &&
        isReadOnce(load))
      tile.ahead = b.mul(tile.sizes.front(), tile.strides.front());
    return t.setTile(result, tile);
  }
  copy();
  if (tile.isMasked())
    tile.whole = s.presence ? b.boolean(false) : inside;
  t.setTile(result, tile);
}

void TileCopy::emitStore() {
  auto copy = [&] {
    if (!isBox)
      return emitGather();
    locate();
    emitBox(low, high);
  };
  if (!tile.isMasked())
    return copy();
  Value whole = tile.whole;
  Tile unmasked = tile;
  unmasked.mask = {};
  b.ifElse(
      whole,
      [&] {
        TileCopy(t, s, unmasked, indices, isLoad).emitStore();
        return Values();
      },
      [&] {
        copy();
        return Values();
      });
}

void cpu::emitTileLoad(TileLowering &t, tile::LoadOp op, bool mayView) {
  const Storage &s = t.outside.storage(op.getTensor());
  TileCopy copy(t, s, t.buffer(op.getResult()), op.getIndices(), true);
  bool codes = mayView && mayKeepCodes(op, s.element);
  if (codes)
    copy.keepCodes();
  copy.emitLoad(op.getResult(), mayView && (mayBeView(op, s.element) || codes));
}

void cpu::emitTileStore(TileLowering &t, tile::StoreOp op) {
  const Storage &s = t.outside.result(op.getResult());
  TileCopy(t, s, t.tile(op.getTile()), op.getIndices(), false).emitStore();
}
