//===- EinsumDigitRows.cpp - sums over rows of codes ------------*- C++ -*-===//
// On the matrix unit. Reals, as multiples of a power of 2 a row with 30 bits,
// are left operands of four rows with four digits each; codes are right ones,
// fours of rows interleaved, 64 columns at a time: a strip. What a product
// reduces may be in any order,
//
//     place 16 l + 4 j + i  of a tile is point 16 j + 4 l + i,
//
// and so may columns: of tile q, 4 l + i is column 16 l + 4 q + i of the strip.
//===----------------------------------------------------------------------===//
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "passes/cpu/matrix/Amx.h"
#include "passes/cpu/tile/Digits.h"
#include "passes/cpu/tile/EinsumEmitter.h"

using namespace mlir;
using namespace attn;
using namespace attn::cpu;

constexpr int64_t rowsOfTile = 4, depthOfTile = 64, stripColumns = 64,
                  stripTiles = 4;
constexpr int64_t mostRows = 16, mostDepth = 256;
constexpr int64_t bits = 30;

std::optional<EinsumEmitter::DigitRows> EinsumEmitter::findDigitRows() {
  if (!b.target.amx || op.getMonoid() != Reduce::sum || !hasLanes() ||
      lanesReduced() || rank != 2 || row < 0 || reduced.size() != 1 ||
      operands.size() != 2 || !result.isLast(lane) ||
      !result.tile.element.isF32() || !isPlainProduct())
    return std::nullopt;
  if (init && (init->dims != result.dims || !init->tile.element.isF32() ||
               init->tile.isMasked()))
    return std::nullopt;
  int64_t rows = dims[row].fixed, depth = dims[reduced[0]].fixed;
  if (rows <= 0 || rows > mostRows || depth <= 0 || depth % depthOfTile ||
      depth > mostDepth || dims[lane].fixed <= 0 ||
      dims[lane].fixed % stripColumns)
    return std::nullopt;
  for (unsigned reals = 0; reals < 2; ++reals) {
    const Operand &x = operands[reals], &y = operands[1 - reals];
    auto isMatrix = [](const Operand &operand, int64_t first, int64_t last) {
      return operand.dims.size() == 2 && operand.dims[0] == first &&
             operand.dims[1] == last && !operand.tile.rows;
    };
    if (isMatrix(x, row, reduced[0]) && isMatrix(y, reduced[0], lane) &&
        !x.tile.codes && x.tile.element.isF32() && isCode(y.tile))
      return DigitRows{reals, 1 - reals};
  }
  return std::nullopt;
}

/// The reals as digits; are they finite?
Value EinsumEmitter::emitDigitRows() {
  const Tile &reals = operands[digitRows->reals].tile;
  int64_t depth = dims[reduced[0]].fixed, rows = dims[row].fixed;
  int64_t tiles = depth / depthOfTile;
  Type byte = b.getI8Type();
  digitRows->digits = t.takeMemory(byte, llvm::divideCeil(rows, rowsOfTile) *
                                             tiles * amx::tileBytes);
  digitRows->strip = t.takeMemory(byte, depth * stripColumns);
  digitRows->sums = t.takeMemory(byte, stripTiles * amx::tileBytes);
  digitRows->units = t.takeMemory(b.getF32Type(), rows);
  Type ints = t.vectorOf(b.getI32Type()), floats = t.vectorOf(b.getF32Type());
  return t
      .loop(
          b.i64(0), b.i64(rows), 1, {b.boolean(true)},
          [&](Value number, ValueRange in) -> Values {
            Values numbers;
            for (int64_t at = 0; at < depth; at += t.lanes())
              numbers.push_back(t.load(
                  floats, reals.base,
                  TileLowering::offset(b, {number, b.i64(at)}, reals.strides)));
            t.ask(number, rows, 1);
            Power power = powerFor(numbers, bits);
            t.store(power.unit, digitRows->units, number);
            Value tile = arith::DivUIOp::create(b, number, b.i64(rowsOfTile));
            Value place = arith::RemUIOp::create(b, number, b.i64(rowsOfTile));
            Value start = b.add(b.mul(tile, b.i64(tiles * amx::tileBytes)),
                                b.mul(place, b.i64(4 * 64)));
            for (int64_t first = 0; first < tiles * 4; first += 4) {
              Values parts;
              for (int64_t j = 0; j < 4; ++j) {
                Value whole = math::RoundEvenOp::create(
                    b, b.mul(numbers[first + j], b.splat(power.scale, floats)));
                parts.push_back(
                    digits::split(b, arith::FPToSIOp::create(b, ints, whole)));
              }
              parts = digits::turnWords(b, parts);
              for (auto [digit, x] : llvm::enumerate(parts))
                t.store(x, digitRows->digits,
                        b.add(start, b.i64(first / 4 * amx::tileBytes +
                                           int64_t(digit) * 64)));
            }
            return {b.bitAnd(in[0], power.isFinite)};
          })
      .front();
}

void EinsumEmitter::emitDigitRowProducts() {
  const Tile &codes = operands[digitRows->codes].tile;
  auto bytes = VectorType::get({64}, b.getI8Type());
  Type ints = t.vectorOf(b.getI32Type()), floats = t.vectorOf(b.getF32Type());
  int64_t depth = dims[reduced[0]].fixed, rows = dims[row].fixed;
  int64_t tiles = depth / depthOfTile;
  Value line = b.i64(64);
  auto at = [&](Value base, int64_t offset) {
    return b.gep(b.getI8Type(), base, b.i64(offset));
  };
  // Sixteen rows of codes.
  auto fillStrip = [&](Value column, Value point) {
    Value inTile = arith::RemUIOp::create(b, point, b.i64(depthOfTile));
    Value to = b.add(b.mul(b.sub(point, inTile), b.i64(stripColumns)),
                     b.mul(inTile, b.i64(4)));
    for (int64_t l = 0; l < 4; ++l) {
      Values x;
      for (int64_t i = 0; i < 4; ++i)
        x.push_back(t.load(
            bytes, codes.base,
            TileLowering::offset(b, {b.add(point, b.i64(4 * l + i)), column},
                                 codes.strides)));
      Values pairs, fours;
      for (bool last : {false, true})
        for (int64_t i : {0, 2})
          pairs.push_back(digits::interleave(b, x[i], x[i + 1], 1, last));
      for (int64_t i : {0, 2})
        for (bool last : {false, true})
          fours.push_back(
              digits::interleave(b, pairs[i], pairs[i + 1], 2, last));
      for (auto [q, four] : llvm::enumerate(fours))
        t.store(four, digitRows->strip,
                b.add(to, b.i64(int64_t(q) * amx::tileBytes + l * 256)));
    }
  };
  auto multiply = [&](int64_t rowTile) {
    Values totals;
    for (int64_t q = 0; q < stripTiles; ++q)
      totals.push_back(amx::zero(b));
    for (int64_t tile = 0; tile < tiles; ++tile) {
      int64_t left = (rowTile * tiles + tile) * amx::tileBytes;
      Value x = amx::load(b, at(digitRows->digits, left), line);
      for (auto [q, total] : llvm::enumerate(totals)) {
        int64_t right = (tile * stripTiles + int64_t(q)) * amx::tileBytes;
        Value y = amx::load(b, at(digitRows->strip, right), line);
        total = amx::multiplyBytes(b, total, x, y);
      }
    }
    for (auto [q, total] : llvm::enumerate(totals))
      amx::store(b, total, at(digitRows->sums, int64_t(q) * amx::tileBytes),
                 line);
  };
  // Row `i` of a tile's four, as reals.
  auto join = [&](Value column, int64_t rowTile, int64_t i) {
    Value number = b.i64(rowTile * rowsOfTile + i);
    Value unit = t.load(b.getF32Type(), digitRows->units, number);
    Values joined;
    for (int64_t q = 0; q < stripTiles; ++q) {
      Values sums;
      for (int64_t digit = 0; digit < 4; ++digit)
        sums.push_back(t.load(ints, digitRows->sums,
                              b.i64(q * 256 + (i * 4 + digit) * 16)));
      joined.push_back(b.mul(digits::join(b, sums), b.splat(unit, floats)));
    }
    for (auto [l, sum] : llvm::enumerate(digits::turnQuarters(b, joined))) {
      Values to{number, b.add(column, b.i64(int64_t(l) * 16))};
      if (init)
        sum =
            b.add(sum, t.load(floats, init->tile.base,
                              TileLowering::offset(b, to, init->tile.strides)));
      t.store(sum, result.tile.base,
              TileLowering::offset(b, to, result.tile.strides));
    }
  };

  int64_t strips = dims[lane].fixed / stripColumns;
  int64_t share = t.unasked() / (strips * rows);
  t.loop(b.i64(0), b.i64(dims[lane].fixed), stripColumns, [&](Value column) {
    t.loop(b.i64(0), b.i64(depth), 16,
           [&](Value point) { fillStrip(column, point); });
    Value strip = arith::DivUIOp::create(b, column, b.i64(stripColumns));
    for (int64_t number = 0; number < rows; ++number) {
      if (number % rowsOfTile == 0)
        multiply(number / rowsOfTile);
      t.ask(strip, strips, share);
      join(column, number / rowsOfTile, number % rowsOfTile);
    }
  });
}
