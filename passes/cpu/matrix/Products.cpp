//===- Products.cpp - products of tiles on the matrix unit ------*- C++ -*-===//
// Of MatrixStream: where operands are, blocks of 2 x 2 tiles with other code
// between their instructions, and what is added for operands that are not
// finite.
//===----------------------------------------------------------------------===//
#include "mlir/Dialect/Math/IR/Math.h"
#include "passes/cpu/matrix/Amx.h"
#include "passes/cpu/matrix/Pieces.h"
#include "passes/cpu/matrix/Stream.h"

using namespace mlir;
using namespace attn;
using namespace attn::cpu;
using arith::CmpIPredicate;

/// Rows of 16 bits, with zeros for what is outside of the tensor.
MatrixStream::Left MatrixStream::copied(const Storage &s, const Rows &rows,
                                        Values first, Value to) {
  Value inside;
  size_t last = first.size() - 1;
  for (size_t axis = 0; axis < last; ++axis)
    if (axis != rows.axis)
      inside = b.both(inside, b.ult(first[axis], s.extents[axis]));
  t.loop(b.i64(0), b.i64(rows.count), 1, [&](Value row) {
    Values at = first;
    at[rows.axis] = b.add(at[rows.axis], row);
    Value there = b.both(inside, b.ult(at[rows.axis], s.extents[rows.axis]));
    Value offset = StorageMap::offset(b, s, at);
    Value start = b.mul(row, b.i64(rows.width));
    auto copy = [&](Type type, Value column) {
      Value from = b.add(offset, b.mul(column, s.strides[last]));
      Value x =
          b.ifElse(
               there, [&]() -> Values { return {t.load(type, s.base, from)}; },
               [&]() -> Values { return {b.integer(type, 0)}; })
              .front();
      t.store(x, to, b.add(start, column));
      return Values();
    };
    Type code = b.getI16Type(), codes = VectorType::get({amx::tileDepth}, code);
    Value none = b.i64(0), width = b.i64(rows.width);
    Value isPlain = b.compare(CmpIPredicate::eq, s.strides[last], b.i64(1));
    b.ifElse(
        isPlain,
        [&] {
          return t.loop(
              none, width, amx::tileDepth, {},
              [&](Value column, ValueRange) { return copy(codes, column); });
        },
        [&] {
          return t.scalarLoop(none, width, {}, [&](Value column, ValueRange) {
            return copy(code, column);
          });
        });
  });
  return {to, b.i64(rows.width * 2), {}};
}

/// The indices of the load's first element; -1 for an absent one.
MatrixStream::Values MatrixStream::firstOf(tile::LoadOp load) {
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
  return first;
}

/// In place, where whole rows are there, else copied to `spare`.
MatrixStream::Left MatrixStream::rowsOf(tile::LoadOp load, const Rows &rows,
                                        Value spare) {
  const Storage &s = t.outside.storage(load.getTensor());
  Values first = firstOf(load);
  size_t last = first.size() - 1;
  Value inside = b.compare(CmpIPredicate::eq, s.strides[last], b.i64(1));
  for (size_t axis = 0; axis < last; ++axis) {
    inside = b.both(inside, b.ult(first[axis], s.extents[axis]));
    if (axis == rows.axis)
      inside = b.both(inside, b.compare(CmpIPredicate::sle,
                                        b.add(first[axis], b.i64(rows.count)),
                                        s.extents[axis]));
  }
  Value offset = b.mul(StorageMap::offset(b, s, first), b.i64(2));
  Left direct{b.gep(b.getI8Type(), s.base, offset),
              b.mul(s.strides[rows.axis], b.i64(2)),
              {}};
  Values chosen = b.ifElse(
      inside, [&]() -> Values { return {direct.pointer, direct.stride}; },
      [&]() -> Values {
        Left copy = copied(s, rows, first, spare);
        return {copy.pointer, copy.stride};
      });
  return {chosen[0], chosen[1], {}};
}

/// The left operand at a step; the step's scalars are those of `step` after.
MatrixStream::Left MatrixStream::left(const MatrixProduct &p, Value step,
                                      Value turn) {
  enter(step);
  if (!p.isLaidOut()) {
    // Two steps are under way.
    Value copy = b.gep(b.getI8Type(), place(offsetsOf(p).copy),
                       b.mul(b.bitAnd(turn, b.i64(1)), b.i64(copyBytes(p))));
    return rowsOf(p.left, {p.rowAxis, p.columns, p.depth}, copy);
  }
  auto extent = [&](StringAttr rank) { return t.outside.extent(rank); };
  Panels panel(p);
  Value memory = panels[numberOf(p)];
  Value number = panel.blockOf(b, firstOf(p.left), extent);
  return {panel.address(b, memory, number),
          b.i64(amx::tileBytes / amx::tileRows),
          panel.flagAddress(b, memory, number, extent)};
}

void MatrixStream::storeWaiting(ArrayRef<Value> waiting) {
  for (int i = 0; i < 2; ++i)
    amx::store(b, waiting[i], waiting[2 + i], waiting[4]);
}

/// Zeros to the line of zeros.
MatrixStream::Values MatrixStream::noneWaiting() {
  Value zeros = place(layout.zeros), tile = amx::load(b, zeros, b.i64(0));
  return {tile, tile, zeros, zeros, b.i64(0)};
}

void MatrixStream::quads(const MatrixProduct &p,
                         function_ref<Value(int, Value)> a, Value aStride,
                         Value right, function_ref<Value(int)> start,
                         Value firstQuad, Values &carried, Slice slice,
                         ArrayRef<Value> to) {
  Value stride = b.i64(roles.lanes * 4);
  SmallVector<Term> terms = termsOf(p.pieces);
  // What waits is stored behind the first products; only then is there room for
  // the sums of the lower half.
  auto quad = [&](Value k, Values sums, Values rest, ArrayRef<Value> waiting) {
    Value number = b.add(firstQuad, k);
    Value from = b.gep(b.getI8Type(), right,
                       b.mul(k, b.i64(amx::tileRows * roles.lanes * 4)));
    Value rows[2] = {a(0, k), a(1, k)};
    Value y0, y1;
    int64_t rightPiece = -1, part = 0;
    for (Term term : terms) {
      for (int half = 0; half < 2; ++half) {
        if (part == 1 && !waiting.empty())
          for (int i = 2; i < 4; ++i)
            sums[i] = start(i);
        Value at =
            b.gep(b.getI8Type(), rows[half], term.left * Panels::pieceBytes);
        Value x = amx::load(b, at, aStride, /*once=*/true);
        if (std::exchange(rightPiece, term.right) != term.right) {
          Value y =
              b.gep(b.getI8Type(), from, term.right * roles.rightPieceBytes(p));
          y0 = amx::load(b, y, stride);
          y1 = amx::load(b, b.gep(b.getI8Type(), y, int64_t(64)), stride);
        }
        sums[2 * half] = amx::multiply(b, sums[2 * half], x, y0);
        sums[2 * half + 1] = amx::multiply(b, sums[2 * half + 1], x, y1);
        if (part == 0 && !waiting.empty())
          storeWaiting(waiting);
        rest = slice.emit(number, part++, rest);
      }
    }
    sums.append(rest);
    return sums;
  };
  auto loop = [&](int64_t first, Values all) {
    return t.loop(b.i64(first), b.i64(p.depth / amx::tileDepth), 1, all,
                  [&](Value k, ValueRange in) {
                    return quad(k, in.take_front(4), in.drop_front(4), {});
                  });
  };
  auto store = [&](ArrayRef<Value> sums, int first, int last) {
    for (int i = first; i < last; ++i)
      amx::store(b, sums[i], to[i], stride);
  };
  Values all;
  if (slice.isLong) {
    for (int i = 0; i < 4; ++i)
      all.push_back(start(i));
    llvm::append_range(all, carried);
    all = loop(0, all);
    store(all, 0, 4);
    carried.assign(all.begin() + 4, all.end());
    return;
  }
  ArrayRef<Value> in = carried;
  all = quad(b.i64(0), {start(0), start(1), {}, {}},
             Values(in.drop_front(numWaiting)), in.take_front(numWaiting));
  all = loop(1, all);
  store(all, 0, 2);
  carried = {all[2], all[3], to[2], to[3], stride};
  carried.append(all.begin() + 4, all.end());
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

/// The first piece of a tile of columns 32 * block + 16 * half, laid out anew.
static Value tileAt(CodeBuilder &b, const MatrixProduct &p, Value pointer,
                    Value block, int half, Value k) {
  return b.gep(b.getI8Type(), pointer,
               Panels(p).tileOffset(b, block, b.i64(half), k));
}

MatrixStream::Values MatrixStream::early(const MatrixProduct &p, Value low,
                                         int64_t count, From from, Target to,
                                         Values carried, Slice slice) {
  int64_t depthTiles = p.depth / amx::tileDepth;
  return t.loop(
      b.i64(0), b.i64(count), 1, carried, [&](Value i, ValueRange in) {
        Values rest(in);
        auto zero = [&](int) { // cheaper than zeroing a tile
          return amx::load(b, place(layout.zeros), b.i64(0));
        };
        Value block = b.add(low, i);
        Source x = from(block);
        auto a = [&](int half, Value k) {
          if (p.isLaidOut())
            return tileAt(b, p, x.pointer, b.i64(0), half, k);
          Value row = b.mul(b.i64(16 * half), x.stride);
          return b.gep(b.getI8Type(), x.pointer,
                       b.add(row, b.mul(k, b.i64(64))));
        };
        quads(p, a, x.stride, x.right, zero, b.mul(i, b.i64(depthTiles)), rest,
              slice, corners(b, to(block), b.i64(0), roles.lanes));
        return rest;
      });
}

MatrixStream::Source MatrixStream::sourceOf(const MatrixProduct &p,
                                            const Left &left, Value block,
                                            Value right) {
  Value pointer =
      p.isLaidOut()
          ? tileAt(b, p, left.pointer, block, 0, b.i64(0))
          : b.gep(b.getI8Type(), left.pointer,
                  b.mul(b.mul(block, b.i64(Ring::rows)), left.stride));
  return {pointer, left.stride, right};
}

void MatrixStream::early(const MatrixProduct &p, const Left &left,
                         int64_t count, Target to) {
  auto from = [&](Value block) -> Source {
    return sourceOf(p, left, block, right(p));
  };
  early(p, b.i64(0), count, from, to, {}, nothing());
}

void MatrixStream::earlyAhead(const MatrixProduct &p, const Left &left) {
  Ring ring(roles, layout.order, p);
  auto to = [&](Value block) {
    return b.gep(b.getI8Type(), place(offsetsOf(p).scores),
                 ring.offset(b, b.i64(0), block));
  };
  early(p, left, layout.order.ahead, to);
}

MatrixStream::Values MatrixStream::earlyBeside(const Beside &x, Value round,
                                               Values carried, Slice slice) {
  const MatrixProduct &p = *x.product;
  Ring ring(roles, layout.order, p);
  int64_t ahead = layout.order.ahead, blocks = roles.rows / Ring::rows,
          each = blocks / layout.order.rounds;
  Value first = ring.first(b, turn);
  auto from = [&](Value block) -> Source {
    Value other = b.sub(block, b.i64(blocks - ahead));
    Source next = sourceOf(p, x.left, other, x.right);
    if (ahead == blocks)
      return next;
    Value isNext = b.compare(CmpIPredicate::sge, other, b.i64(0));
    Source ours = sourceOf(p, x.rest, b.add(block, b.i64(ahead)), x.restRight);
    return {b.select(isNext, next.pointer, ours.pointer),
            b.select(isNext, next.stride, ours.stride),
            b.select(isNext, next.right, ours.right)};
  };
  auto to = [&](Value block) {
    return b.gep(b.getI8Type(), place(offsetsOf(p).scores),
                 ring.offset(b, first, b.add(block, b.i64(ahead))));
  };
  return early(p, b.mul(round, b.i64(each)), each, from, to, std::move(carried),
               slice);
}

MatrixStream::Values MatrixStream::late(const MatrixProduct &p, Value low,
                                        int64_t count, const Left &left,
                                        Value right, Value to, Value isFirst,
                                        Values carried, Slice slice) {
  Value stride = b.i64(roles.lanes * 4), zeros = place(layout.zeros);
  int64_t depthTiles = p.depth / amx::tileDepth;
  return t.loop(
      b.i64(0), b.i64(count), 1, carried, [&](Value i, ValueRange in) {
        Values rest(in);
        Value block = b.add(low, i);
        SmallVector<Value> places =
            corners(b, to, b.mul(block, b.i64(32)), roles.lanes);
        auto start = [&](int i) {
          return isFirst ? amx::load(b, b.select(isFirst, zeros, places[i]),
                                     b.select(isFirst, b.i64(0), stride))
                         : amx::load(b, places[i], stride);
        };
        auto a = [&](int half, Value k) {
          return tileAt(b, p, left.pointer, block, half, k);
        };
        quads(p, a, left.stride, right, start, b.mul(i, b.i64(depthTiles)),
              rest, slice, places);
        return rest;
      });
}

/// Adds what the turned operand lacks: products with what is not finite, for
/// the lanes that have the point.
void MatrixStream::correct(const MatrixProduct &p, const Left &left,
                           Value right, Value step, Value to) {
  Value flag = b.load(b.getI8Type(), left.flag);
  Value any = b.compare(CmpIPredicate::ne, flag, b.integer(b.getI8Type(), 0));
  b.ifThen(any, [&] {
    enter(step);
    tile::LoadOp load = p.left;
    const Storage &s = t.outside.storage(load.getTensor());
    Type element = load.getTensor().getType().getElementType();
    Values first = firstOf(load);
    Value origin = StorageMap::offset(b, s, first);
    Value rows =
        b.min(b.sub(s.extents[p.rowAxis], first[p.rowAxis]), b.i64(p.depth));
    Type ints = t.vectorOf(b.getI32Type()), reals = t.vectorOf(b.getF32Type());
    t.loop(b.i64(0), rows, 1, [&](Value row) {
      t.loop(b.i64(0), b.i64(p.ownColumns), 1, [&](Value column) {
        Value at = b.add(origin, b.add(b.mul(row, s.strides[p.rowAxis]),
                                       b.mul(column, s.strides.back())));
        Value x = b.convert(t.load(element, s.base, at), b.getF32Type());
        Value raw = arith::BitcastOp::create(b, b.getI32Type(), x);
        Value exponent = b.i32(0x7f800000);
        Value wrong =
            b.compare(CmpIPredicate::eq, b.bitAnd(raw, exponent), exponent);
        b.ifThen(wrong, [&] {
          Value pair = b.mul(arith::DivUIOp::create(b, row, b.i64(2)),
                             b.i64(roles.lanes));
          Value odd =
              b.compare(CmpIPredicate::ne, b.bitAnd(row, b.i64(1)), b.i64(0));
          for (int64_t lane = 0; lane < roles.lanes; lane += t.lanes()) {
            Value present, weight;
            for (int64_t i = 0; i < p.pieces; ++i) {
              Value start =
                  b.add(pair, b.i64(i * roles.rightPieceBytes(p) / 4));
              Value words = t.load(ints, right, b.add(start, b.i64(lane)));
              Value high =
                  b.bitAnd(words, b.integer(ints, int32_t(0xffff0000)));
              Value low = arith::ShLIOp::create(b, words, b.integer(ints, 16));
              Value bits = b.select(odd, high, low);
              Value piece = arith::BitcastOp::create(b, reals, bits);
              if (i == 0)
                present = b.compare(CmpIPredicate::ne, bits,
                                    b.integer(ints, INT32_MIN));
              weight = i ? b.add(weight, piece) : piece;
            }
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
