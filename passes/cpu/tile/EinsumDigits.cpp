//===- EinsumDigits.cpp - codes times reals on the matrix unit --*- C++ -*-===//
// As EinsumIntegers.cpp has them, but the multiples' digits are the columns of
// right operands: rows of codes are left ones where they lie. A row of the sums
// is a code's row, with four rows of reals and the digits of each side by side:
//
//     a0 a1 a2 -   b0 b1 b2 -   c0 c1 c2 -   d0 d1 d2 -
//===----------------------------------------------------------------------===//
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "passes/cpu/matrix/Amx.h"
#include "passes/cpu/tile/Digits.h"
#include "passes/cpu/tile/EinsumEmitter.h"

using namespace mlir;
using namespace attn;
using namespace attn::cpu;

/// Rows of reals that a right operand has, rows of codes in a left one, and
/// what a product reduces.
constexpr int64_t realRows = 4, codeRows = 16, codeDepth = 64;

static int64_t tilesOf(int64_t rows) {
  return llvm::divideCeil(rows, realRows);
}

bool EinsumEmitter::suitsMatrixUnit(const Multiples &found) const {
  const Operand &codes = operands[found.codes];
  int64_t points = dims[codes.dims[0]].fixed;
  return b.target.amx && rank == 2 && result.isLast(codes.dims[0]) &&
         result.tile.element.isF32() && !codes.tile.rows && points > 0 &&
         points % codeRows == 0;
}

int64_t EinsumEmitter::digitBytes(const Multiples &found) {
  return tilesOf(found.rows) * found.depth / codeDepth * amx::tileBytes;
}

/// Sixteen multiples of a row, from column `first` on.
void EinsumEmitter::storeDigits(Value numbers, Value row, int64_t first) {
  Value bytes = digits::split(b, numbers);
  Value tile = b.add(b.mul(arith::DivUIOp::create(b, row, b.i64(realRows)),
                           b.i64(multiples->depth / codeDepth)),
                     b.i64(first / codeDepth));
  Value start =
      b.add(b.mul(tile, b.i64(amx::tileBytes)),
            b.mul(arith::RemUIOp::create(b, row, b.i64(realRows)), b.i64(16)));
  for (int64_t quarter = 0; quarter < 4; ++quarter) {
    auto picks = llvm::to_vector(llvm::seq(quarter * 16, quarter * 16 + 16));
    int64_t line = first % codeDepth / 4 + quarter;
    t.store(vector::ShuffleOp::create(b, bytes, bytes, picks),
            multiples->digits, b.add(start, b.i64(line * 64)));
  }
}

/// All points of the result.
void EinsumEmitter::emitDigitProducts() {
  const Operand &reals = operands[multiples->reals];
  const Operand &operand = operands[multiples->codes];
  const Tile &codes = operand.tile;
  int64_t points = dims[operand.dims[0]].fixed;
  int64_t chunks = multiples->depth / codeDepth;
  Type ints = t.vectorOf(b.getI32Type());
  Value line = b.i64(64), sums = t.takeMemory(b.getI32Type(), points * 16);
  auto at = [&](Value base, Value offset) {
    return b.gep(b.getI8Type(), base, offset);
  };

  // Some blocks of rows at a time, so that no product waits for another.
  int64_t blocks = points / codeRows;
  int64_t together = blocks % 4 == 0 ? 4 : blocks % 2 == 0 ? 2 : 1;
  auto multiply = [&](int64_t tile, Value point) {
    Values firsts, totals;
    for (int64_t i = 0; i < together; ++i) {
      firsts.push_back(b.add(point, b.i64(i * codeRows)));
      totals.push_back(amx::zero(b));
    }
    for (int64_t chunk = 0; chunk < chunks; ++chunk) {
      int64_t number = tile * chunks + chunk;
      Value right = amx::load(
          b, at(multiples->digits, b.i64(number * amx::tileBytes)), line);
      for (auto [first, total] : llvm::zip(firsts, totals)) {
        Value from =
            b.add(b.mul(first, codes.strides[0]), b.i64(chunk * codeDepth));
        Value left = amx::load(b, at(codes.base, from), codes.strides[0]);
        total = amx::multiplyBytes(b, total, left, right);
      }
    }
    for (auto [first, total] : llvm::zip(firsts, totals))
      amx::store(b, total, at(sums, b.mul(first, line)), line);
  };
  // The sums of sixteen rows of codes as reals.
  auto join = [&](int64_t tile, Value point) {
    // Each row's unit in its quarter.
    auto four = VectorType::get({realRows}, b.getF32Type());
    Value units = t.load(four, multiples->units, b.i64(tile * realRows));
    SmallVector<int64_t> picks;
    for (int64_t lane = 0; lane < 16; ++lane)
      picks.push_back(lane / 4);
    units = vector::ShuffleOp::create(b, units, units, picks);
    Values joined;
    for (int64_t first = 0; first < codeRows; first += 4) {
      Values rows;
      for (int64_t i = 0; i < 4; ++i)
        rows.push_back(t.load(
            ints, sums, b.mul(b.add(point, b.i64(first + i)), b.i64(16))));
      Values byDigit = digits::turnWords(b, rows);
      byDigit.pop_back();
      joined.push_back(b.mul(digits::join(b, byDigit), units));
    }
    Values whole = digits::turnQuarters(b, joined);
    for (int64_t i = 0; i < realRows; ++i) {
      int64_t row = tile * realRows + i;
      if (row == multiples->rows)
        break;
      Values coordinates(2, point);
      coordinates[result.dims[0] == reals.dims[0] ? 0 : 1] = b.i64(row);
      t.store(whole[i], result.tile.base,
              TileLowering::offset(b, coordinates, result.tile.strides));
    }
  };

  for (int64_t tile = 0; tile < tilesOf(multiples->rows); ++tile) {
    t.loop(b.i64(0), b.i64(points), together * codeRows,
           [&](Value point) { multiply(tile, point); });
    t.loop(b.i64(0), b.i64(points), codeRows, [&](Value point) {
      if (tile == 0)
        t.ask(arith::DivUIOp::create(b, point, b.i64(codeRows)), blocks, 2);
      join(tile, point);
    });
  }
}
