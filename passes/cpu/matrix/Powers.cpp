//===- Powers.cpp - 2^x in bf16, two vectors at a time ----------*- C++ -*-===//
#include "passes/cpu/matrix/Powers.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "passes/cpu/Assembly.h"
#include <cmath>

using namespace mlir;
using namespace attn;
using namespace attn::cpu;
using arith::CmpIPredicate;

// 256 (x + 127) has the bits of the result. Words are 0xffff less that: what is
// too small for them is then too large, and saturates.

/// Added to a number, its last place is 2^-8: the number in fixed point is what
/// the sum's bits are more than `magicBits`.
constexpr double magic = 0x1.8p15;
constexpr int32_t magicBits = 0x47400000;
/// x whose word is 0.
constexpr double largest = 129 - 0x1p-8;

/// By the upper 6 bits of f: what 2^f is more than 1 + f, in places of 2^-8,
/// with the rounding to one bit less. Least squares of the relative error.
static SmallVector<int8_t> excess() {
  SmallVector<int8_t> table;
  for (int first = 0; first < 256; first += 4) {
    auto error = [&](int more) {
      double sum = 0;
      for (int f = first; f < first + 4; ++f) {
        int word = (256 + f + more) >> 1;
        double value = word >= 128 ? word / 128. : (word + 128) / 256.;
        double relative = value / std::exp2(f / 256.) - 1;
        sum += relative * relative;
      }
      return sum;
    };
    int best = 0;
    for (int more = -32; more < 0; ++more)
      if (error(more) < error(best))
        best = more;
    table.push_back(best);
  }
  return table;
}

/// excess() by the upper 6 bits of 255 - f, of which it is added.
static SmallVector<int8_t> table() {
  SmallVector<int8_t> bytes = excess();
  std::reverse(bytes.begin(), bytes.end());
  for (int8_t &x : bytes)
    x = int8_t(0xff + x);
  return bytes;
}

/// Four words of the one vector, four of the other: one and one.
static SmallVector<int8_t> order() {
  SmallVector<int8_t> order;
  for (int lane = 0; lane < 4; ++lane)
    for (int8_t i : {0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15})
      order.push_back(i);
  return order;
}

/// A constant that LLVM knows is read anew at each use when registers are few:
/// 6 % of a step.
static Value kept(CodeBuilder &b, Value x) {
  return assembly(b, "", "=v,0", x.getType(), x);
}

PowerConstants::PowerConstants(CodeBuilder &b) {
  Type ints = VectorType::get({16}, b.getI32Type()),
       words = VectorType::get({32}, b.getI16Type());
  auto bytes = VectorType::get({64}, b.getI8Type());
  auto dense = [&](ArrayRef<int8_t> values) {
    return kept(b, b.constant(DenseElementsAttr::get(bytes, values)));
  };
  magicBits = kept(b, b.integer(ints, ::magicBits));
  this->order = dense(::order());
  this->table = dense(::table());
  upperBytes = kept(b, b.integer(words, int16_t(0xff00)));
  upperHalves = kept(b, b.integer(ints, int32_t(0xffff0000)));
}

/// magic + largest - x. A constant part of x is rounded to 2^-8, for all points
/// alike.
static Value turned(CodeBuilder &b, Value x) {
  Type type = x.getType();
  Value base = b.real(type, magic + largest);
  // x = left * factor - right: one operation.
  if (auto fma = x.getDefiningOp<math::FmaOp>())
    if (auto factor = constantReal(fma.getB()))
      if (auto right = fma.getC().getDefiningOp<arith::NegFOp>())
        return math::FmaOp::create(b, fma.getA(), b.real(type, -*factor),
                                   b.add(right.getOperand(), base));
  return b.sub(base, x);
}

PowerPair cpu::emitPowerPair(CodeBuilder &b, const PowerConstants &constants,
                             const PowerPoint &even, const PowerPoint &odd,
                             Value &seen) {
  Type reals = even.x.getType(), ints = b.like(reals, b.getI32Type());
  Type words = VectorType::get({32}, b.getI16Type()),
       bytes = VectorType::get({64}, b.getI8Type());
  auto cast = [&](Type type, Value x) -> Value {
    return arith::BitcastOp::create(b, type, x);
  };
  auto bitsOf = [&](const PowerPoint &point) {
    Value sum = turned(b, point.x);
    if (point.present)
      sum = b.select(point.present, sum, b.real(reals, INFINITY));
    Value bits = cast(ints, sum);
    // As integers, negative sums and NaN are the largest.
    seen = arith::MaxUIOp::create(b, seen, bits);
    return b.sub(bits, constants.magicBits);
  };
  Value low = bitsOf(even), high = bitsOf(odd);
  Value packed =
      intrinsic(b, "llvm.x86.avx512.packusdw.512", words, {low, high});
  Value pairs = cast(words, intrinsic(b, "llvm.x86.avx512.pshuf.b.512", bytes,
                                      {cast(bytes, packed), constants.order}));
  Value index = arith::ShRUIOp::create(b, pairs, b.integer(words, 2));
  Value entry =
      cast(words, intrinsic(b, "llvm.x86.avx512.permvar.qi.512", bytes,
                            {constants.table, cast(bytes, index)}));
  entry = b.bitOr(entry, constants.upperBytes);
  Value results =
      arith::ShRUIOp::create(b, b.sub(entry, pairs), b.integer(words, 1));
  Value both = cast(ints, results);
  auto sign = [&](Value present, int32_t bit) {
    if (present)
      both = b.select(present, both, b.bitOr(both, b.integer(ints, bit)));
  };
  sign(even.present, 0x8000);
  sign(odd.present, INT32_MIN);
  return {both,
          cast(reals, arith::ShLIOp::create(b, both, b.integer(ints, 16))),
          cast(reals, b.bitAnd(both, constants.upperHalves))};
}

Value cpu::startOfSeen(CodeBuilder &b, Type ints) { return b.integer(ints, 0); }

Value cpu::markedBySeen(CodeBuilder &b, Value value, Value seen) {
  constexpr int32_t infinite = 0x7f800000;
  Value wrong = arith::CmpIOp::create(b, CmpIPredicate::ugt, seen,
                                      b.integer(seen.getType(), infinite));
  return b.select(wrong, b.real(value.getType(), NAN), value);
}
