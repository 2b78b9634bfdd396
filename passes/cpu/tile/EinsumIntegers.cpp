//===- EinsumIntegers.cpp - contractions of codes in integers ---*- C++ -*-===//
// Codes of 8 bits need no conversion where reals are integers, too: multiples
// of a power of 2 a row, as large as their sums of products leave room for.
// These sums are exact, so that what multiples lose is all that is lost; where
// that is more than what sums in f32 lose (numbers much smaller than others of
// their row, infinite ones) they are not used. Of bf16 they lose nothing but of
// numbers 2^13 times smaller than others.
//===----------------------------------------------------------------------===//
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include "passes/cpu/Assembly.h"
#include "passes/cpu/tile/EinsumEmitter.h"

using namespace mlir;
using namespace attn;
using namespace attn::cpu;
using arith::CmpIPredicate;

constexpr int64_t mostRows = 16;
/// Codes in a vector.
constexpr int64_t chunk = 64;
/// Of the largest multiple. A sum has 31 bits, codes have 7.
static int64_t bitsOf(int64_t depth) {
  return 31 - 7 - llvm::Log2_64_Ceil(depth / 16);
}
constexpr int64_t lowerBits = 8;
/// What may be lost of a row, as a share of it: a few roundings of f32.
constexpr double loss = 0x1p-20;

bool EinsumEmitter::isCode(const Tile &tile) {
  return tile.codes && tile.codes.isInteger(8) &&
         !cast<IntegerType>(tile.codes).isUnsigned();
}

/// The map is x * y of the two tiles, up to conversion.
bool EinsumEmitter::isPlainProduct() {
  Block &block = op.getMap().front();
  unsigned first = dims.size();
  auto argument = [](Value value) {
    if (auto map = value.getDefiningOp<MapOp>())
      if (map.getFn() == Fn::real)
        value = map.getOperand(0);
    return dyn_cast<BlockArgument>(value);
  };
  auto product = block.back().getOperand(0).getDefiningOp<MapOp>();
  if (!product || product.getFn() != Fn::mul)
    return false;
  BlockArgument x = argument(product.getOperand(0)),
                y = argument(product.getOperand(1));
  return x && y && x != y && x.getArgNumber() >= first &&
         y.getArgNumber() >= first;
}

std::optional<EinsumEmitter::Multiples> EinsumEmitter::findMultiples() {
  if (!b.target.avx512vnni || op.getMonoid() != Reduce::sum || init ||
      !lanesReduced() || reduced.size() != 1 || operands.size() != 2 ||
      row < 0 || column < 0 || result.tile.isMasked() || !isPlainProduct())
    return std::nullopt;
  int64_t depth = dims[lane].fixed;
  if (depth <= 0 || depth % chunk || bitsOf(depth) <= 16)
    return std::nullopt;
  for (unsigned reals = 0; reals < 2; ++reals) {
    const Operand &x = operands[reals], &y = operands[1 - reals];
    auto isMatrix = [&](const Operand &operand) {
      return operand.dims.size() == 2 && operand.isLast(lane) &&
             !operand.tile.isMasked();
    };
    if (!isMatrix(x) || !isMatrix(y) || x.dims[0] == y.dims[0] ||
        x.tile.codes || x.tile.rows || !x.tile.element.isF32() ||
        !isCode(y.tile))
      continue;
    int64_t rows = dims[x.dims[0]].fixed;
    if (rows > 0 && rows <= mostRows)
      return Multiples{reals, 1 - reals, rows, depth};
  }
  return std::nullopt;
}

static Value magnitude(CodeBuilder &b, Value x) {
  Type ints = b.like(x.getType(), b.getI32Type());
  return b.bitAnd(arith::BitcastOp::create(b, ints, x),
                  b.integer(ints, INT32_MAX));
}

/// Of 2, by which no number (vectors of f32) has more than `bits` bits before
/// the point, and its inverse.
EinsumEmitter::Power EinsumEmitter::powerFor(ArrayRef<Value> numbers,
                                             int64_t bits) {
  Value largest;
  for (Value x : numbers) {
    Value size = magnitude(b, x);
    largest = largest ? arith::MaxSIOp::create(b, largest, size) : size;
  }
  // |x| * 2^n < 2^bits, for an n such that neither power leaves the range.
  Value exponent = arith::ShRUIOp::create(
      b, vector::ReductionOp::create(b, vector::CombiningKind::MAXSI, largest),
      b.i32(23));
  Value isFinite = b.compare(CmpIPredicate::slt, exponent, b.i32(255));
  exponent = arith::MaxSIOp::create(b, exponent, b.i32(bits));
  auto power = [&](Value biased) -> Value {
    return arith::BitcastOp::create(
        b, b.getF32Type(), arith::ShLIOp::create(b, biased, b.i32(23)));
  };
  return {power(b.sub(b.i32(127 + 126 + bits), exponent)),
          power(b.sub(exponent, b.i32(bits - 1))), isFinite};
}

/// The reals as multiples; do they serve?
Value EinsumEmitter::emitMultiples() {
  int64_t count = multiples->rows * multiples->depth;
  if (suitsMatrixUnit(*multiples)) {
    multiples->digits = t.takeMemory(b.getI8Type(), digitBytes(*multiples));
  } else {
    multiples->upper = t.takeMemory(b.getI16Type(), count);
    multiples->lower = t.takeMemory(b.getI8Type(), count);
  }
  multiples->units =
      t.takeMemory(b.getF32Type(), llvm::alignTo(multiples->rows, 4));
  // Once a stream, if they are from before it.
  OpBuilder::InsertionGuard guard(b);
  Value name = op.getTiles()[multiples->reals];
  if (t.streamLoop && name.getParentBlock() != op->getBlock())
    b.setInsertionPoint(t.streamLoop);
  const Tile &tile = operands[multiples->reals].tile;
  Type reals = t.vectorOf(b.getF32Type()), ints = t.vectorOf(b.getI32Type());
  int64_t bits = bitsOf(multiples->depth);
  auto row = [&](Value number, ValueRange in) -> Values {
    Values xs;
    for (int64_t at = 0; at < multiples->depth; at += t.lanes())
      xs.push_back(
          t.load(reals, tile.base,
                 TileLowering::offset(b, {number, b.i64(at)}, tile.strides)));
    Power power = powerFor(xs, bits);
    b.store(power.unit, b.gep(b.getF32Type(), multiples->units, number));
    Value most = b.integer(ints, (int64_t(1) << bits) - 1);
    Value least = b.integer(ints, 1 - (int64_t(1) << bits));
    Value total = b.real(reals, 0), lost = total;
    for (auto [i, x] : llvm::enumerate(xs)) {
      Value scaled = b.mul(x, b.splat(power.scale, reals));
      Value whole = math::RoundEvenOp::create(b, scaled);
      auto sumWith = [&](Value sum, Value y) {
        return b.add(sum, arith::BitcastOp::create(b, reals, magnitude(b, y)));
      };
      total = sumWith(total, scaled);
      lost = sumWith(lost, b.sub(scaled, whole));
      Value n = arith::FPToSIOp::create(b, ints, whole);
      n = arith::MaxSIOp::create(b, arith::MinSIOp::create(b, n, most), least);
      int64_t column = i * t.lanes();
      if (multiples->digits) {
        storeDigits(n, number, column);
        continue;
      }
      Value first = b.mul(number, b.i64(multiples->depth));
      t.store(b.convert(n, b.getI8Type()), multiples->lower,
              b.add(first, b.i64(column)));
      // As codes become words: of a vector, the first half of each 16, then the
      // other ones.
      Value upper =
          b.convert(arith::ShRSIOp::create(b, n, b.integer(ints, lowerBits)),
                    b.getI16Type());
      int64_t half = t.lanes() / 2;
      for (int64_t part = 0; part < 2; ++part) {
        auto picks =
            llvm::to_vector(llvm::seq(part * half, part * half + half));
        t.store(vector::ShuffleOp::create(b, upper, upper, picks),
                multiples->upper,
                b.add(first, b.i64(column / chunk * chunk + part * chunk / 2 +
                                   column % chunk / 2)));
      }
    }
    auto sumOf = [&](Value x) -> Value {
      return vector::ReductionOp::create(b, vector::CombiningKind::ADD, x,
                                         arith::FastMathFlags::reassoc);
    };
    // Not so where something is infinite or no number, nor of zeros alone.
    Value fits = b.compare(CmpIPredicate::slt, sumOf(lost),
                           b.mul(sumOf(total), b.real(b.getF32Type(), loss)));
    return {b.bitAnd(in[0], fits)};
  };
  return t.loop(b.i64(0), b.i64(multiples->rows), 1, {b.boolean(true)}, row)
      .front();
}

/// Of a block, by lanes.
EinsumEmitter::Values EinsumEmitter::emitIntegerSums() {
  const Operand &codes = operands[multiples->codes];
  const Operand &reals = operands[multiples->reals];
  Type ints = t.vectorOf(b.getI32Type());
  Type bytes = VectorType::get({chunk}, b.getI8Type());
  Type words = VectorType::get({chunk / 2}, b.getI16Type());
  // Codes as the upper halves of words.
  auto wordsOf = [&](Value x, int64_t part) -> Value {
    SmallVector<int64_t> picks;
    for (int64_t lane = 0; lane < chunk / 2; ++lane) {
      picks.push_back(lane);
      picks.push_back(chunk + lane / 8 * 16 + part * 8 + lane % 8);
    }
    return vector::BitCastOp::create(
        b, cast<VectorType>(words),
        vector::ShuffleOp::create(b, b.integer(bytes, 0), x, picks));
  };
  // Not intrinsics: LLVM parts products of words and their sums.
  auto multiply = [&](StringRef instruction, Value sum, Value x, Value y) {
    return assembly(b, (instruction + " $3, $2, $0").str(), "=v,0,v,v", ints,
                    {sum, x, y});
  };
  struct Factors {
    Value words[2], bytes;
  };
  vectorsPerLoad = chunk / t.lanes();
  auto step = [&](Value counter, ValueRange in) {
    at[lane] = counter;
    std::map<Place, Factors> known[2];
    auto factors = [&](bool isCodes, Place all) {
      const Operand &operand = isCodes ? codes : reals;
      auto [it, isNew] =
          known[isCodes].try_emplace(placeOf(operand.dims, all), Factors());
      Factors &f = it->second;
      if (!isNew)
        return f;
      Value first = b.add(counter, b.mul(scalarCoordinate(reals.dims[0], all),
                                         b.i64(multiples->depth)));
      f.bytes = isCodes ? loadOperand(operand, operand.tile.base,
                                      operand.tile.element, all)
                        : t.load(bytes, multiples->lower, first);
      for (int64_t part = 0; part < 2; ++part)
        f.words[part] = isCodes ? wordsOf(f.bytes, part)
                                : t.load(words, multiples->upper,
                                         b.add(first, b.i64(part * chunk / 2)));
      return f;
    };
    Values sums(in);
    for (int64_t part : {0, 1, 2})
      for (int64_t r = 0; r < rows; ++r)
        for (int64_t c = 0; c < columns; ++c) {
          Factors x = factors(false, {r, c}), y = factors(true, {r, c});
          Value &sum = sums[r * columns + c];
          sum = part == 2
                    ? multiply("vpdpbusd", sum, x.bytes, y.bytes)
                    : multiply("vpdpwssd", sum, x.words[part], y.words[part]);
        }
    return sums;
  };
  Values sums(rows * columns, b.integer(ints, 0));
  sums = t.loop(b.i64(0), b.i64(multiples->depth), chunk, sums, step);
  vectorsPerLoad = 1;
  for (Value &sum : sums)
    sum = arith::SIToFPOp::create(b, t.vectorOf(b.getF32Type()), sum);
  return sums;
}

/// Neighbours in the result from `place` on, as reals.
Value EinsumEmitter::withUnits(Value sum, Place place) {
  unsigned dim = operands[multiples->reals].dims[0];
  Type type = result.isLast(dim) ? sum.getType() : Type(b.getF32Type());
  Value units = t.load(type, multiples->units, scalarCoordinate(dim, place));
  return b.mul(sum, b.splat(units, sum.getType()));
}
