//===- Stream.cpp - the stream of a kernel on a matrix unit -----*- C++ -*-===//
#include "passes/cpu/matrix/Stream.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/Matchers.h"
#include "passes/cpu/matrix/Amx.h"

using namespace mlir;
using namespace attn;
using namespace attn::cpu;
using arith::CmpIPredicate;

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

MatrixStream::Layout::Layout(const MatrixRoles &roles) {
  auto take = [&](int64_t size) {
    int64_t offset = bytes;
    // A few lines apart, so that they do not start in the same sets.
    bytes += (size + 63) / 64 * 64 + 5 * 64;
    return offset;
  };
  zeros = take(64);
  for (const MatrixProduct &p : roles.products) {
    Offsets offsets;
    if (p.isLate) {
      offsets.factor = take(2 * roles.rows * roles.lanes * 2);
      offsets.spare = take(p.columns * roles.lanes * 4);
    } else {
      offsets.right = take(p.depth * roles.lanes * 2);
      offsets.scores = take(2 * roles.rows * roles.lanes * 4);
      offsets.copy = take(p.columns * p.depth * 2);
    }
    products.push_back(offsets);
  }
}

int64_t cpu::matrixScratchBytes(const MatrixRoles &roles) {
  return MatrixStream::Layout(roles).bytes;
}

MatrixStream::MatrixStream(TileLowering &t, const MatrixRoles &roles,
                           Value scratch, ArrayRef<Value> panels)
    : t(t), b(t.b), roles(roles), stream(roles.stream), layout(roles),
      scratch(scratch), panels(panels) {}

/// One of two places, by turns.
Value MatrixStream::place(int64_t offset, int64_t bytes, Value step) {
  Value turn = b.mul(b.bitAnd(step, b.i64(1)), b.i64(bytes));
  return b.gep(b.getI8Type(), place(offset), turn);
}

Value MatrixStream::factor(const MatrixProduct &p, Value step) {
  return place(layout.products[&p - roles.products.data()].factor,
               roles.rows * roles.lanes * 2, step);
}

Value MatrixStream::scores(const MatrixProduct &p, Value step) {
  return place(layout.products[&p - roles.products.data()].scores,
               roles.rows * roles.lanes * 4, step);
}

/// Rows read the early products of `step`.
void MatrixStream::showScores(Value step) {
  for (const MatrixProduct &p : roles.products) {
    if (p.isLate)
      continue;
    Tile tile = t.buffer(p.op->getResult(0));
    tile.base = scores(p, step);
    tile.strides = {b.i64(roles.lanes), b.i64(1)};
    t.setTile(p.op->getResult(0), tile);
  }
}

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

/// Rows of the operand, with zeros for what is outside of the tensor.
MatrixStream::Left MatrixStream::copied(const MatrixProduct &p,
                                        const Storage &s, Values first) {
  Value to = place(layout.products[&p - roles.products.data()].copy);
  Value inside;
  size_t last = first.size() - 1;
  for (size_t axis = 0; axis < last; ++axis)
    if (axis != p.rowAxis)
      inside = b.both(inside, b.ult(first[axis], s.extents[axis]));
  t.loop(b.i64(0), b.i64(p.columns), 1, [&](Value row) {
    Values at = first;
    at[p.rowAxis] = b.add(at[p.rowAxis], row);
    Value there = b.both(inside, b.ult(at[p.rowAxis], s.extents[p.rowAxis]));
    Value offset = StorageMap::offset(b, s, at);
    t.loop(b.i64(0), b.i64(p.depth), 1, [&](Value column) {
      Value from = b.add(offset, b.mul(column, s.strides[last]));
      Value x = b.ifElse(
                     there,
                     [&]() -> Values {
                       return {t.load(b.getI16Type(), s.base, from)};
                     },
                     [&]() -> Values { return {b.integer(b.getI16Type(), 0)}; })
                    .front();
      t.store(x, to, b.add(b.mul(row, b.i64(p.depth)), column));
    });
  });
  return {to, b.i64(p.depth * 2), {}};
}

/// The left operand at a step; the step's scalars are those of `step` after.
MatrixStream::Left MatrixStream::left(const MatrixProduct &p, Value step) {
  enter(step);
  tile::LoadOp load = p.left;
  const Storage &s = t.outside.storage(load.getTensor());
  TileRegion region(b, t.outside, b.getF32Type(), t.full);
  region.capture(t.scalars, load.getIndices());
  Block &block = load.getIndices().front();
  for (Value argument : block.getArguments())
    region.bindCoordinate(argument, b.i64(0));
  Values first;
  for (const Scalar &index : region.emit(block)) {
    Value i = wideInteger(b, index);
    first.push_back(index.present ? b.select(index.present, i, b.i64(-1)) : i);
  }
  auto extent = [&](StringAttr rank) { return t.outside.extent(rank); };
  if (p.turned) {
    Panels layout(p);
    Value memory = panels[&p - roles.products.data()];
    Value number = layout.blockOf(b, first, extent);
    return {layout.address(b, memory, number), b.i64(amx::tileBytes / 16),
            layout.flagAddress(b, memory, number, extent)};
  }
  // In place, where whole rows are there.
  size_t last = first.size() - 1;
  Value inside = b.compare(CmpIPredicate::eq, s.strides[last], b.i64(1));
  for (size_t axis = 0; axis < last; ++axis) {
    inside = b.both(inside, b.ult(first[axis], s.extents[axis]));
    if (axis == p.rowAxis)
      inside = b.both(inside, b.compare(CmpIPredicate::sle,
                                        b.add(first[axis], b.i64(p.columns)),
                                        s.extents[axis]));
  }
  Value offset = b.mul(StorageMap::offset(b, s, first), b.i64(2));
  Left direct{b.gep(b.getI8Type(), s.base, offset),
              b.mul(s.strides[p.rowAxis], b.i64(2)),
              {}};
  Values chosen = b.ifElse(
      inside, [&]() -> Values { return {direct.pointer, direct.stride}; },
      [&]() -> Values {
        Left copy = copied(p, s, first);
        return {copy.pointer, copy.stride};
      });
  return {chosen[0], chosen[1], {}};
}

void MatrixStream::quads(const MatrixProduct &p,
                         function_ref<Value(int, Value)> a, Value aStride,
                         Value right, ArrayRef<Value> start, Value firstQuad,
                         Values &carried, Slice slice,
                         function_ref<void(ArrayRef<Value>)> end) {
  Values all(start);
  llvm::append_range(all, carried);
  Value stride = b.i64(roles.lanes * 4);
  int64_t depthTiles = p.depth / amx::tileDepth;
  all =
      t.loop(b.i64(0), b.i64(depthTiles), 1, all, [&](Value k, ValueRange in) {
        Values sums(in.take_front(4)), rest(in.drop_front(4));
        Value quad = b.add(firstQuad, k);
        Value from = b.gep(b.getI8Type(), right,
                           b.mul(k, b.i64(amx::tileRows * roles.lanes * 4)));
        Value x = amx::load(b, a(0, k), aStride, /*once=*/true);
        Value y0 = amx::load(b, from, stride);
        Value y1 =
            amx::load(b, b.gep(b.getI8Type(), from, int64_t(64)), stride);
        sums[0] = amx::multiply(b, sums[0], x, y0);
        sums[1] = amx::multiply(b, sums[1], x, y1);
        rest = slice(quad, 0, rest);
        x = amx::load(b, a(1, k), aStride, /*once=*/true);
        sums[2] = amx::multiply(b, sums[2], x, y0);
        sums[3] = amx::multiply(b, sums[3], x, y1);
        rest = slice(quad, 1, rest);
        sums.append(rest);
        return sums;
      });
  end(ArrayRef(all).take_front(4));
  carried.assign(all.begin() + 4, all.end());
}

/// Pointers to the 2 x 2 tiles of f32 from row `row` on.
static SmallVector<Value> corners(CodeBuilder &b, Value base, Value row,
                                  int64_t lanes) {
  SmallVector<Value> result;
  for (int64_t i = 0; i < 2; ++i)
    for (int64_t j = 0; j < 2; ++j) {
      Value at = b.mul(b.add(row, b.i64(16 * i)), b.i64(lanes * 4));
      result.push_back(b.gep(b.getI8Type(), base, b.add(at, b.i64(64 * j))));
    }
  return result;
}

MatrixStream::Values MatrixStream::early(const MatrixProduct &p,
                                         const Left &left, Value step,
                                         Values carried, Slice slice) {
  Value right = place(layout.products[&p - roles.products.data()].right);
  Value to = scores(p, step), stride = b.i64(roles.lanes * 4);
  int64_t depthTiles = p.depth / amx::tileDepth;
  return t.loop(
      b.i64(0), b.i64(p.columns / 32), 1, carried,
      [&](Value block, ValueRange in) {
        Values rest(in), zeros;
        for (int i = 0; i < 4; ++i) // cheaper than zeroing a tile
          zeros.push_back(amx::load(b, place(layout.zeros), b.i64(0)));
        Value row = b.mul(block, b.i64(32));
        auto a = [&](int half, Value k) {
          Value at = b.mul(b.add(row, b.i64(16 * half)), left.stride);
          return b.gep(b.getI8Type(), left.pointer,
                       b.add(at, b.mul(k, b.i64(64))));
        };
        quads(p, a, left.stride, right, zeros, b.mul(block, b.i64(depthTiles)),
              rest, slice, [&](ArrayRef<Value> sums) {
                for (auto [sum, pointer] :
                     llvm::zip(sums, corners(b, to, row, roles.lanes)))
                  amx::store(b, sum, pointer, stride);
              });
        return rest;
      });
}

MatrixStream::Values MatrixStream::late(const MatrixProduct &p,
                                        const Left &left, Value step, Value to,
                                        Values carried, Slice slice) {
  Value right = factor(p, step), stride = b.i64(roles.lanes * 4);
  int64_t depthTiles = p.depth / amx::tileDepth;
  return t.loop(b.i64(0), b.i64(p.columns / 32), 1, carried,
                [&](Value block, ValueRange in) {
                  Values rest(in), start;
                  SmallVector<Value> places =
                      corners(b, to, b.mul(block, b.i64(32)), roles.lanes);
                  for (Value pointer : places)
                    start.push_back(amx::load(b, pointer, stride));
                  auto a = [&](int half, Value k) {
                    Value row = b.add(b.mul(block, b.i64(2)), b.i64(half));
                    Value tile = b.add(b.mul(row, b.i64(depthTiles)), k);
                    return b.gep(b.getI8Type(), left.pointer,
                                 b.mul(tile, b.i64(amx::tileBytes)));
                  };
                  quads(p, a, left.stride, right, start,
                        b.mul(block, b.i64(depthTiles)), rest, slice,
                        [&](ArrayRef<Value> sums) {
                          for (auto [sum, pointer] : llvm::zip(sums, places))
                            amx::store(b, sum, pointer, stride);
                        });
                  return rest;
                });
}

/// Adds what the turned operand lacks: products with what is not finite, for
/// the lanes that have the point.
void MatrixStream::correct(const MatrixProduct &p, const Left &left, Value step,
                           Value to) {
  Value flag = b.load(b.getI8Type(), left.flag);
  Value any = b.compare(CmpIPredicate::ne, flag, b.integer(b.getI8Type(), 0));
  b.ifThen(any, [&] {
    enter(step);
    tile::LoadOp load = p.left;
    const Storage &s = t.outside.storage(load.getTensor());
    TileRegion region(b, t.outside, b.getF32Type(), t.full);
    region.capture(t.scalars, load.getIndices());
    Block &block = load.getIndices().front();
    for (Value argument : block.getArguments())
      region.bindCoordinate(argument, b.i64(0));
    Values first;
    for (const Scalar &index : region.emit(block))
      first.push_back(wideInteger(b, index));
    Value origin = StorageMap::offset(b, s, first);
    Value rows =
        b.min(b.sub(s.extents[p.rowAxis], first[p.rowAxis]), b.i64(p.depth));
    Value weights = factor(p, step);
    Type ints = t.vectorOf(b.getI32Type()), reals = t.vectorOf(b.getF32Type());
    t.loop(b.i64(0), rows, 1, [&](Value row) {
      t.loop(b.i64(0), b.i64(p.columns), 1, [&](Value column) {
        Value at = b.add(origin, b.add(b.mul(row, s.strides[p.rowAxis]),
                                       b.mul(column, s.strides.back())));
        Value raw =
            b.convert(t.load(b.getI16Type(), s.base, at), b.getI32Type());
        Value exponent = b.i32(0x7f80);
        Value wrong =
            b.compare(CmpIPredicate::eq, b.bitAnd(raw, exponent), exponent);
        b.ifThen(wrong, [&] {
          Value x = arith::BitcastOp::create(
              b, b.getF32Type(), arith::ShLIOp::create(b, raw, b.i32(16)));
          Value pair = b.mul(arith::DivUIOp::create(b, row, b.i64(2)),
                             b.i64(roles.lanes));
          Value odd =
              b.compare(CmpIPredicate::ne, b.bitAnd(row, b.i64(1)), b.i64(0));
          for (int64_t lane = 0; lane < roles.lanes; lane += t.lanes()) {
            Value words = t.load(ints, weights, b.add(pair, b.i64(lane)));
            Value high = b.bitAnd(words, b.integer(ints, int32_t(0xffff0000)));
            Value low = arith::ShLIOp::create(b, words, b.integer(ints, 16));
            Value bits = b.select(odd, high, low);
            Value present =
                b.compare(CmpIPredicate::ne, bits, b.integer(ints, INT32_MIN));
            Value weight = arith::BitcastOp::create(b, reals, bits);
            Value offset =
                b.add(b.mul(column, b.i64(roles.lanes)), b.i64(lane));
            Value old = t.load(reals, to, offset);
            Value sum = math::FmaOp::create(b, weight, b.splat(x, reals), old);
            t.store(b.select(present, sum, old), to, offset);
          }
        });
      });
    });
  });
}

//===----------------------------------------------------------------------===//
// Steps
//===----------------------------------------------------------------------===//

/// Scalars of the body, at `step`.
void MatrixStream::enter(Value step) {
  Block &body = stream.getBody().front();
  t.scalars.bindCoordinate(body.getArgument(0), step);
  for (Operation &op : body)
    if (!isa<tile::LoadOp, tile::EinsumOp, tile::YieldOp>(op))
      t.scalars.emit(&op);
}

void MatrixStream::placeTiles() {
  for (Operation &op : stream.getBody().front())
    for (Value result : op.getResults())
      if (isa<tile::TileType>(result.getType())) {
        places[result] = t.buffer(result);
        t.setTile(result, places[result]);
      }
}

void MatrixStream::settle(Value value) {
  Tile tile = t.tile(value);
  if (tile.isMasked())
    t.settleMask(tile);
  t.setTile(value, places[value]);
}

void MatrixStream::loads() {
  for (auto load : stream.getBody().getOps<tile::LoadOp>())
    if (!roles.isLeft(load)) {
      emitTileLoad(t, load, /*mayView=*/false);
      settle(load.getResult());
    }
}

void MatrixStream::emitAll(ArrayRef<tile::EinsumOp> ops) {
  for (tile::EinsumOp op : ops) {
    emitTileEinsum(t, op);
    settle(op.getResult());
  }
}

RowPhase MatrixStream::lastPhase(Value step, bool isFull) {
  return RowPhase(
      t, roles, roles.phases.back(), isFull ? b.boolean(true) : Value(),
      [this, step](const MatrixProduct &p) { return factor(p, step); });
}

void MatrixStream::runPhase(RowPhase phase) {
  if (phase.isEmpty())
    return;
  Values sums = phase.begin();
  phase.end(phase.pairs(b.i64(0), b.i64(roles.rows / 2), sums));
}

void MatrixStream::untilLastPhase(Value step, bool isFull) {
  t.full = isFull ? b.boolean(true) : Value();
  t.scalars.setFull(t.full);
  for (const MatrixRoles::Phase &phase : ArrayRef(roles.phases).drop_back()) {
    emitAll(phase.laneOps);
    runPhase(
        RowPhase(t, roles, phase, t.full, [this, step](const MatrixProduct &p) {
          return factor(p, step);
        }));
  }
  emitAll(roles.phases.back().laneOps);
}

/// An accumulator is repaired in place; by ones not at all.
void MatrixStream::repair(const MatrixProduct &p) {
  if (!p.repair)
    return;
  tile::EinsumOp op = p.repair;
  Value state = stream.getBody().getArgument(1 + p.state);
  auto emitIt = [&] { emitTileEinsum(t, op); };
  // state * factor, the factor one of lanes alone?
  Block &block = op.getMap().front();
  auto product = block.back().getOperand(0).getDefiningOp<MapOp>();
  Value factor;
  if (product && product.getFn() == Fn::mul && op.getTiles().size() == 2 &&
      op.getTiles()[0] == state) {
    Value x = block.getArgument(2), y = block.getArgument(3);
    auto other = cast<tile::TileType>(op.getTiles()[1].getType());
    if (product.getOperand(0) == x && product.getOperand(1) == y &&
        other.getRanks().size() == 1 && other.getElementType().isF32() &&
        !other.getMasked())
      factor = op.getTiles()[1];
  }
  if (!factor)
    return emitIt();
  Value moves;
  for (int64_t lane = 0; lane < roles.lanes; lane += t.lanes()) {
    Type reals = t.vectorOf(b.getF32Type());
    Value x = t.load(reals, t.tile(factor).base, b.i64(lane));
    Value differs = b.compare(CmpIPredicate::ne, x, b.real(reals, 1));
    moves = moves ? b.bitOr(moves, differs) : differs;
  }
  b.ifThen(vector::ReductionOp::create(b, vector::CombiningKind::OR, moves),
           emitIt);
}

void MatrixStream::moveStates() {
  Block &body = stream.getBody().front();
  SmallVector<std::pair<Tile, Tile>, 0> moves;
  for (auto [i, next] : llvm::enumerate(body.back().getOperands())) {
    if (llvm::any_of(roles.products, [&](const MatrixProduct &p) {
          return p.isLate && p.state == i;
        }))
      continue;
    Tile from = t.tile(next), to = t.tile(body.getArgument(1 + i));
    if (from.base == to.base)
      continue;
    if (from.isMasked())
      t.settleMask(from);
    moves.emplace_back(from, to);
  }
  for (auto &[from, to] : moves)
    t.copyTile(from, to);
}

static SmallVector<Value> nothing(Value, int64_t, SmallVector<Value> values) {
  return values;
}

void MatrixStream::serialStep(Value step) {
  enter(step);
  t.full = {};
  t.scalars.setFull({});
  loads();
  for (const MatrixProduct &p : roles.products)
    if (!p.isLate)
      early(p, left(p, step), step, {}, nothing);
  showScores(step);
  untilLastPhase(step, false);
  runPhase(lastPhase(step, false));
  emitAll(roles.lastOps);
  for (const MatrixProduct &p : roles.products) {
    if (!p.isLate)
      continue;
    repair(p);
    Left at = left(p, step);
    Value to = t.tile(stream.getBody().getArgument(1 + p.state)).base;
    late(p, at, step, to, {}, nothing);
    correct(p, at, step, to);
  }
  moveStates();
}

void MatrixStream::pipeline(Value low, Value high) {
  Value one = b.i64(1), last = b.sub(high, one);
  auto accumulator = [&](const MatrixProduct &p) {
    return t.tile(stream.getBody().getArgument(1 + p.state)).base;
  };
  auto spare = [&](const MatrixProduct &p) {
    return place(layout.products[&p - roles.products.data()].spare);
  };
  Value full = b.boolean(true);
  t.full = full;
  t.scalars.setFull(full);
  for (const MatrixProduct &p : roles.products)
    if (!p.isLate)
      early(p, left(p, low), low, {}, nothing);
  enter(low);
  loads();
  showScores(low);
  untilLastPhase(low, true);

  // Pairs of rows for each quad of tile products.
  int64_t quadsAll = 0, pairs = roles.rows / 2;
  for (const MatrixProduct &p : roles.products)
    quadsAll += p.columns / 32 * (p.depth / amx::tileDepth);
  int64_t share = pairs / quadsAll;

  t.loop(low, last, 1, [&](Value step) {
    Value next = b.add(step, one);
    Value before = b.max(b.sub(step, one), low);
    // The step before the first one goes where nobody looks.
    Value isFirst = b.compare(CmpIPredicate::eq, step, low);
    SmallVector<Left> lefts;
    SmallVector<Value> targets;
    for (const MatrixProduct &p : roles.products) {
      lefts.push_back(left(p, p.isLate ? before : next));
      targets.push_back(p.isLate ? b.select(isFirst, spare(p), accumulator(p))
                                 : Value());
    }
    enter(step);
    showScores(step);
    RowPhase phase = lastPhase(step, true);
    Values sums = phase.begin();
    int64_t quadsBefore = 0;
    for (auto [p, at, to] : llvm::zip(roles.products, lefts, targets)) {
      auto slice = [&](Value quad, int64_t part, Values carried) {
        // Half of the rows after each half of the quad, if there are enough.
        int64_t low = 0, high = share;
        if (share >= 4)
          (part ? low : high) = share / 2;
        else if (part == 0)
          high = 0;
        Value first = b.mul(b.add(quad, b.i64(quadsBefore)), b.i64(share));
        for (int64_t i = low; i < high; ++i)
          carried = phase.pair(b.add(first, b.i64(i)), carried);
        return carried;
      };
      sums = p.isLate ? late(p, at, before, to, sums, slice)
                      : early(p, at, next, sums, slice);
      quadsBefore += p.columns / 32 * (p.depth / amx::tileDepth);
    }
    if (share * quadsAll < pairs)
      sums = phase.pairs(b.i64(share * quadsAll), b.i64(pairs), sums);
    phase.end(sums);
    emitAll(roles.lastOps);
    for (auto [p, at, to] : llvm::zip(roles.products, lefts, targets))
      if (p.isLate) {
        correct(p, at, before, to);
        repair(p);
      }
    moveStates();
    enter(next);
    loads();
    showScores(next);
    untilLastPhase(next, true);
  });

  // The last two late products and the last rows.
  enter(last);
  showScores(last);
  runPhase(lastPhase(last, true));
  emitAll(roles.lastOps);
  Value before = b.max(b.sub(last, one), low);
  Value isFirst = b.compare(CmpIPredicate::eq, last, low);
  for (const MatrixProduct &p : roles.products) {
    if (!p.isLate)
      continue;
    Value to = b.select(isFirst, spare(p), accumulator(p));
    Left at = left(p, before);
    late(p, at, before, to, {}, nothing);
    correct(p, at, before, to);
    enter(last);
    repair(p);
    at = left(p, last);
    late(p, at, last, accumulator(p), {}, nothing);
    correct(p, at, last, accumulator(p));
  }
  moveStates();
}

//===----------------------------------------------------------------------===//
// The stream
//===----------------------------------------------------------------------===//

/// Right operands from before the stream, in pairs of rows.
void MatrixStream::prepare() {
  Type reals = t.vectorOf(b.getF32Type());
  t.store(b.integer(t.vectorOf(b.getI32Type()), 0), place(layout.zeros),
          b.i64(0));
  for (const MatrixProduct &p : roles.products) {
    if (p.isLate)
      continue;
    const Tile &tile = t.tile(p.right);
    Value to = place(layout.products[&p - roles.products.data()].right);
    t.loop(b.i64(0), b.i64(p.depth / 2), 1, [&](Value pair) {
      for (int64_t lane = 0; lane < roles.lanes; lane += t.lanes()) {
        Value rows[2];
        for (int64_t i = 0; i < 2; ++i) {
          Value row = b.add(b.mul(pair, b.i64(2)), b.i64(i));
          rows[i] =
              t.load(reals, tile.base,
                     TileLowering::offset(b, {row, b.i64(lane)}, tile.strides));
        }
        t.store(packPair(b, rows[0], rows[1]), to,
                b.add(b.mul(pair, b.i64(roles.lanes)), b.i64(lane)));
      }
    });
  }
}

void MatrixStream::emitStream() {
  t.startStates(stream);
  placeTiles();
  prepare();
  Value lower = t.integer(stream.getLower());
  Value upper = b.max(t.integer(stream.getUpper()), lower);
  Value fullLower = upper, fullUpper = upper;
  if (!roles.isClassified) {
    fullLower = b.min(b.max(t.integer(stream.getFullLower()), lower), upper);
    fullUpper =
        b.min(b.max(t.integer(stream.getFullUpper()), fullLower), upper);
  }
  auto outer = t.full;
  auto serial = [&](Value low, Value high) {
    t.loop(low, high, 1, [&](Value step) {
      if (!roles.isClassified)
        return serialStep(step);
      Block &classify = stream.getClassify().front();
      t.scalars.bindCoordinate(classify.getArgument(0), step);
      t.scalars.setFull({});
      t.emitBlock(classify);
      b.ifThen(t.holds(classify.back().getOperand(0)),
               [&] { serialStep(step); });
    });
  };
  if (roles.isClassified) {
    serial(lower, upper);
  } else {
    // Before and after the full steps, by the same code.
    t.loop(b.i64(0), b.i64(2), 1, [&](Value part) {
      Value isFirst = b.compare(CmpIPredicate::eq, part, b.i64(0));
      serial(b.select(isFirst, lower, fullUpper),
             b.select(isFirst, fullLower, upper));
      Value some = b.compare(CmpIPredicate::slt, fullLower, fullUpper);
      b.ifThen(b.bitAnd(isFirst, some),
               [&] { pipeline(fullLower, fullUpper); });
    });
  }
  t.full = outer;
  t.scalars.setFull(outer);
  t.finishStates(stream);
}

bool MatrixStream::emit(Operation &op) {
  if (&op != stream.getOperation())
    return false;
  emitStream();
  return true;
}
