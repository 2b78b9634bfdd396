//===- Slices.cpp - loads whose points lie in a row -------------*- C++ -*-===//
// Where an element's place moves by one a column, and by one or not at all a
// lane, what a warp needs of a tensor is a row of elements: columns + 15 of
// them, or columns. Its threads read each of them once, and fetch their points
// from one another. With g = lane / 4 and q = lane % 4 a thread's point (8 l +
// g, 8 j + 2 q + e) is at 8 k + t, where k is known here and t, of 8 or 16
// values, is the thread's: a register of each thread holds 4 or 2 of the k.
//===----------------------------------------------------------------------===//
#include "passes/cpu/tile/Index.h"
#include "passes/gpu/Contractions.h"
#include "passes/gpu/Fragments.h"
#include "passes/gpu/Intrinsics.h"

using namespace mlir;
using namespace attn;
using namespace attn::cpu;
using namespace attn::gpu;

std::optional<Fragments::Slice> Fragments::sliceOf(tile::LoadOp op) const {
  tile::TileType type = op.getType();
  Type element = type.getElementType();
  const Storage &s = outside.storage(op.getTensor());
  StringAttr column = columnOf(type, laneRank);
  if (!laneOfWarp || !column || s.presence ||
      (!element.isF32() && !element.isInteger(32)))
    return std::nullopt;
  Block &block = op.getIndices().front();
  // No index may be absent at some points only.
  auto isTotal = [](Operation &o) {
    return isa<MapOp, tile::YieldOp, ExtentOp>(o) ||
           o.hasTrait<OpTrait::ConstantLike>();
  };
  if (!llvm::all_of(block, isTotal))
    return std::nullopt;
  Slice result;
  result.columns = sizeOf(type, column) / partsOf(column);
  result.lanes = sizeOf(type, laneRank);
  bool found = false;
  for (auto [axis, index] : llvm::enumerate(block.back().getOperands())) {
    int64_t moves[2] = {0, 0}; // by lane, by column
    for (auto [argument, rank] :
         llvm::zip(block.getArguments(), type.getRanks())) {
      auto factor = coefficient(index, argument);
      if (!factor)
        return std::nullopt;
      moves[rank == column] = *factor;
    }
    if (moves[0] == 0 && moves[1] == 0)
      continue;
    if (found || std::abs(moves[0]) > 1 || std::abs(moves[1]) != 1)
      return std::nullopt;
    found = true;
    result.axis = axis;
    result.lane = moves[0];
    result.column = moves[1];
  }
  return found ? std::optional(result) : std::nullopt;
}

Fragments::Place Fragments::placeOf(tile::LoadOp op, Value lane, Value column) {
  FastRegion code(b, outside, b.getF32Type(), full);
  code.capture(surroundings(), op.getIndices());
  Block &block = op.getIndices().front();
  for (auto [argument, rank] :
       llvm::zip(block.getArguments(), op.getType().getRanks())) {
    Value at = rank == laneRank ? lane : column, begin = partBegin(rank);
    code.bind(argument, {begin ? b.add(at, begin) : at, {}, {}, true});
  }
  const Storage &s = outside.storage(op.getTensor());
  Place place;
  for (auto [index, extent] : llvm::zip(code.emit(block), s.extents)) {
    Value i = b.convert(index.value, b.getI32Type());
    Value in = index.wide ? b.ult(index.wide, extent)
                          : b.ult(i, b.convert(extent, b.getI32Type()));
    place.indices.push_back(i);
    place.inside.push_back(b.both(index.present, in));
    place.present = b.both(place.present, index.present);
  }
  return place;
}

Value Fragments::sliceInside(tile::LoadOp op) {
  auto slice = sliceOf(op);
  auto end = [&](int64_t move, int64_t size, bool high) {
    return b.i32((move > 0) == high ? size - 1 : 0);
  };
  Value all;
  for (bool high : {false, true})
    for (Value inside : placeOf(op, end(slice->lane, slice->lanes, high),
                                end(slice->column, slice->columns, high))
                            .inside)
      all = b.both(all, inside);
  return all;
}

void Fragments::fetchSlice(tile::LoadOp op) {
  auto slice = sliceOf(op);
  if (!slice)
    return;
  const Storage &s = outside.storage(op.getTensor());
  Type type = op.getType().getElementType();
  Value zero = type.isF32() ? b.real(type, 0) : b.integer(type, 0);
  Value first =
      b.sub(firstLane, arith::ShRUIOp::create(b, laneOfWarp, b.i32(2)));
  int64_t width = slice->width();
  Value place = b.add(
      b.bitAnd(laneOfWarp, b.i32(width - 1)),
      b.mul(arith::ShRUIOp::create(b, laneOfWarp, b.i32(llvm::Log2_64(width))),
            b.i32(8)));
  Values &held = slices[op];
  held.clear();
  int64_t a = slice->ofRegister();
  for (int64_t k = 0; k < slice->count(); k += a) {
    Value at = b.add(place, b.i32(8 * (slice->firstK() + k) + slice->firstT()));
    // That many elements from the first lane's first column.
    if (slice->column < 0)
      at = b.sub(b.i32(0), at);
    Place point = placeOf(op, first, at);
    Value offset = b.i64(0), inside;
    for (Value in : point.inside)
      inside = b.both(inside, in);
    for (auto [index, stride] : llvm::zip(point.indices, s.strides)) {
      Value i = b.select(inside, index, b.i32(0));
      offset = b.add(offset, b.mul(b.convert(i, b.getI64Type()), stride));
    }
    auto load = [&] { return Values{loadElements(b, s, offset, type)}; };
    held.push_back(b.ifElse(inside, load, [&] { return Values{zero}; })[0]);
  }
}

bool Fragments::emitSlice(tile::LoadOp op) {
  auto it = slices.find(op);
  if (it == slices.end())
    return false;
  auto slice = sliceOf(op);
  const Storage &s = outside.storage(op.getTensor());
  Registers result{op.getType(), {}, {}};
  Shape shape = shapeOf(result.type);
  Type type = result.type.getElementType(), i32 = b.getI32Type();
  Value quad = arith::ShRUIOp::create(b, laneOfWarp, b.i32(2));
  auto signedSum = [&](int64_t lane, Value x, int64_t column, Value y) {
    Value sum = b.i32(0);
    if (lane)
      sum = lane > 0 ? x : b.sub(sum, x);
    return column > 0 ? b.add(sum, y) : b.sub(sum, y);
  };
  Value t = signedSum(slice->lane, quad, slice->column, firstColumn);
  // Points are there where their place is below the end.
  Value here, end;
  if (result.type.getMasked() && !sliceIsInside) {
    Place first = placeOf(op, b.sub(firstLane, quad), b.i32(0));
    here = b.add(first.indices[slice->axis], t);
    end = b.convert(s.extents[slice->axis], i32);
    for (auto [axis, inside] : llvm::enumerate(first.inside))
      if (axis != slice->axis)
        end = b.select(inside, end, b.i32(0));
    if (first.present)
      end = b.select(first.present, end, b.i32(0));
  }
  llvm::DenseMap<std::pair<int64_t, int64_t>, std::pair<Value, Value>> known;
  for (int64_t i = 0; i < shape.count(); ++i) {
    int64_t lane = shape.lane(i), column = shape.column(i);
    int64_t k = slice->lane * lane + slice->column * (column >> 1);
    int64_t e = slice->column * (column & 1);
    auto &[value, present] = known[{k, e}];
    if (!value) {
      int64_t number = k - slice->firstK(), a = slice->ofRegister();
      Value from =
          b.add(t, b.i32(e - slice->firstT() + slice->width() * (number % a)));
      Value bits = it->second[number / a];
      if (type.isF32())
        bits = arith::BitcastOp::create(b, i32, bits);
      value = broadcast(b, bits, from);
      if (type.isF32())
        value = arith::BitcastOp::create(b, type, value);
      if (here)
        present = b.ult(b.add(here, b.i32(8 * k + e)), end);
    }
    result.values.push_back(value);
    if (result.type.getMasked())
      result.present.push_back(present);
  }
  tiles[op.getResult()] = result;
  return true;
}
