//===- Einsum.cpp - einsums on tiles as loop nests --------------*- C++ -*-===//
// One nest for maps, reductions and contractions alike. Lanes run along the
// result's last rank, or along a reduced one where the operands lie so. A block
// of rows and columns (vectors of lanes) is computed at once, its accumulators
// in registers: an operand that does not move with the rows is then loaded once
// for all of them.
//===----------------------------------------------------------------------===//
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "passes/cpu/Formats.h"
#include "passes/cpu/tile/Absence.h"
#include "passes/cpu/tile/Accumulate.h"
#include "passes/cpu/tile/Lowering.h"

using namespace mlir;
using namespace attn;
using namespace attn::cpu;
using arith::CmpIPredicate;

namespace {

class EinsumEmitter {
  using Values = TileLowering::Values;

public:
  EinsumEmitter(TileLowering &t, tile::EinsumOp op);
  void emit();

private:
  struct Dim {
    Value size;
    int64_t fixed; // static size, or negative
  };
  struct Operand {
    Tile tile;
    SmallVector<unsigned> dims; // the space's dimension of each axis
    std::optional<unsigned> axisOf(int64_t dim) const {
      auto it = llvm::find(dims, unsigned(dim));
      return it == dims.end() ? std::nullopt
                              : std::optional<unsigned>(it - dims.begin());
    }
    bool has(int64_t dim) const { return axisOf(dim).has_value(); }
    bool isLast(int64_t dim) const {
      return !dims.empty() && int64_t(dims.back()) == dim;
    }
  };
  /// Which of the row and column points of a block; -1: all of them.
  struct Place {
    int64_t row, column;
    bool operator<(const Place &o) const {
      return std::tie(row, column) < std::tie(o.row, o.column);
    }
  };
  using Cache = std::map<std::pair<unsigned, Place>, Scalar>;

  Operand operandOf(const Tile &tile);
  void chooseShape();
  void chooseLanes();
  bool isReduced(int64_t dim) const { return dim >= int64_t(rank); }
  bool hasLanes() const { return lane >= 0; }
  bool lanesReduced() const { return hasLanes() && isReduced(lane); }

  /// All points, for one choice of `full` and `masked`; is the result whole?
  Value emitVariant(Value full, bool masked);
  Values blocked(int64_t dim, int64_t unit, ArrayRef<int64_t> counts,
                 Values carried,
                 llvm::function_ref<Values(Value, int64_t, ValueRange)> body);
  Values emitOuter(size_t next, Values carried,
                   llvm::function_ref<Values(ValueRange)> body);
  Values emitMap(Values carried);
  Values emitReduction(Values carried);
  Values emitMapBlock(ValueRange carried);
  void emitReduceBlock();
  Values emitReduced(size_t next, Values sums, Value lanesInside);

  /// How many vectors of an operand are a line of the cache.
  int64_t vectorsPerLine(const Operand &operand) const {
    int64_t bits = operand.tile.element.getIntOrFloatBitWidth();
    return std::max<int64_t>(512 / (bits * t.lanes()), 1);
  }

  Place placeOf(ArrayRef<unsigned> dims, Place all) const;
  Value scalarCoordinate(int64_t dim, Place place);
  Scalar coordinate(int64_t dim, Place place);
  Scalar element(unsigned number, Place place, Cache &cache);
  Value loadOperand(const Operand &operand, Value base, Type type, Place place);
  Scalar point(Place place, Cache &cache);
  Value toResult(const Scalar &value);

  Type accumulatorType();
  Value identity();
  Value combine(Value sum, Scalar value);
  Value acrossLanes(ArrayRef<Value> sums);
  void storeAcrossLanes(ArrayRef<Value> sums);
  void storeRun(Place place, Value whole, int64_t lane, int64_t count);
  Value asAccumulator(Value value);
  void storeResult(Place place, Value value, Value present);
  Value lanesInside(int64_t column);

  TileLowering &t;
  CodeBuilder &b;
  tile::EinsumOp op;
  Type real, scalarType; // of reals, and of the yielded value
  size_t rank;           // ranks of the result
  SmallVector<Dim> dims;
  SmallVector<Operand> operands;
  Operand result;
  std::optional<Operand> init;

  // The shape of the nest.
  int64_t lane = -1, row = -1, column = -1;
  SmallVector<int64_t> rowCounts{1}, columnCounts{1};
  SmallVector<int64_t> outer, reduced;

  // Where code is being emitted.
  Value full;
  bool masked = false;
  Values at; // by dimension; of the block's first point
  int64_t rows = 1, columns = 1;
  int64_t repetition = 0; // of a loop's body
  Cache shared;           // of a map, what does not move with outer ranks
};

} // namespace

//===----------------------------------------------------------------------===//
// Shape
//===----------------------------------------------------------------------===//

EinsumEmitter::EinsumEmitter(TileLowering &t, tile::EinsumOp op)
    : t(t), b(t.b), op(op) {
  tile::TileType type = op.getResult().getType();
  rank = type.getRanks().size();
  SmallVector<Type> types(op->getOperandTypes());
  types.push_back(type);
  real = realOf(op.getContext(), types);
  scalarType = tile::YieldOp(cast<tile::YieldOp>(op.getMap().front().back()))
                   .getOperand(0)
                   .getType();
  Tile target = t.buffer(op.getResult());
  for (auto [axis, size] : llvm::enumerate(type.getSizes()))
    dims.push_back({target.sizes[axis], size});
  for (auto [name, size] : llvm::zip(op.getReduced(), op.getReducedSizes()))
    dims.push_back(
        {size < 0 ? t.outside.extent(cast<StringAttr>(name)) : b.i64(size),
         size});
  result = operandOf(target);
  for (Value operand : op.getTiles())
    operands.push_back(operandOf(t.tile(operand)));
  if (op.getInit())
    init = operandOf(t.tile(op.getInit()));
  at.resize(dims.size());
  chooseShape();
}

EinsumEmitter::Operand EinsumEmitter::operandOf(const Tile &tile) {
  Operand operand{tile, {}};
  SmallVector<StringAttr> names(op.getResult().getType().getRanks());
  llvm::append_range(names, strings(op.getReduced()));
  for (StringAttr name : tile.type.getRanks())
    operand.dims.push_back(llvm::find(names, name) - names.begin());
  return operand;
}

void EinsumEmitter::chooseLanes() {
  lane = int64_t(rank) - 1;
  bool strided = rank == 0 || llvm::any_of(operands, [&](const Operand &o) {
                   return o.has(lane) && !o.isLast(lane);
                 });
  if (!strided)
    return;
  // A reduced rank that all of its operands have innermost.
  for (int64_t dim = rank; dim < int64_t(dims.size()); ++dim) {
    bool any = llvm::any_of(operands, [&](auto &o) { return o.has(dim); });
    bool fits = llvm::all_of(
        operands, [&](auto &o) { return !o.has(dim) || o.isLast(dim); });
    if (any && fits) {
      lane = dim;
      return;
    }
  }
}

void EinsumEmitter::chooseShape() {
  chooseLanes();
  // Rows: a rank that operands which fill the lanes do not have, so that they
  // serve all rows of a block. Columns: vectors along the lanes, or another
  // such rank where the lanes are reduced.
  SmallVector<int64_t> reusing;
  for (int64_t dim = 0; dim < int64_t(rank); ++dim)
    if (dim != lane && op.getMonoid() &&
        llvm::any_of(operands, [&](const Operand &o) {
          return hasLanes() && o.has(lane) && !o.has(dim);
        }))
      reusing.push_back(dim);
  bool manyRegisters = b.target.vectorRegisters >= 32;
  if (!reusing.empty()) {
    row = reusing.pop_back_val();
    rowCounts = {6, 2, 1};
    // As many sums as fill a vector or several, once they are combined.
    if (lanesReduced())
      rowCounts = {reusing.empty() ? 8 : manyRegisters ? 4 : 2, 1};
  }
  if (lanesReduced()) {
    if (!reusing.empty()) {
      column = reusing.back();
      columnCounts = {4, 1};
    }
  } else if (hasLanes()) {
    column = lane;
    columnCounts = {manyRegisters ? 4 : 2, 1};
    if (row < 0)
      columnCounts = {4, 1};
  }
  for (int64_t dim = 0; dim < int64_t(dims.size()); ++dim)
    if (isReduced(dim)) {
      if (dim != lane)
        reduced.push_back(dim);
    } else if (dim != row && dim != column) {
      outer.push_back(dim);
    }
  if (lanesReduced())
    reduced.push_back(lane);
}

//===----------------------------------------------------------------------===//
// The nest
//===----------------------------------------------------------------------===//

/// Covers [0, size) of a dimension in pieces of `unit` by blocks of the largest
/// of `counts` (descending to 1), the remainder by a block of its own where its
/// size is known, else by the smaller counts.
EinsumEmitter::Values EinsumEmitter::blocked(
    int64_t dim, int64_t unit, ArrayRef<int64_t> counts, Values carried,
    llvm::function_ref<Values(Value, int64_t, ValueRange)> body) {
  auto cover = [&](Value low, Value high, int64_t count) {
    carried = t.loop(
        low, high, count * unit, carried,
        [&](Value first, ValueRange in) { return body(first, count, in); });
  };
  if (dims[dim].fixed >= 0) {
    int64_t pieces = llvm::divideCeil(dims[dim].fixed, unit);
    int64_t count = std::min(counts.front(), std::max<int64_t>(pieces, 1));
    int64_t whole = pieces / count * count;
    if (whole > count)
      cover(b.i64(0), b.i64(whole * unit), count);
    else if (whole)
      carried = body(b.i64(0), count, carried);
    if (pieces > whole)
      carried = body(b.i64(whole * unit), pieces - whole, carried);
    return carried;
  }
  Value pieces =
      b.createOrFold<arith::CeilDivSIOp>(dims[dim].size, b.i64(unit));
  Value low = b.i64(0);
  for (int64_t count : counts) {
    Value blocks = arith::DivSIOp::create(
        b, b.sub(pieces, b.createOrFold<arith::DivSIOp>(low, b.i64(unit))),
        b.i64(count));
    Value high = b.add(low, b.mul(blocks, b.i64(count * unit)));
    cover(low, high, count);
    low = high;
  }
  return carried;
}

EinsumEmitter::Values
EinsumEmitter::emitOuter(size_t next, Values carried,
                         llvm::function_ref<Values(ValueRange)> body) {
  if (next == outer.size())
    return body(carried);
  int64_t dim = outer[next];
  return t.loop(b.i64(0), dims[dim].size, 1, carried,
                [&](Value counter, ValueRange in) {
                  at[dim] = counter;
                  return emitOuter(next + 1, Values(in), body);
                });
}

/// Blocks of columns outside, so that what they share is loaded, and what LLVM
/// finds to be made of it alone is computed, once for all rows.
EinsumEmitter::Values EinsumEmitter::emitMap(Values carried) {
  Block &block = op.getMap().front();
  auto overOuter = [&](ValueRange in) {
    shared.clear();
    for (auto [number, operand] : llvm::enumerate(operands))
      if (!block.getArgument(dims.size() + number).use_empty() &&
          llvm::none_of(outer,
                        [&, &o = operand](int64_t dim) { return o.has(dim); }))
        for (int64_t c = 0; c < columns; ++c)
          element(number, {0, c}, shared);
    return emitOuter(0, Values(in),
                     [&](ValueRange in) { return emitMapBlock(in); });
  };
  columns = 1;
  if (column < 0)
    return overOuter(carried);
  return blocked(column, t.lanes(), columnCounts, carried,
                 [&](Value first, int64_t count, ValueRange in) {
                   at[column] = first;
                   columns = count;
                   return overOuter(in);
                 });
}

EinsumEmitter::Values EinsumEmitter::emitReduction(Values carried) {
  auto overRows = [&](ValueRange in) {
    rows = 1;
    if (row < 0) {
      emitReduceBlock();
      return Values(in);
    }
    return blocked(row, 1, rowCounts, Values(in),
                   [&](Value first, int64_t count, ValueRange in) {
                     at[row] = first;
                     rows = count;
                     emitReduceBlock();
                     return Values(in);
                   });
  };
  auto overColumns = [&](ValueRange in) {
    columns = 1;
    if (column < 0)
      return overRows(in);
    return blocked(column, column == lane ? t.lanes() : 1, columnCounts,
                   Values(in), [&](Value first, int64_t count, ValueRange in) {
                     at[column] = first;
                     columns = count;
                     return overRows(in);
                   });
  };
  return emitOuter(0, carried, overColumns);
}

Value EinsumEmitter::emitVariant(Value isFull, bool honourMasks) {
  full = isFull;
  masked = honourMasks;
  auto nest = [&](Values carried) {
    return op.getMonoid() ? emitReduction(carried) : emitMap(carried);
  };
  if (!result.tile.isMasked()) {
    nest({});
    return {};
  }
  Type flags = b.getI1Type();
  if (hasLanes())
    flags = t.vectorOf(flags);
  Value whole = nest({b.integer(flags, 1)}).front();
  return hasLanes() ? Value(vector::ReductionOp::create(
                          b, vector::CombiningKind::AND, whole))
                    : whole;
}

void EinsumEmitter::emit() {
  // Bounded conditions and masks are decided once a tile, not once a point.
  Value whole;
  bool anyMasked = false;
  for (const Operand &operand : operands)
    if (operand.tile.isMasked()) {
      anyMasked = true;
      whole = b.both(whole, operand.tile.whole);
    }
  bool bounded = false;
  op.getMap().walk([&](MapOp map) { bounded |= map->hasAttr("bounded"); });
  auto pack = [](Value flag) { return flag ? Values{flag} : Values(); };
  auto byMasks = [&](Value isFull) -> Values {
    if (!anyMasked)
      return pack(emitVariant(isFull, false));
    return b.ifElse(
        whole, [&] { return pack(emitVariant(isFull, false)); },
        [&] { return pack(emitVariant(isFull, true)); });
  };
  Values flag = bounded && t.full
                    ? b.ifElse(
                          t.full, [&] { return byMasks(b.boolean(true)); },
                          [&] { return byMasks({}); })
                    : byMasks({});
  Tile tile = result.tile;
  if (tile.isMasked())
    tile.whole = flag.front();
  t.setTile(op.getResult(), tile);
}

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
    constexpr int64_t intoSecondLevel = 2;
    int64_t piece = lanesReduced() ? repetition : place.column;
    int64_t perLine = vectorsPerLine(operand);
    if (tile.ahead && !isMask && piece % perLine == 0)
      LLVM::Prefetch::create(
          b,
          tile.rows
              ? b.gep(type, rowAt(b.add(coordinates[0], tile.ahead)), offset)
              : b.gep(type, base, b.add(offset, tile.ahead)),
          /*rw=*/0, intoSecondLevel, /*cache=*/1);
    return t.load(t.vectorOf(type), base, offset);
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

//===----------------------------------------------------------------------===//
// Reductions
//===----------------------------------------------------------------------===//

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

void cpu::emitTileEinsum(TileLowering &t, tile::EinsumOp op) {
  EinsumEmitter(t, op).emit();
}
