//===- EinsumPoints.cpp - points of an einsum, and its maps -----*- C++ -*-===//
#include "passes/cpu/Formats.h"
#include "passes/cpu/tile/EinsumEmitter.h"

using namespace mlir;
using namespace attn;
using namespace attn::cpu;
using arith::CmpIPredicate;

//===----------------------------------------------------------------------===//
// Points
//===----------------------------------------------------------------------===//

/// `all` with -1 where `dims` do not move with the rows or columns.
EinsumEmitter::Place EinsumEmitter::placeOf(ArrayRef<unsigned> dims,
                                            Place all) const {
  return {llvm::is_contained(dims, row) ? all.row : -1,
          llvm::is_contained(dims, column) ? all.column : -1};
}

/// Coordinate of the point, or of the first lane of its vector.
Value EinsumEmitter::scalarCoordinate(int64_t dim, Place place) {
  int64_t steps = 0;
  if (dim == row)
    steps = place.row;
  else if (dim == column)
    steps = place.column * (column == lane ? t.lanes() : 1);
  return b.add(at[dim], b.i64(steps));
}

Scalar EinsumEmitter::coordinate(int64_t dim, Place place) {
  Value first = scalarCoordinate(dim, place);
  if (dim != lane)
    return {b.convert(first, b.getI32Type()), {}, first, true};
  Value lanes = b.add(b.convert(first, b.getI32Type()), t.iota(b.getI32Type()));
  return {lanes, {}, {}, true};
}

/// An element (or a vector of lanes) of an operand; `base` is that of its
/// values or of its mask.
Value EinsumEmitter::loadOperand(const Operand &operand, Value base, Type type,
                                 Place place) {
  Values coordinates;
  for (unsigned dim : operand.dims)
    coordinates.push_back(scalarCoordinate(dim, place));
  const Tile &tile = operand.tile;
  auto axis = operand.axisOf(lane);
  Value offset = tile.rows ? coordinates.back()
                           : TileLowering::offset(b, coordinates, tile.strides);
  auto rowAt = [&](Value row) -> Value {
    return LLVM::IntToPtrOp::create(b, b.ptrType(),
                                    t.load(b.getI64Type(), tile.rows, row));
  };
  bool acrossRows = tile.rows && axis == 0u, isMask = base != tile.base;
  if (tile.rows && !acrossRows)
    base = rowAt(coordinates.front());
  if (!hasLanes() || !axis)
    return t.load(type, base, offset);
  if (operand.isLast(lane)) {
    // What comes from memory is asked for a step before it is read, by lines.
    int64_t piece = lanesReduced() ? repetition : place.column;
    int64_t perLine = vectorsPerLine(operand);
    if (tile.ahead && !isMask && piece % perLine == 0)
      b.prefetch(
          tile.rows
              ? b.gep(type, rowAt(b.add(coordinates[0], tile.ahead)), offset)
              : b.gep(type, base, b.add(offset, tile.ahead)));
    return t.load(VectorType::get({t.lanes() * vectorsPerLoad}, type), base,
                  offset);
  }
  // Across rows: one load a lane, none beyond the last row.
  Value lanes = b.real(t.vectorOf(b.getF32Type()), 0);
  lanes = isa<FloatType>(type) ? b.real(t.vectorOf(type), 0)
                               : b.integer(t.vectorOf(type), 0);
  Value last = b.sub(dims[lane].size, b.i64(1));
  Value first = coordinates[*axis];
  for (int64_t i = 0; i < t.lanes(); ++i) {
    Value step = b.sub(b.min(b.add(first, b.i64(i)), last), first);
    Value element =
        acrossRows ? t.load(type, rowAt(b.add(first, step)), offset)
                   : t.load(type, base,
                            b.add(offset, b.mul(step, tile.strides[*axis])));
    lanes = LLVM::InsertElementOp::create(b, lanes, element, b.i64(i));
  }
  return lanes;
}

Scalar EinsumEmitter::element(unsigned number, Place all, Cache &cache) {
  const Operand &operand = operands[number];
  Place place = placeOf(operand.dims, all);
  auto [it, added] = cache.try_emplace({number, place}, Scalar());
  if (!added)
    return it->second;
  // Truncation, for a comparison with 0 would be inverted and the select with
  // it, which then is no masked instruction.
  auto test = [&](Value bytes) { return b.convert(bytes, b.getI1Type()); };
  const Tile &tile = operand.tile;
  Scalar scalar;
  scalar.value = loadOperand(operand, tile.base, tile.element, all);
  if (tile.codes)
    scalar.value =
        decode(b, tile.codes, scalar.value, tile.type.getElementType());
  if (tile.type.getElementType().isInteger(1))
    scalar.value = test(scalar.value);
  else if (isa<FloatType>(getElementTypeOrSelf(scalar.value)))
    scalar.value = b.convert(scalar.value, real);
  if (tile.isMasked() && masked)
    scalar.present = test(loadOperand(operand, tile.mask, b.getI8Type(), all));
  return it->second = scalar;
}

/// Is the tile only stored, in 16 bits or fewer?
static bool isRounded(tile::EinsumOp op) {
  TypeRange results = op->getParentOfType<tile::KernelOp>().getResultTypes();
  return llvm::all_of(op->getUsers(), [&](Operation *user) {
    auto store = dyn_cast<tile::StoreOp>(user);
    if (!store)
      return false;
    auto type = cast<NamedTensorType>(results[store.getResult()]);
    return type.getElementType().getIntOrFloatBitWidth() <= 16;
  });
}

Scalar EinsumEmitter::point(Place place, Cache &cache) {
  TileRegion region(b, t.outside, real, full);
  region.setRounded(isRounded(op));
  region.capture(t.scalars, op.getMap());
  Block &block = op.getMap().front();
  for (auto [number, argument] : llvm::enumerate(block.getArguments())) {
    if (argument.use_empty())
      continue;
    region.bind(argument, number < dims.size()
                              ? coordinate(number, place)
                              : element(number - dims.size(), place, cache));
  }
  return region.settled(region.emit(block).front());
}

//===----------------------------------------------------------------------===//
// Maps
//===----------------------------------------------------------------------===//

/// Which lanes are inside the result; null: all.
Value EinsumEmitter::lanesInside(int64_t column) {
  if (!hasLanes() ||
      (dims[lane].fixed >= 0 && dims[lane].fixed % t.lanes() == 0))
    return {};
  Scalar lanes = coordinate(lane, {0, column});
  return b.compare(CmpIPredicate::slt, lanes.value,
                   b.convert(dims[lane].size, b.getI32Type()));
}

/// In the type and shape of the result's memory.
Value EinsumEmitter::toResult(const Scalar &scalar) {
  Value value = scalar.value;
  if (isa<FloatType>(result.tile.element))
    value = b.convert(value, result.tile.element);
  else if (getElementTypeOrSelf(value).isInteger(1))
    value = arith::ExtUIOp::create(b, b.like(value.getType(), b.getI8Type()),
                                   value);
  else
    value = b.convert(value, result.tile.element);
  return hasLanes() && !lanesReduced()
             ? b.splat(value, t.vectorOf(result.tile.element))
             : value;
}

void EinsumEmitter::storeResult(Place place, Value value, Value present) {
  Values coordinates;
  for (unsigned dim : result.dims)
    coordinates.push_back(scalarCoordinate(dim, place));
  const Tile &tile = result.tile;
  Value offset = TileLowering::offset(b, coordinates, tile.strides);
  t.store(value, tile.base, offset);
  if (!tile.isMasked())
    return;
  // A whole tile has its mask too: a reader honours all masks or none.
  Value bytes =
      present
          ? b.splat(arith::ExtUIOp::create(
                        b, b.like(present.getType(), b.getI8Type()), present),
                    value.getType())
          : b.integer(b.like(value.getType(), b.getI8Type()), 1);
  t.store(bytes, tile.mask, offset);
}

EinsumEmitter::Values EinsumEmitter::emitMapBlock(ValueRange carried) {
  Values flags(carried);
  Cache cache = shared;
  for (int64_t c = 0; c < columns; ++c) {
    Place place{0, c};
    Scalar value = point(place, cache);
    storeResult(place, toResult(value), value.present);
    if (!value.present)
      continue;
    Value counted = value.present;
    if (Value inside = lanesInside(c))
      counted = b.bitOr(counted, b.bitNot(inside));
    flags[0] = b.bitAnd(flags[0], counted);
  }
  return flags;
}
