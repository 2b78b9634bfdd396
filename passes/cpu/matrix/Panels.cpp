//===- Panels.cpp - a tensor laid out for the matrix unit -------*- C++ -*-===//
#include "passes/cpu/matrix/Panels.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "passes/cpu/matrix/Amx.h"
#include "passes/cpu/matrix/Pieces.h"

using namespace mlir;
using namespace attn;
using namespace attn::cpu;
using arith::CmpIPredicate;

ArrayRef<StringAttr> Panels::ranks() const {
  tile::LoadOp load = product.left;
  return cast<NamedTensorType>(load.getTensor().getType()).getRanks();
}

Type Panels::element() const {
  tile::LoadOp load = product.left;
  return cast<NamedTensorType>(load.getTensor().getType()).getElementType();
}

Value Panels::tileOffset(CodeBuilder &b, Value block, Value half,
                         Value k) const {
  int64_t depthTiles = product.depth / amx::tileDepth;
  Value quad = b.add(b.mul(block, b.i64(depthTiles)), k);
  return b.add(b.mul(quad, b.i64(product.pieces * pieceBytes)),
               b.mul(half, b.i64(amx::tileBytes)));
}

Value Panels::tileWith(CodeBuilder &b, Value block, Value column,
                       Value depth) const {
  auto divided = [&](Value x, int64_t by) {
    return arith::DivUIOp::create(b, x, b.i64(by));
  };
  Value half = b.bitAnd(divided(column, amx::tileRows), b.i64(1));
  Value offset = tileOffset(b, divided(column, 2 * amx::tileRows), half,
                            divided(depth, amx::tileDepth));
  return b.gep(b.getI8Type(), block, offset);
}

Value Panels::blocksOfRows(CodeBuilder &b, Extent extent) const {
  return b.createOrFold<arith::CeilDivSIOp>(extent(ranks()[product.rowAxis]),
                                            b.i64(blockRows()));
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
      arith::DivUIOp::create(b, indices[product.rowAxis], b.i64(blockRows()));
  block = b.add(b.mul(block, blocksOfRows(b, extent)), step);
  Value zeros = b.sub(items(b, extent), b.i64(1));
  return b.select(inside, block, zeros);
}

//===----------------------------------------------------------------------===//
// A block
//===----------------------------------------------------------------------===//

Panels::Source Panels::sourceOf(CodeBuilder &b, const Storage &s, Value item,
                                Extent extent) const {
  Value zeros =
      b.compare(CmpIPredicate::eq, item, b.sub(items(b, extent), b.i64(1)));
  auto some = [&](Value size) { return b.max(size, b.i64(1)); };
  Value rest = item, count = some(blocksOfRows(b, extent));
  Value first =
      b.mul(arith::RemUIOp::create(b, rest, count), b.i64(blockRows()));
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
  Value rows =
      b.select(zeros, b.i64(0), b.sub(extent(ranks()[product.rowAxis]), first));
  return {s,      b.add(origin, b.mul(first, rowStride)),
          rows,   rowStride,
          stride, b.compare(CmpIPredicate::eq, stride, b.i64(1))};
}

/// Are 16 elements from `column` on in the tensor? Null: yes.
Value Panels::hasColumns(CodeBuilder &b, Value column) const {
  if (!product.isPadded())
    return {};
  return b.compare(CmpIPredicate::sle, b.add(column, b.i64(16)),
                   b.i64(width()));
}

/// 16 elements of a row to the element `to` of `scratch`; 0 beyond the tensor.
void Panels::fetch(TileLowering &t, const Source &from, Value row, Value column,
                   Value scratch, Value to) const {
  CodeBuilder &b = t.b;
  Type code = b.getIntegerType(element().getIntOrFloatBitWidth());
  Value at = b.add(from.origin, b.add(b.mul(row, from.rowStride),
                                      b.mul(column, from.stride)));
  Value inside = b.compare(CmpIPredicate::slt, row, from.rows);
  t.scalarLoop(b.i64(0), b.i64(16), {}, [&](Value i, ValueRange) {
    Value isThere = inside;
    if (product.isPadded())
      isThere = b.bitAnd(inside, b.compare(CmpIPredicate::slt, b.add(column, i),
                                           b.i64(width())));
    Value x = b.ifElse(
        isThere,
        [&]() -> TileLowering::Values {
          return {t.load(code, from.storage.base,
                         b.add(at, b.mul(from.stride, i)))};
        },
        [&]() -> TileLowering::Values { return {b.integer(code, 0)}; })[0];
    t.store(x, scratch, b.add(to, i));
    return TileLowering::Values();
  });
}

void Panels::emitRows(TileLowering &t, const Source &from, Value block,
                      Value scratch) const {
  CodeBuilder &b = t.b;
  Type elements = VectorType::get({16}, element());
  auto reals = VectorType::get({16}, b.getF32Type());
  auto halves = VectorType::get({16}, b.getI16Type());
  t.loop(b.i64(0), b.i64(blockRows()), 1, [&](Value row) {
    Value hasRow =
        b.bitAnd(from.isPlain, b.compare(CmpIPredicate::slt, row, from.rows));
    Value start = b.add(from.origin, b.mul(row, from.rowStride));
    Value rowInTile = b.bitAnd(row, b.i64(amx::tileRows - 1));
    t.loop(b.i64(0), b.i64(product.depth), 16, [&](Value column) {
      Value isThere = b.both(hasRow, hasColumns(b, column));
      b.ifThen(b.bitNot(isThere),
               [&] { fetch(t, from, row, column, scratch, b.i64(0)); });
      Value there = b.gep(element(), from.storage.base, b.add(start, column));
      Value x = t.load(elements, b.select(isThere, there, scratch), b.i64(0));
      Value at = b.add(b.mul(rowInTile, b.i64(amx::tileDepth)),
                       b.bitAnd(column, b.i64(amx::tileDepth - 1)));
      Value tile = tileWith(b, block, row, column);
      for (Value piece : alikePieces(b, b.convert(x, reals), product.pieces)) {
        Value high =
            arith::ShRUIOp::create(b, piece, b.integer(piece.getType(), 16));
        t.store(arith::TruncIOp::create(b, halves, high), tile, at);
        at = b.add(at, b.i64(pieceBytes / 2));
      }
    });
  });
}

/// 0 where the exponent has all bits, which `wrong` is told.
static Value finite(CodeBuilder &b, Value bits, int64_t exponent,
                    Value &wrong) {
  Value most = b.integer(bits.getType(), exponent);
  Value bad = b.compare(CmpIPredicate::eq, b.bitAnd(bits, most), most);
  wrong = wrong ? b.bitOr(wrong, bad) : bad;
  return b.select(bad, b.integer(bits.getType(), 0), bits);
}

static Value isAny(CodeBuilder &b, Value lanes) {
  return vector::ReductionOp::create(b, vector::CombiningKind::OR, lanes);
}

/// Of 32 rows of bf16, `step` elements apart: pairs as words, turned.
static Value turnRows(TileLowering &t, Value row, Value step, Value tile) {
  CodeBuilder &b = t.b;
  auto shorts = VectorType::get({16}, b.getI16Type());
  auto words = VectorType::get({16}, b.getI32Type());
  auto halves = VectorType::get({32}, b.getI16Type());
  Value ahead = b.mul(step, b.i64(amx::tileDepth));
  auto nextWord = [&]() -> Value {
    // The machine does not see that the next tile's rows follow.
    b.prefetch(b.gep(shorts.getElementType(), row, ahead));
    Value x = t.load(shorts, row, b.i64(0));
    row = b.gep(shorts.getElementType(), row, step);
    return arith::ExtUIOp::create(b, words, x);
  };
  Value wrong;
  SmallVector<Value> turned;
  for (int64_t i = 0; i < amx::tileRows; ++i) {
    Value low = nextWord();
    Value high = arith::ShLIOp::create(b, nextWord(), b.integer(words, 16));
    Value pair =
        finite(b, vector::BitCastOp::create(b, halves, b.bitOr(low, high)),
               0x7f80, wrong);
    turned.push_back(vector::BitCastOp::create(b, words, pair));
  }
  transpose(b, turned);
  for (auto [i, value] : llvm::enumerate(turned))
    t.store(value, tile, b.i64(16 * i));
  return isAny(b, wrong);
}

/// The same of longer elements: the words of every piece are put into its tile
/// and turned there, for they are more than there are registers.
static Value turnPieces(TileLowering &t, Type element, int64_t pieces,
                        Value row, Value step, Value tile) {
  CodeBuilder &b = t.b;
  Type elements = VectorType::get({16}, element);
  auto words = VectorType::get({16}, b.getI32Type());
  auto reals = VectorType::get({16}, b.getF32Type());
  constexpr int64_t pieceWords = Panels::pieceBytes / 4;
  Value any = t.loop(b.i64(0), b.i64(amx::tileRows), 1, {b.boolean(false)},
                     [&](Value i, ValueRange carried) -> TileLowering::Values {
                       SmallVector<Value> rows[2];
                       Value wrong, at = b.mul(b.mul(i, b.i64(2)), step);
                       for (auto &parts : rows) {
                         Value x = b.convert(t.load(elements, row, at), reals);
                         x = finite(b, arith::BitcastOp::create(b, words, x),
                                    0x7f800000, wrong);
                         parts = alikePieces(
                             b, arith::BitcastOp::create(b, reals, x), pieces);
                         at = b.add(at, step);
                       }
                       Value to = b.mul(i, b.i64(16));
                       for (auto [even, odd] : llvm::zip(rows[0], rows[1])) {
                         t.store(pairOf(b, even, odd), tile, to);
                         to = b.add(to, b.i64(pieceWords));
                       }
                       return {b.bitOr(carried.front(), isAny(b, wrong))};
                     })[0];
  t.loop(b.i64(0), b.i64(pieces), 1, [&](Value piece) {
    Value at = b.mul(piece, b.i64(pieceWords));
    SmallVector<Value> turned;
    for (int64_t i = 0; i < amx::tileRows; ++i)
      turned.push_back(t.load(words, tile, b.add(at, b.i64(16 * i))));
    transpose(b, turned);
    for (auto [i, value] : llvm::enumerate(turned))
      t.store(value, tile, b.add(at, b.i64(16 * i)));
  });
  return any;
}

/// Pairs of rows as words, turned.
void Panels::emitTurned(TileLowering &t, const Source &from, Value block,
                        Value flag, Value scratch) const {
  CodeBuilder &b = t.b;
  int64_t depthTiles = product.depth / amx::tileDepth;
  int64_t columnTiles = product.columns / amx::tileRows;
  t.loop(b.i64(0), b.i64(depthTiles), 1, [&](Value depthTile) {
    Value depth = b.mul(depthTile, b.i64(amx::tileDepth));
    t.loop(b.i64(0), b.i64(columnTiles), 1, [&](Value columnTile) {
      Value column = b.mul(columnTile, b.i64(amx::tileRows));
      // Rows are read where they are, if they are all there.
      Value isThere =
          b.bitAnd(from.isPlain,
                   b.compare(CmpIPredicate::sle,
                             b.add(depth, b.i64(amx::tileDepth)), from.rows));
      isThere = b.both(isThere, hasColumns(b, column));
      b.ifThen(b.bitNot(isThere), [&] {
        t.loop(b.i64(0), b.i64(amx::tileDepth), 1, [&](Value row) {
          fetch(t, from, b.add(depth, row), column, scratch,
                b.mul(row, b.i64(16)));
        });
      });
      Value at =
          b.add(from.origin, b.add(b.mul(depth, from.rowStride), column));
      Value row =
          b.select(isThere, b.gep(element(), from.storage.base, at), scratch);
      Value step = b.select(isThere, from.rowStride, b.i64(16));
      Value tile = tileWith(b, block, column, depth);
      Value any = product.pieces == 1 ? turnRows(t, row, step, tile)
                                      : turnPieces(t, element(), product.pieces,
                                                   row, step, tile);
      b.ifThen(any, [&] { b.store(b.integer(b.getI8Type(), 1), flag); });
    });
  });
}

void Panels::emitBlock(TileLowering &t, const Storage &s, Value memory,
                       Value item, Value scratch, Extent extent) const {
  CodeBuilder &b = t.b;
  Source from = sourceOf(b, s, item, extent);
  Value block = address(b, memory, item);
  Value flag = flagAddress(b, memory, item, extent);
  b.store(b.integer(b.getI8Type(), 0), flag);
  if (product.turned)
    emitTurned(t, from, block, flag, scratch);
  else
    emitRows(t, from, block, scratch);
}
