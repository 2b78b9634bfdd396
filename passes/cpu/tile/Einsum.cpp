//===- Einsum.cpp - the shape of an einsum's nest ---------------*- C++ -*-===//
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "passes/cpu/tile/EinsumEmitter.h"

using namespace mlir;
using namespace attn;
using namespace attn::cpu;

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
  SmallVector<StringAttr> names = tile::spaceOf(op);
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
    digitRows = honourMasks ? std::nullopt : findDigitRows();
    if (!digitRows) {
      nest({});
      return {};
    }
    auto onMatrixUnit = [&] {
      emitDigitRowProducts();
      return Values();
    };
    b.ifElse(emitDigitRows(), onMatrixUnit, [&] { return nest({}); });
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
  if (auto found = findMultiples()) {
    multiples = found;
    Value fits = emitMultiples();
    auto inReals = [&] {
      multiples.reset();
      emitVariant({}, false);
      return Values();
    };
    auto inIntegers = [&] {
      if (multiples->digits)
        emitDigitProducts();
      else
        emitVariant({}, false);
      return Values();
    };
    b.ifElse(fits, inIntegers, inReals);
    return t.setTile(op.getResult(), result.tile);
  }
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

void cpu::emitTileEinsum(TileLowering &t, tile::EinsumOp op) {
  EinsumEmitter emitter(t, op);
  // Not while what was asked for is read.
  if (llvm::any_of(op.getTiles(),
                   [&](Value x) { return t.isAskedFor(t.tile(x)); }))
    return emitter.emit();
  t.askMeanwhile([&] { emitter.emit(); });
}
