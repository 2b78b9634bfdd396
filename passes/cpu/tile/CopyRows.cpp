//===- CopyRows.cpp - rows of tiles by their addresses ----------*- C++ -*-===//
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "passes/cpu/tile/TileCopy.h"

using namespace mlir;
using namespace attn;
using namespace attn::cpu;
using arith::CmpIPredicate;

/// Is each of the first axes' indices one of its places?
Value TileCopy::isInside(ArrayRef<Value> indices) {
  Value inside;
  for (auto [i, extent] : llvm::zip_first(indices, s.extents)) {
    inside = b.both(inside, b.compare(CmpIPredicate::sge, i, b.i64(0)));
    inside = b.both(inside, b.compare(CmpIPredicate::slt, i, extent));
  }
  return inside;
}

/// What is in the tensor of each row, into the tile; zeros for the rest.
void TileCopy::emitRowCopies() {
  Values from(axes() - 1, b.i64(0));
  Value size = tile.sizes.back(), zero = b.i64(0);
  t.nest(from, ArrayRef(tile.sizes).drop_back(), [&](ArrayRef<Value> outer) {
    Values at(outer);
    at.push_back(zero);
    Value present;
    Values index = indicesAt(at, present);
    present = b.both(present, isInside(ArrayRef(index).drop_back()));
    Value inTile = tileOffset(at), start = index.back();
    Value inTensor = StorageMap::offset(b, s, index);
    auto clip = [&](Value x) { return b.min(b.max(x, zero), size); };
    Value low = clip(b.sub(zero, start));
    Value high = clip(b.sub(s.extents.back(), start));
    if (present)
      high = b.select(present, high, zero);
    high = b.max(low, high);
    auto copy = [&](Value lane, bool vector) {
      transfer(b.add(inTile, lane),
               b.add(inTensor, b.mul(lane, s.strides.back())), vector);
    };
    auto clear = [&](Value lane) {
      Value place = b.add(inTile, lane);
      t.store(zeroInTile(), tile.base, place);
      if (tile.isMasked())
        t.store(b.integer(b.getI8Type(), 0), tile.mask, place);
    };
    Value vectors = b.bitAnd(b.sub(high, low), b.i64(-t.lanes()));
    Value whole =
        b.add(low, b.select(equal(s.strides.back(), 1), vectors, zero));
    t.loop(zero, low, 1, clear);
    t.loop(low, whole, t.lanes(), [&](Value lane) { copy(lane, true); });
    t.loop(whole, high, 1, [&](Value lane) { copy(lane, false); });
    t.loop(high, size, 1, clear);
  });
}

/// The addresses of all rows, as many at once as there are lanes. Where rows do
/// not stay in the tensor, and of those that are not in it, the tile's memory:
/// zeros, for the latter.
void TileCopy::emitAddresses(Value stay) {
  Type i64 = b.getI64Type(), i32 = b.getI32Type();
  Type vector = t.vectorOf(i64);
  Value rows = tile.sizes.front(), zero = b.i64(0);
  auto address = [&](Value pointer) {
    return b.splat(LLVM::PtrToIntOp::create(b, i64, pointer), vector);
  };
  int64_t bytes = tile.element.getIntOrFloatBitWidth() / 8;
  Value room = address(tile.base), base = address(s.base);
  Value roomStep = b.mul(tile.strides.front(), b.i64(bytes));
  Value count = tile.ahead ? b.add(rows, tile.ahead) : rows;
  Value all = t.loop(
      zero, count, t.lanes(), {b.boolean(true)},
      [&](Value first, ValueRange carried) -> Values {
        Value lanes =
            b.add(b.splat(b.convert(first, i32), t.vectorOf(i32)), t.iota(i32));
        TileRegion region(b, t.outside, b.getF32Type(), t.full);
        region.capture(t.scalars, indices);
        Block &block = indices.front();
        region.bind(block.getArgument(0), {lanes, {}, {}, true});
        region.bindCoordinate(block.getArgument(1), zero);
        Value offset = b.integer(vector, 0), present = stay;
        auto found = region.emit(block);
        for (auto [axis, index] : llvm::enumerate(found)) {
          if (axis + 1 == found.size())
            break;
          Value i = b.splat(wideInteger(b, index), vector);
          present = b.both(present, index.present);
          present = b.both(
              present, b.compare(CmpIPredicate::sge, i, b.integer(vector, 0)));
          present =
              b.both(present, b.compare(CmpIPredicate::slt, i,
                                        b.splat(s.extents[axis], vector)));
          offset = b.add(offset, b.mul(i, b.splat(s.strides[axis], vector)));
        }
        Value wide = b.convert(lanes, i64);
        Value own = b.add(room, b.mul(wide, b.splat(roomStep, vector)));
        Value there = b.add(base, b.mul(offset, b.integer(vector, bytes)));
        present = b.splat(present, t.vectorOf(b.getI1Type()));
        t.store(b.select(present, there, own), tile.rows, first);
        Value beyond =
            b.compare(CmpIPredicate::sge, wide, b.splat(rows, vector));
        Value whole = vector::ReductionOp::create(b, vector::CombiningKind::AND,
                                                  b.bitOr(present, beyond));
        return {b.bitAnd(carried.front(), whole)};
      })[0];
  b.ifThen(b.bitAnd(stay, b.bitNot(all)),
           [&] { t.fill(tile, zeroInTile(), false); });
}

/// Rows stay in the tensor if whole vectors of them may be read there.
void TileCopy::loadByRows(tile::LoadOp load) {
  Value aligned = equal(b.bitAnd(tile.sizes.back(), b.i64(t.lanes() - 1)), 0);
  Value fits =
      b.compare(CmpIPredicate::sle, tile.sizes.back(), s.extents.back());
  Value stay = b.bitAnd(equal(s.strides.back(), 1), b.bitAnd(aligned, fits));
  b.ifThen(b.bitNot(stay), [&] { emitRowCopies(); });
  if (isa<tile::StreamOp>(load->getParentOp()) && isReadOnce(load))
    tile.ahead = tile.sizes.front();
  emitAddresses(stay);
}

/// Any indices: computed and tested for each element.
void TileCopy::emitGather() {
  Values from(axes(), b.i64(0));
  t.nest(from, tile.sizes, [&](ArrayRef<Value> at) {
    Value present;
    Values index = indicesAt(at, present);
    present = b.both(present, isInside(index));
    b.ifThen(present, [&] { transferPoint(tileOffset(at), index); });
  });
}
