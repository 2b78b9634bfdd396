//===- Stream.cpp - the stream of a kernel on a matrix unit -----*- C++ -*-===//
// What is before its steps, a run of steps one by one, and what is after them.
#include "passes/cpu/matrix/Stream.h"
#include "passes/cpu/matrix/Pieces.h"

using namespace mlir;
using namespace attn;
using namespace attn::cpu;
using arith::CmpIPredicate;

MatrixStream::MatrixStream(TileLowering &t, const MatrixRoles &roles,
                           Value point, Value scratch, ArrayRef<Value> panels)
    : t(t), b(t.b), roles(roles), stream(roles.stream), layout(roles),
      point(point), scratch(scratch), panels(panels),
      reference(findReference(roles)) {}

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

/// Zeros behind the depth that a right operand has.
void MatrixStream::clearRest(const MatrixProduct &p, Value to) {
  if (!p.isPadded())
    return;
  Type words = t.vectorOf(b.getI32Type());
  int64_t pieceWords = roles.rightPieceBytes(p) / 4;
  for (int64_t piece = 0; piece < p.pieces; ++piece) {
    int64_t first = piece * pieceWords;
    t.loop(b.i64(first + p.ownDepth / 2 * roles.lanes),
           b.i64(first + pieceWords), t.lanes(),
           [&](Value at) { t.store(b.integer(words, 0), to, at); });
  }
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
    clearRest(p, to);
    t.loop(b.i64(0), b.i64(p.ownDepth / 2), 1, [&](Value pair) {
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
