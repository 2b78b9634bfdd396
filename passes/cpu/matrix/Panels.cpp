//===- Panels.cpp - a tensor laid out for the matrix unit -------*- C++ -*-===//
#include "passes/cpu/matrix/Panels.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "passes/cpu/matrix/Amx.h"

using namespace mlir;
using namespace attn;
using namespace attn::cpu;
using arith::CmpIPredicate;

ArrayRef<StringAttr> Panels::ranks() const {
  tile::LoadOp load = product.left;
  return cast<NamedTensorType>(load.getTensor().getType()).getRanks();
}

Value Panels::blocksOfRows(CodeBuilder &b, Extent extent) const {
  return b.createOrFold<arith::CeilDivSIOp>(extent(ranks()[product.rowAxis]),
                                            b.i64(product.depth));
}

Value Panels::items(CodeBuilder &b, Extent extent) const {
  Value count = blocksOfRows(b, extent);
  for (auto [axis, rank] : llvm::enumerate(ranks().drop_back()))
    if (axis != product.rowAxis)
      count = b.mul(count, extent(rank));
  return b.add(count, b.i64(1)); // the last one is zeros
}

Value Panels::bytes(CodeBuilder &b, Extent extent) const {
  return b.mul(items(b, extent), b.i64(blockBytes() + 1));
}

Value Panels::address(CodeBuilder &b, Value memory, Value block) const {
  return b.gep(b.getI8Type(), memory, b.mul(block, b.i64(blockBytes())));
}

Value Panels::flagAddress(CodeBuilder &b, Value memory, Value block,
                          Extent extent) const {
  Value offset = b.add(b.mul(items(b, extent), b.i64(blockBytes())), block);
  return b.gep(b.getI8Type(), memory, offset);
}

Value Panels::blockOf(CodeBuilder &b, ArrayRef<Value> indices,
                      Extent extent) const {
  Value block = b.i64(0), inside;
  for (auto [axis, rank] : llvm::enumerate(ranks().drop_back())) {
    inside = b.both(inside, b.ult(indices[axis], extent(rank)));
    if (axis != product.rowAxis)
      block = b.add(b.mul(block, extent(rank)), indices[axis]);
  }
  Value step =
      arith::DivUIOp::create(b, indices[product.rowAxis], b.i64(product.depth));
  block = b.add(b.mul(block, blocksOfRows(b, extent)), step);
  Value zeros = b.sub(items(b, extent), b.i64(1));
  return b.select(inside, block, zeros);
}

void Panels::emitTurn(TileLowering &t, const Storage &s, Value memory,
                      Value item, Value scratch, Extent extent) const {
  CodeBuilder &b = t.b;
  auto shorts = VectorType::get({16}, b.getI16Type());
  auto words = VectorType::get({16}, b.getI32Type());
  Value zeros =
      b.compare(CmpIPredicate::eq, item, b.sub(items(b, extent), b.i64(1)));
  // The block's first point, and how many of its rows there are.
  auto some = [&](Value size) { return b.max(size, b.i64(1)); };
  Value rest = item, count = some(blocksOfRows(b, extent));
  Value first =
      b.mul(arith::RemUIOp::create(b, rest, count), b.i64(product.depth));
  rest = arith::DivUIOp::create(b, rest, count);
  Value origin = b.i64(0);
  for (size_t axis = ranks().size() - 1; axis-- > 0;) {
    if (axis == product.rowAxis)
      continue;
    Value size = some(extent(ranks()[axis]));
    origin = b.add(
        origin, b.mul(arith::RemUIOp::create(b, rest, size), s.strides[axis]));
    rest = arith::DivUIOp::create(b, rest, size);
  }
  Value rowStride = s.strides[product.rowAxis], stride = s.strides.back();
  origin = b.add(origin, b.mul(first, rowStride));
  Value rows =
      b.select(zeros, b.i64(0), b.sub(extent(ranks()[product.rowAxis]), first));
  Value isPlain = b.compare(CmpIPredicate::eq, stride, b.i64(1));

  // A row of a tile into scratch memory.
  auto fetch = [&](Value number, Value column, Value to) {
    Value at =
        b.add(origin, b.add(b.mul(number, rowStride), b.mul(column, stride)));
    Value inside = b.compare(CmpIPredicate::slt, number, rows);
    t.scalarLoop(b.i64(0), b.i64(16), {}, [&](Value i, ValueRange) {
      Value x = b.ifElse(
          inside,
          [&]() -> TileLowering::Values {
            return {
                t.load(b.getI16Type(), s.base, b.add(at, b.mul(stride, i)))};
          },
          [&]() -> TileLowering::Values {
            return {b.integer(b.getI16Type(), 0)};
          })[0];
      t.store(x, scratch, b.add(to, i));
      return TileLowering::Values();
    });
  };
  auto halves = VectorType::get({32}, b.getI16Type());
  Value exponent = b.integer(halves, 0x7f80);
  Value block = address(b, memory, item);
  Value flag = flagAddress(b, memory, item, extent);
  b.store(b.integer(b.getI8Type(), 0), flag);
  int64_t depthTiles = product.depth / amx::tileDepth;
  int64_t columnTiles = product.columns / amx::tileRows;
  t.loop(b.i64(0), b.i64(depthTiles), 1, [&](Value depthTile) {
    Value depth = b.mul(depthTile, b.i64(amx::tileDepth));
    t.loop(b.i64(0), b.i64(columnTiles), 1, [&](Value columnTile) {
      Value column = b.mul(columnTile, b.i64(amx::tileRows));
      // Rows are read where they are, if they are all there.
      Value isThere = b.bitAnd(
          isPlain, b.compare(CmpIPredicate::sle,
                             b.add(depth, b.i64(amx::tileDepth)), rows));
      b.ifThen(b.bitNot(isThere), [&] {
        t.loop(b.i64(0), b.i64(amx::tileDepth), 1, [&](Value row) {
          fetch(b.add(depth, row), column, b.mul(row, b.i64(16)));
        });
      });
      Value at = b.add(origin, b.add(b.mul(depth, rowStride), column));
      Value from =
          b.select(isThere, b.gep(b.getI16Type(), s.base, at), scratch);
      Value step = b.select(isThere, rowStride, b.i64(16));
      // Pairs of rows as words, then turned.
      SmallVector<Value> turned;
      Value wrong, row = from, ahead = b.mul(step, b.i64(amx::tileDepth));
      auto nextRow = [&] {
        // The machine does not see that the next tile's rows follow.
        b.prefetch(b.gep(b.getI16Type(), row, ahead));
        Value x = t.load(shorts, row, b.i64(0));
        row = b.gep(b.getI16Type(), row, step);
        return arith::ExtUIOp::create(b, words, x);
      };
      for (int64_t i = 0; i < 16; ++i) {
        Value low = nextRow();
        Value high = arith::ShLIOp::create(b, nextRow(), b.integer(words, 16));
        Value pair = vector::BitCastOp::create(b, halves, b.bitOr(low, high));
        Value bad =
            b.compare(CmpIPredicate::eq, b.bitAnd(pair, exponent), exponent);
        wrong = wrong ? b.bitOr(wrong, bad) : bad;
        pair = b.select(bad, b.integer(halves, 0), pair);
        turned.push_back(vector::BitCastOp::create(b, words, pair));
      }
      Value any =
          vector::ReductionOp::create(b, vector::CombiningKind::OR, wrong);
      b.ifThen(any, [&] { b.store(b.integer(b.getI8Type(), 1), flag); });
      transpose(b, turned);
      Value tile = b.add(b.mul(columnTile, b.i64(depthTiles)), depthTile);
      Value to = b.mul(tile, b.i64(amx::tileBytes / 4));
      for (auto [i, value] : llvm::enumerate(turned))
        t.store(value, block, b.add(to, b.i64(16 * i)));
    });
  });
}
