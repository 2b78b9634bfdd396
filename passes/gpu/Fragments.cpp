//===- Fragments.cpp - tiles in registers -----------------------*- C++ -*-===//
#include "passes/gpu/Fragments.h"
#include "passes/cpu/Formats.h"
#include "passes/cpu/tile/Absence.h"
#include "passes/gpu/Contractions.h"
#include "passes/gpu/hopper/Reduce.h"

using namespace mlir;
using namespace attn;
using namespace attn::cpu;
using namespace attn::gpu;
using arith::CmpIPredicate;

Fragments::Shape Fragments::shapeOf(tile::TileType type) const {
  Shape shape;
  shape.lanes = type.rankIndex(laneRank.getValue()) >= 0;
  if (StringAttr column = columnOf(type, laneRank))
    shape.columns = sizeOf(type, column) / partsOf(column);
  return shape;
}

Scalar Fragments::element(Value tile, Point point) {
  const Registers &r = tiles.find(tile)->second;
  int64_t i = shapeOf(r.type).at(point.first, point.second);
  Scalar scalar;
  scalar.value = r.values[i];
  if (!r.present.empty())
    scalar.present = r.present[i];
  return scalar;
}

void Fragments::bindCoordinates(FastRegion &code, Block &block,
                                ArrayRef<StringAttr> ranks, Point point) {
  for (auto [argument, rank] : llvm::zip(block.getArguments(), ranks)) {
    Value at = rank == laneRank
                   ? b.add(firstLane, b.i32(8 * point.first))
                   : b.add(firstColumn, b.i32(columnNumber(point.second)));
    if (Value begin = partBegin(rank))
      at = b.add(at, begin);
    code.bind(argument, {at, {}, {}, true});
  }
}

Fragments::PointMap Fragments::mapOf(tile::EinsumOp op) const {
  SmallVector<StringAttr> ranks(op.getResult().getType().getRanks());
  if (!op.getReduced().empty())
    ranks.push_back(cast<StringAttr>(op.getReduced()[0]));
  return {&op.getMap().front(), ranks, op.getTiles(), {}};
}

Scalar Fragments::emitPoint(const PointMap &map, Point point, Value result) {
  FastRegion code(b, outside, b.getF32Type(), full);
  code.setFinite(&small);
  code.capture(surroundings(), *map.block->getParent());
  bindCoordinates(code, *map.block, map.ranks, point);
  for (auto [argument, tile] : llvm::zip(
           map.block->getArguments().drop_front(map.ranks.size()), map.tiles))
    if (!argument.use_empty())
      code.bind(argument, element(tile, point));
  decideBounds(code, *map.block, map.ranks, point);
  for (auto &[operation, scalars] : map.decided)
    code.decide(operation, scalars.lookup(point));
  auto join = [&](Value flag) { return joinBounds(flag); };
  code.setJoin(join);
  // What the result is made of, as far as it is not decided.
  llvm::SmallPtrSet<Operation *, 32> needed;
  SmallVector<Value> work{result};
  while (!work.empty()) {
    Operation *def = work.pop_back_val().getDefiningOp();
    if (def && def->getBlock() == map.block && needed.insert(def).second &&
        !code.isDecided(def))
      llvm::append_range(work, def->getOperands());
  }
  for (Operation &op : *map.block)
    if (needed.contains(&op))
      code.emit(&op);
  Scalar scalar = code.settled(code.lookup(result));
  scalar.present = joinBounds(scalar.present);
  return told(b, scalar);
}

Scalar Fragments::emitPoint(const PointMap &map, Point point) {
  return emitPoint(map, point, map.block->getTerminator()->getOperand(0));
}

/// Compiled code computes in the tile's element type.
static Value convertTo(CodeBuilder &b, Value value, Type element) {
  return value.getType().isInteger(1) && !element.isInteger(1)
             ? Value(arith::ExtUIOp::create(b, element, value))
             : b.convert(value, element);
}

/// One before it that computes the same; null: there is none.
static tile::EinsumOp twinOf(tile::EinsumOp op) {
  for (auto other : op->getBlock()->getOps<tile::EinsumOp>()) {
    if (other == op)
      break;
    if (OperationEquivalence::isEquivalentTo(
            other, op, OperationEquivalence::IgnoreLocations))
      return other;
  }
  return {};
}

void Fragments::emitEinsum(tile::EinsumOp op) {
  if (tile::EinsumOp twin = twinOf(op)) {
    Registers same = tiles.find(twin.getResult())->second;
    tiles[op.getResult()] = std::move(same);
    return;
  }
  Registers result{op.getResult().getType(), {}, {}};
  Shape shape = shapeOf(result.type);
  SmallVector<Point> points;
  for (int64_t i = 0; i < shape.count(); ++i)
    points.push_back({shape.lane(i), shape.column(i)});
  PointMap map = mapOf(op);
  decideShifts(map, points);
  for (Point point : points) {
    Scalar value = emitPoint(map, point);
    result.values.push_back(
        convertTo(b, value.value, result.type.getElementType()));
    if (result.type.getMasked())
      result.present.push_back(b.both(value.present, {}));
  }
  tiles[op.getResult()] = std::move(result);
}

Fragments::Values
Fragments::emitMasks(tile::EinsumOp op, Value condition, ArrayRef<Value> values,
                     llvm::function_ref<bool(MapOp)> isAsked) {
  PointMap map = mapOf(op);
  Shape shape = shapeOf(op.getResult().getType());
  Values result;
  for (auto [i, value] : llvm::enumerate(values)) {
    Point point{shape.lane(i), shape.column(i)};
    map.decided.clear();
    for (auto condition : map.block->getOps<MapOp>())
      if (condition->hasAttr("bounded") && !isAsked(condition))
        map.decided.push_back(
            {condition, {{point, Scalar{b.boolean(true), {}, {}, true}}}});
    Scalar asked = emitPoint(map, point, condition);
    Value part = positiveMultiple(asked.value).first;
    auto select = (part ? part : asked.value).getDefiningOp<arith::SelectOp>();
    bool isMask = select && select.getTrueValue() == value &&
                  isMinusInfinity(select.getFalseValue());
    if (isMask)
      result.push_back(select);
    else
      result.push_back(asked.present
                           ? b.select(asked.present, value,
                                      b.real(value.getType(), -INFINITY))
                           : value);
  }
  return result;
}

void Fragments::emitReduction(tile::EinsumOp op) {
  Registers result{op.getResult().getType(), {}, {}};
  Shape shape = shapeOf(result.type);
  StringAttr reduced = op.getReduced().empty()
                           ? StringAttr()
                           : cast<StringAttr>(op.getReduced()[0]);
  int64_t columns =
      reduced ? op.getReducedSizes()[0] / 4 / partsOf(reduced) : 1;
  SmallVector<Point> all;
  for (int64_t lane = 0; lane < shape.count(); ++lane)
    for (int64_t column = 0; column < columns; ++column)
      all.push_back({lane, column});
  PointMap map = mapOf(op);
  decideShifts(map, all);
  for (int64_t lane = 0; lane < shape.count(); ++lane) {
    SmallVector<Scalar> points;
    for (int64_t column = 0; column < columns; ++column)
      points.push_back(emitPoint(map, {lane, column}));
    Value sum =
        reducePoints(b, *op.getMonoid(), points, result.type.getElementType());
    if (reduced && meetsAtOnce(op))
      sum = reduceAcross(b, *op.getMonoid(), sum);
    if (op.getInit())
      sum = combine(b, *op.getMonoid(), element(op.getInit(), {lane, 0}).value,
                    sum);
    result.values.push_back(sum);
  }
  tiles[op.getResult()] = result;
}

//===----------------------------------------------------------------------===//
// Loads and stores
//===----------------------------------------------------------------------===//

Fragments::Values Fragments::indicesAt(Region &region, tile::TileType type,
                                       Point point, const Storage &s,
                                       Value &inside) {
  FastRegion code(b, outside, b.getF32Type(), full);
  code.capture(surroundings(), region);
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

void Fragments::emitLoad(tile::LoadOp op) {
  if (emitSlice(op))
    return;
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

void Fragments::storePoints(tile::StoreOp op) {
  const Storage &s = outside.result(op.getResult());
  const Registers &r = tiles.find(op.getTile())->second;
  Shape shape = shapeOf(r.type);
  // Threads with equal values: one of them stores.
  Value mine;
  if (!shape.columns)
    mine = b.compare(CmpIPredicate::eq, firstColumn, b.i32(0));
  if (!shape.lanes)
    mine = b.both(mine, b.compare(CmpIPredicate::eq, firstLane, b.i32(0)));
  for (int64_t i = 0; i < shape.count(); ++i) {
    Value inside = mine;
    if (shape.lanes)
      if (Value has = hasLane(shape.lane(i)))
        inside = b.both(inside, has);
    Values indices = indicesAt(op.getIndices(), r.type,
                               {shape.lane(i), shape.column(i)}, s, inside);
    Scalar value;
    value.value = r.values[i];
    if (!r.present.empty())
      value.present = r.present[i];
    b.ifThen(inside, [&] { StorageMap::store(b, s, indices, value); });
  }
}
