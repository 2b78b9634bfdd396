//===- WarpTiles.cpp - operations on tiles by a warp ------------*- C++ -*-===//
#include "passes/cpu/Formats.h"
#include "passes/cpu/tile/Absence.h"
#include "passes/gpu/Intrinsics.h"
#include "passes/gpu/hopper/Ptx.h"
#include "passes/gpu/hopper/Reduce.h"
#include "passes/gpu/warp/Matrix.h"
#include "passes/gpu/warp/Warps.h"

using namespace mlir;
using namespace attn;
using namespace attn::cpu;
using namespace attn::gpu;
using arith::CmpIPredicate;

void WarpLowering::emitOperation(Operation &op) {
  llvm::TypeSwitch<Operation *>(&op)
      .Case([&](tile::LoadOp load) {
        if (!roles.rowsLoad(load.getResult()))
          emitLoad(load);
      })
      .Case([&](tile::StoreOp store) { emitStore(store); })
      .Case([&](tile::EinsumOp einsum) {
        if (auto it = roles.products.find(einsum); it != roles.products.end())
          emitProduct(einsum, it->second);
        else if (einsum.getMonoid())
          emitReduction(einsum);
        else
          emitEinsum(einsum);
      })
      .Case([&](tile::YieldOp) {})
      .Default([&](Operation *scalar) { scalars.emit(scalar); });
}

//===----------------------------------------------------------------------===//
// Points
//===----------------------------------------------------------------------===//

Scalar WarpLowering::element(Value tile, Point point) {
  const Registers &r = tiles.find(tile)->second;
  int64_t i = shapeOf(r.type).at(point.first, point.second);
  Scalar scalar;
  scalar.value = r.values[i];
  if (!r.present.empty())
    scalar.present = r.present[i];
  return scalar;
}

void WarpLowering::bindCoordinates(FastRegion &code, Block &block,
                                   ArrayRef<StringAttr> ranks, Point point) {
  for (auto [argument, rank] : llvm::zip(block.getArguments(), ranks)) {
    Value at;
    if (rank == roles.lane)
      at = b.add(firstLane, b.i32(8 * point.first));
    else
      at = b.add(firstColumn,
                 b.i32(8 * (point.second >> 1) + (point.second & 1)));
    if (rank == roles.divided)
      at = b.add(at, firstDivided);
    code.bind(argument, {at, {}, {}, true});
  }
}

Scalar WarpLowering::emitRegion(Region &region, tile::TileType space,
                                StringAttr reduced, ValueRange operands,
                                Point point) {
  FastRegion code(b, outside, b.getF32Type(), full);
  code.capture(scalars, region);
  Block &block = region.front();
  SmallVector<StringAttr> ranks(space.getRanks());
  if (reduced)
    ranks.push_back(reduced);
  bindCoordinates(code, block, ranks, point);
  for (auto [argument, operand] :
       llvm::zip(block.getArguments().drop_front(ranks.size()), operands))
    if (!argument.use_empty())
      code.bind(argument, element(operand, point));
  return tellByValue(b, code.settled(code.emit(block).front()));
}

/// Compiled code computes in the tile's element type.
static Value convertTo(CodeBuilder &b, Value value, Type element) {
  return value.getType().isInteger(1) && !element.isInteger(1)
             ? Value(arith::ExtUIOp::create(b, element, value))
             : b.convert(value, element);
}

void WarpLowering::emitEinsum(tile::EinsumOp op) {
  Registers result{op.getResult().getType(), {}, {}};
  Shape shape = shapeOf(result.type);
  for (int64_t i = 0; i < shape.count(); ++i) {
    Scalar value = emitRegion(op.getMap(), result.type, {}, op.getTiles(),
                              {shape.lane(i), shape.column(i)});
    result.values.push_back(
        convertTo(b, value.value, result.type.getElementType()));
    if (result.type.getMasked())
      result.present.push_back(b.both(value.present, {}));
  }
  tiles[op.getResult()] = result;
}

void WarpLowering::emitReduction(tile::EinsumOp op) {
  Registers result{op.getResult().getType(), {}, {}};
  Shape shape = shapeOf(result.type);
  StringAttr reduced;
  int64_t columns = 1;
  if (!op.getReduced().empty()) {
    reduced = cast<StringAttr>(op.getReduced()[0]);
    columns = op.getReducedSizes()[0] / 4;
    if (reduced == roles.divided)
      columns /= roles.keyWarps;
  }
  for (int64_t lane = 0; lane < shape.count(); ++lane) {
    SmallVector<Scalar> points;
    for (int64_t column = 0; column < columns; ++column)
      points.push_back(emitRegion(op.getMap(), result.type, reduced,
                                  op.getTiles(), {lane, column}));
    Value sum =
        reducePoints(b, *op.getMonoid(), points, result.type.getElementType());
    if (reduced)
      sum = reduceAcross(b, *op.getMonoid(), sum);
    if (op.getInit())
      sum = combine(b, *op.getMonoid(), element(op.getInit(), {lane, 0}).value,
                    sum);
    result.values.push_back(sum);
  }
  tiles[op.getResult()] = result;
}

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

void WarpLowering::emitProduct(tile::EinsumOp op, const WarpProduct &p) {
  const RowsLoad *a = roles.rowsLoad(p.a), *right = roles.rowsLoad(p.b);
  Registers result{op.getResult().getType(), {}, {}};
  int64_t columns = roles.sizeOf(result.type, p.column);
  int64_t depth = op.getReducedSizes()[0];
  if (p.reduced == roles.divided)
    depth /= roles.keyWarps;
  Type element = right->element();
  if (op.getInit())
    result.values = tiles.find(op.getInit())->second.values;
  else
    result.values.assign(columns / 2, b.real(b.getF32Type(), 0));

  // Rows and columns of a load that this warp begins at, and the row of a
  // matrix that this thread gives the address of.
  auto addressOf = [&](const RowsLoad &load, Value row, Value column) {
    if (load.rank(load.rowRank) == roles.divided)
      row = b.add(row, firstDivided);
    if (load.rank(load.innerRank) == roles.divided)
      column = b.add(column, firstDivided);
    return b.add(address(load, stage), b.add(b.mul(row, b.i32(load.pitch())),
                                             b.mul(column, b.i32(2))));
  };
  Value inMatrix = b.bitAnd(lane, b.i32(7));
  auto eightIf = [&](int bit) {
    Value set = b.bitAnd(arith::ShRUIOp::create(b, lane, b.i32(bit)), b.i32(1));
    return b.mul(set, b.i32(8));
  };
  Value early = eightIf(3), late = eightIf(4);
  bool transposed = right->rank(right->rowRank) == p.reduced;
  Value rightAt = transposed ? addressOf(*right, b.add(inMatrix, early), late)
                             : addressOf(*right, b.add(inMatrix, late), early);
  Value leftAt;
  if (a) {
    Value row = b.add(inMatrix, early);
    if (roles.rowWarps > 1)
      row = b.add(row, b.mul(warp, b.i32(16)));
    leftAt = addressOf(*a, row, late);
  }
  auto factor = [&](int64_t i) {
    // An absent factor has no part in the sum.
    const Registers &r = tiles.find(p.a)->second;
    Value x = r.values[i];
    if (r.present.empty() || !r.present[i] || isZeroWhenAbsent(x, r.present[i]))
      return x;
    return b.select(r.present[i], x, b.real(x.getType(), 0));
  };
  for (int64_t k = 0; k < depth / 16; ++k) {
    Values left;
    if (a)
      left = loadMatrices(b, leftAt, k * 32, /*transposed=*/false);
    else
      for (int64_t r = 0; r < 4; ++r)
        left.push_back(packPair(b, element, factor(8 * k + 2 * r),
                                factor(8 * k + 2 * r + 1)));
    for (int64_t n = 0; n < columns / 16; ++n) {
      int64_t offset = transposed ? k * 16 * right->pitch() + n * 32
                                  : n * 16 * right->pitch() + k * 32;
      Values both = loadMatrices(b, rightAt, offset, transposed);
      for (int64_t half = 0; half < 2; ++half) {
        auto sum = MutableArrayRef(result.values).slice(8 * n + 4 * half, 4);
        llvm::copy(multiplyAdd(b, element, left,
                               ArrayRef(both).slice(2 * half, 2), sum),
                   sum.begin());
      }
    }
  }
  tiles[op.getResult()] = result;
}

//===----------------------------------------------------------------------===//
// Loads and stores of registers
//===----------------------------------------------------------------------===//

WarpLowering::Values WarpLowering::indicesAt(Region &region,
                                             tile::TileType type, Point point,
                                             const Storage &s, Value &inside) {
  FastRegion code(b, outside, b.getF32Type(), full);
  code.capture(scalars, region);
  Block &block = region.front();
  bindCoordinates(code, block, type.getRanks(), point);
  Values indices;
  for (auto [index, extent] : llvm::zip(code.emit(block), s.extents)) {
    Value i = wideInteger(b, index), in = b.ult(i, extent);
    inside = b.both(inside, b.both(index.present, in));
    indices.push_back(b.select(in, i, b.i64(0)));
  }
  return indices;
}

void WarpLowering::emitLoad(tile::LoadOp op) {
  const Storage &s = outside.storage(op.getTensor());
  Registers result{op.getType(), {}, {}};
  Shape shape = shapeOf(result.type);
  Type type = result.type.getElementType();
  Value zero = isa<FloatType>(type) ? b.real(type, 0) : b.integer(type, 0);
  for (int64_t i = 0; i < shape.count(); ++i) {
    Value inside;
    Values indices = indicesAt(op.getIndices(), result.type,
                               {shape.lane(i), shape.column(i)}, s, inside);
    Value offset = StorageMap::offset(b, s, indices);
    Value value = loadElements(b, s, offset, type);
    if (inside)
      value = b.select(inside, value, zero);
    result.values.push_back(value);
    if (result.type.getMasked())
      result.present.push_back(
          b.both(inside, s.presence ? loadPresence(b, s, offset) : Value()));
  }
  tiles[op.getResult()] = result;
}

void WarpLowering::emitStore(tile::StoreOp op) {
  const Storage &s = outside.result(op.getResult());
  const Registers &r = tiles.find(op.getTile())->second;
  Shape shape = shapeOf(r.type);
  // Of threads with equal values one stores.
  Value mine;
  if (!shape.columns)
    mine = b.compare(CmpIPredicate::eq, firstColumn, b.i32(0));
  if (!shape.lanes)
    mine = b.both(mine, b.compare(CmpIPredicate::eq, firstLane, b.i32(0)));
  for (int64_t i = 0; i < shape.count(); ++i) {
    Value inside = mine;
    if (shape.lanes && roles.lanes % 16)
      inside = b.both(inside, b.ult(b.add(firstLane, b.i32(8 * shape.lane(i))),
                                    b.i32(roles.lanes)));
    Values indices = indicesAt(op.getIndices(), r.type,
                               {shape.lane(i), shape.column(i)}, s, inside);
    Scalar value;
    value.value = r.values[i];
    if (!r.present.empty())
      value.present = r.present[i];
    b.ifThen(inside, [&] { StorageMap::store(b, s, indices, value); });
  }
}
