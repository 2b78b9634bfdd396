//===- StreamMemory.cpp - where a stream keeps what -------------*- C++ -*-===//
// The memory of a grid point and of a worker, and the places in it that move
// from step to step.
#include "passes/cpu/matrix/Stream.h"

using namespace mlir;
using namespace attn;
using namespace attn::cpu;
using arith::CmpIPredicate;

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
