//===- Stream.cpp - the stream of a kernel on a matrix unit -----*- C++ -*-===//
#include "passes/cpu/matrix/Stream.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/Matchers.h"
#include "passes/cpu/matrix/Amx.h"
#include "passes/cpu/matrix/Pieces.h"
#include "passes/cpu/tile/Index.h"

using namespace mlir;
using namespace attn;
using namespace attn::cpu;
using arith::CmpIPredicate;

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

/// Of the ranges that start() leaves at a point.
constexpr int64_t rangeBytes = 6 * 8;

MatrixStream::Layout::Layout(const MatrixRoles &roles) : order(roles) {
  auto takeOf = [](int64_t &bytes, int64_t size) {
    int64_t offset = bytes;
    // A few lines apart, so that they do not start in the same sets.
    bytes += (size + 63) / 64 * 64 + 5 * 64;
    return offset;
  };
  auto take = [&](int64_t size) { return takeOf(bytes, size); };
  zeros = take(64);
  takeOf(pointBytes, rangeBytes); // first, where all can find it
  for (const MatrixProduct &p : roles.products) {
    Offsets offsets;
    if (p.isLate) {
      offsets.factor = take(2 * rightBytes(roles, p));
      offsets.spare = take(p.columns * roles.lanes * 4);
    } else {
      offsets.right = takeOf(pointBytes, rightBytes(roles, p));
      offsets.scores = take(Ring(roles, order, p).bytes());
      offsets.again = take(roles.rows * roles.lanes * 4);
      if (!p.isLaidOut())
        offsets.copy = take(2 * copyBytes(roles, p));
    }
    products.push_back(offsets);
  }
}

int64_t MatrixStream::pointBytes(const MatrixRoles &roles) {
  return Layout(roles).pointBytes;
}

int64_t MatrixStream::scratchBytes(const MatrixRoles &roles) {
  return Layout(roles).bytes;
}

int64_t MatrixStream::stepBytes(const MatrixRoles &roles) {
  StepOrder order(roles);
  int64_t bytes = 0;
  for (const MatrixProduct &p : roles.products)
    bytes +=
        p.isLate
            ? 2 * Layout::rightBytes(roles, p) + p.columns * roles.lanes * 4
            : Layout::rightBytes(roles, p) + Ring(roles, order, p).bytes();
  return bytes;
}

int64_t MatrixStream::zerosAt(const MatrixRoles &roles) {
  return Layout(roles).zeros;
}

MatrixStream::MatrixStream(TileLowering &t, const MatrixRoles &roles,
                           Value point, Value scratch, ArrayRef<Value> panels)
    : t(t), b(t.b), roles(roles), stream(roles.stream), layout(roles),
      point(point), scratch(scratch), panels(panels),
      reference(findReference(roles)) {}

Value MatrixStream::right(const MatrixProduct &p) {
  return b.gep(b.getI8Type(), point, offsetsOf(p).right);
}

Value MatrixStream::isFirst(const MatrixProduct &p, Value step) {
  if (!p.startsAtZero)
    return {};
  return b.compare(CmpIPredicate::eq, step, rangeAt(b, point).low);
}

/// One of two places, by turns.
Value MatrixStream::factor(const MatrixProduct &p, Value turn) {
  Value offset =
      b.mul(b.bitAnd(turn, b.i64(1)), b.i64(Layout::rightBytes(roles, p)));
  return b.gep(b.getI8Type(), place(offsetsOf(p).factor), offset);
}

Value MatrixStream::spare(const MatrixProduct &p) {
  return place(offsetsOf(p).spare);
}

void MatrixStream::showScores(bool isAgain) {
  shown.resize(roles.products.size());
  for (auto [p, offsets, first] :
       llvm::zip(roles.products, layout.products, shown)) {
    if (p.isLate)
      continue;
    Tile tile = t.buffer(p.op->getResult(0));
    tile.base = place(isAgain ? offsets.again : offsets.scores);
    tile.strides = {b.i64(roles.lanes), b.i64(1)};
    t.setTile(p.op->getResult(0), tile);
    first = isAgain ? Value() : Ring(roles, layout.order, p).first(b, turn);
  }
}

void MatrixStream::seek(Value pair) {
  for (auto [p, offsets, first] :
       llvm::zip(roles.products, layout.products, shown)) {
    if (p.isLate || !first)
      continue;
    Ring ring(roles, layout.order, p);
    Value number = arith::DivUIOp::create(b, pair, b.i64(Ring::rows / 2));
    Value offset = b.sub(ring.offset(b, first, number),
                         b.mul(number, b.i64(ring.blockBytes)));
    Tile tile = t.tile(p.op->getResult(0));
    tile.base = b.gep(b.getI8Type(), place(offsets.scores), offset);
    t.setTile(p.op->getResult(0), tile);
  }
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

void MatrixStream::setFull(Value full) {
  t.full = full;
  t.scalars.setFull(full);
}

void MatrixStream::byFull(function_ref<void(bool)> rows) {
  if (!t.full || matchPattern(t.full, m_One()))
    return rows(t.full != nullptr);
  auto variant = [&](bool isFull) {
    return [&, isFull] {
      rows(isFull);
      return Values();
    };
  };
  b.ifElse(t.full, variant(true), variant(false));
}

RowPhase MatrixStream::rowPhase(const MatrixRoles::Phase &phase, bool isFull,
                                bool fused) {
  return RowPhase(t, roles, phase, isFull ? b.boolean(true) : Value(), fused,
                  [this](const MatrixProduct &p) { return factor(p, turn); });
}

void MatrixStream::runPhase(RowPhase phase, int64_t pairs) {
  if (phase.isEmpty())
    return;
  Values sums = phase.begin();
  phase.end(phase.pairs(b.i64(0), b.i64(pairs), sums,
                        [this](Value pair) { seek(pair); }));
}

void MatrixStream::untilLastPhase(int64_t pairs) {
  for (const MatrixRoles::Phase &phase : ArrayRef(roles.phases).drop_back()) {
    emitAll(phase.laneOps);
    byFull([&](bool isFull) { runPhase(rowPhase(phase, isFull), pairs); });
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
  Value factor;
  if (scales(op, state)) {
    Value other = op.getTiles()[op.getTiles()[0] == state];
    auto type = cast<tile::TileType>(other.getType());
    if (type.getRanks().size() == 1 && type.getElementType().isF32() &&
        !type.getMasked())
      factor = other;
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

void MatrixStream::serialStep(Value step) {
  turn = step;
  enter(step);
  setFull({});
  loads();
  computeAgain(step);
  untilLastPhase();
  runPhase(rowPhase(roles.phases.back(), /*isFull=*/false), allPairs());
  emitAll(roles.lastOps);
  for (const MatrixProduct &p : roles.products) {
    if (!p.isLate)
      continue;
    repair(p);
    Left at = left(p, step, turn);
    Value weights = factor(p, turn), to = accumulator(p);
    late(p, b.i64(0), p.columns / Ring::rows, at, weights, to, {}, {},
         nothing());
    correct(p, at, weights, step, to);
  }
  moveStates();
}

//===----------------------------------------------------------------------===//
// The stream
//===----------------------------------------------------------------------===//

/// Pairs of rows from rows of a tensor, words of it turned.
void MatrixStream::prepareDirectly(const MatrixProduct &p) {
  Left from =
      rowsOf(p.right.getDefiningOp<tile::LoadOp>(),
             {*p.laneAxis, roles.lanes, p.depth}, place(offsetsOf(p).copy));
  Value to = right(p);
  Type words = t.vectorOf(b.getI32Type());
  int64_t n = t.lanes();
  t.loop(b.i64(0), b.i64(p.depth / 2), n, [&](Value pair) {
    for (int64_t lane = 0; lane < roles.lanes; lane += n) {
      Values rows;
      for (int64_t i = 0; i < n; ++i)
        rows.push_back(t.load(words,
                              b.gep(b.getI8Type(), from.pointer,
                                    b.mul(b.i64(lane + i), from.stride)),
                              pair));
      transpose(b, rows);
      for (auto [i, row] : llvm::enumerate(rows))
        t.store(row, to,
                b.add(b.mul(b.add(pair, b.i64(i)), b.i64(roles.lanes)),
                      b.i64(lane)));
    }
  });
}

/// Right operands from before the stream, in pairs of rows.
void MatrixStream::prepare() {
  Type reals = t.vectorOf(b.getF32Type());
  for (const MatrixProduct &p : roles.products) {
    if (p.isLate)
      continue;
    if (p.laneAxis) {
      prepareDirectly(p);
      continue;
    }
    const Tile &tile = t.tile(p.right);
    Value to = right(p);
    t.loop(b.i64(0), b.i64(p.depth / 2), 1, [&](Value pair) {
      for (int64_t lane = 0; lane < roles.lanes; lane += t.lanes()) {
        Value rows[2];
        for (int64_t i = 0; i < 2; ++i) {
          Value row = b.add(b.mul(pair, b.i64(2)), b.i64(i));
          rows[i] =
              t.load(reals, tile.base,
                     TileLowering::offset(b, {row, b.i64(lane)}, tile.strides));
        }
        Value at = b.add(b.mul(pair, b.i64(roles.lanes)), b.i64(lane));
        if (p.pieces == 1) {
          t.store(packPair(b, rows[0], rows[1], 1).front(), to, at);
          continue;
        }
        for (auto [even, odd] : llvm::zip(alikePieces(b, rows[0], p.pieces),
                                          alikePieces(b, rows[1], p.pieces))) {
          t.store(pairOf(b, even, odd), to, at);
          at = b.add(at, b.i64(roles.rightPieceBytes(p) / 4));
        }
      }
    });
  }
}

std::pair<Value, Value> MatrixStream::range() {
  Value lower = t.integer(stream.getLower());
  return {lower, b.max(t.integer(stream.getUpper()), lower)};
}

MatrixStream::Range MatrixStream::rangeAt(CodeBuilder &b, Value point) {
  Value values[6];
  for (auto [i, value] : llvm::enumerate(values))
    value = b.load(b.getI64Type(), b.gep(b.getI64Type(), point, int64_t(i)));
  return {values[0], values[1], values[2], values[3], values[4], values[5]};
}

std::pair<Value, Value> MatrixStream::start() {
  for (Operation &op : *stream->getBlock()) {
    if (&op == stream.getOperation())
      break;
    auto isPrepared = [&](const MatrixProduct &p) {
      return p.laneAxis && p.right.getDefiningOp() == &op;
    };
    if (llvm::any_of(roles.products, isPrepared))
      continue;
    auto isLeftOut = [&](const MatrixProduct &p) {
      return p.startsAtZero && stream.getInit()[p.state].getDefiningOp() == &op;
    };
    if (llvm::any_of(roles.products, isLeftOut)) {
      t.setTile(op.getResult(0), t.buffer(op.getResult(0)));
      continue;
    }
    // Other pieces of code look for tiles in their own memory.
    if (auto load = dyn_cast<tile::LoadOp>(op))
      emitTileLoad(t, load, /*mayView=*/false);
    else
      t.emit(op);
    for (Value result : op.getResults())
      if (isa<tile::TileType>(result.getType()))
        if (Tile tile = t.tile(result); tile.isMasked()) {
          t.settleMask(tile);
          t.setTile(result, tile);
        }
  }
  t.startStates(stream);
  prepare();
  auto [low, high] = range();
  Value from = stream.getFrom(), to = stream.getTo();
  Value values[] = {low,
                    high,
                    t.integer(stream.getFullLower()),
                    t.integer(stream.getFullUpper()),
                    from ? t.integer(from) : b.i64(0),
                    to ? t.integer(to) : b.mul(high, b.i64(roles.rows))};
  for (auto [i, value] : llvm::enumerate(values))
    b.store(value, b.gep(b.getI64Type(), point, int64_t(i)));
  // Nobody else sets the sums of a point without steps.
  b.ifThen(b.compare(CmpIPredicate::sge, low, high), [&] {
    for (const MatrixProduct &p : roles.products)
      if (p.startsAtZero)
        t.fill(t.tile(stream.getBody().getArgument(1 + p.state)),
               b.real(b.getF32Type(), 0), true);
  });
  return {low, high};
}

void MatrixStream::resume() {
  for (Operation &op : *stream->getBlock()) {
    if (&op == stream.getOperation())
      break;
    if (isa<tile::StoreOp>(op))
      continue;
    if (op.getNumResults() && isa<tile::TileType>(op.getResult(0).getType()))
      t.setTile(op.getResult(0), t.buffer(op.getResult(0)));
    else
      t.scalars.emit(&op);
  }
  for (Value state : stream.getBody().getArguments().drop_front())
    t.setTile(state, t.buffer(state));
  placeTiles();
}

void MatrixStream::run(Value low, Value high) {
  auto clip = [&](Value x) { return b.min(b.max(x, low), high); };
  auto [lower, upper] = range();
  t.loop(clip(lower), clip(upper), 1, [&](Value step) {
    Block &classify = stream.getClassify().front();
    t.scalars.bindCoordinate(classify.getArgument(0), step);
    t.scalars.setFull({});
    t.emitBlock(classify);
    b.ifThen(t.holds(classify.back().getOperand(0)), [&] { serialStep(step); });
  });
}

void MatrixStream::finish() {
  t.finishStates(stream);
  bool isAfter = false;
  for (Operation &op : *stream->getBlock()) {
    if (isAfter)
      t.emit(op);
    isAfter |= &op == stream.getOperation();
  }
}
