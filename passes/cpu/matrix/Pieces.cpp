//===- Pieces.cpp - elements as sums of bf16 --------------------*- C++ -*-===//
#include "passes/cpu/matrix/Pieces.h"
#include "passes/cpu/Assembly.h"

using namespace mlir;
using namespace attn;
using namespace attn::cpu;
using arith::CmpIPredicate;

constexpr int32_t upperHalf = int32_t(0xffff0000), halfOfLast = 0x8000;

int64_t cpu::piecesOf(Type element) {
  if (element.isBF16())
    return 1;
  if (element.isF16()) // 11 bits; the exponents of bf16 are more
    return 2;
  return element.isF32() ? 3 : 0; // 24 bits
}

SmallVector<Term> cpu::termsOf(int64_t pieces) {
  SmallVector<Term> terms;
  for (int64_t right = pieces; right-- > 0;)
    for (int64_t left = pieces - right; left-- > 0;)
      terms.push_back({left, right});
  return terms;
}

static Value bitsOf(CodeBuilder &b, Value x) {
  return arith::BitcastOp::create(b, b.like(x.getType(), b.getI32Type()), x);
}

static Value realOf(CodeBuilder &b, Value bits) {
  return arith::BitcastOp::create(b, b.like(bits.getType(), b.getF32Type()),
                                  bits);
}

static Value upper(CodeBuilder &b, Value bits) {
  return b.bitAnd(bits, b.integer(bits.getType(), upperHalf));
}

SmallVector<Value> cpu::alikePieces(CodeBuilder &b, Value x, int64_t pieces) {
  Value bits = bitsOf(b, x);
  Type ints = bits.getType();
  constexpr int32_t exponentBits = 0x7f800000, smallest = 0x00800000;
  auto exponent = [&](Value bits) {
    return b.bitAnd(bits, b.integer(ints, exponentBits));
  };
  Value isZero =
      b.compare(CmpIPredicate::eq, exponent(bits), b.integer(ints, 0));
  Value isWhole = b.compare(CmpIPredicate::eq, exponent(bits),
                            b.integer(ints, exponentBits));
  // What stands for pieces that would be 0.
  Value least = b.bitOr(b.bitAnd(bits, b.integer(ints, INT32_MIN)),
                        b.integer(ints, smallest));
  least = b.select(isZero, b.integer(ints, 0), least);
  SmallVector<Value> result;
  Value rest = x;
  for (int64_t i = 0; i < pieces; ++i) {
    Value piece = upper(b, bitsOf(b, rest));
    if (i + 1 < pieces)
      rest = b.sub(rest, realOf(b, piece));
    Value isNone =
        b.compare(CmpIPredicate::eq, exponent(piece), b.integer(ints, 0));
    piece = b.select(isNone, least, piece);
    // Of an infinity or a NaN there are no parts; a NaN stays one.
    if (i)
      piece = b.select(isWhole, result.front(), piece);
    else
      piece = b.select(b.isNan(x), b.integer(ints, 0x7fc00000), piece);
    result.push_back(piece);
  }
  return result;
}

SmallVector<Value> cpu::roundedPieces(CodeBuilder &b, Value x, int64_t pieces) {
  Value bits = bitsOf(b, x);
  Type ints = bits.getType();
  SmallVector<Value> result = {
      upper(b, b.add(bits, b.integer(ints, halfOfLast)))};
  Value rest = x;
  for (int64_t i = 1; i < pieces; ++i) {
    rest = b.sub(rest, realOf(b, result.back()));
    if (i == 1) {
      constexpr int32_t infinite = 0x204;
      Value isInfinite = LLVM::IsFPClass::create(
          b, b.like(x.getType(), b.getI1Type()), x, infinite);
      rest = b.select(isInfinite, b.real(x.getType(), 0), rest);
    }
    // The third is all that is left of 24 bits.
    bits = bitsOf(b, rest);
    result.push_back(i == 2 ? bits : upper(b, bits));
  }
  return result;
}

/// Upper halves moved down, by bytes: shifts of words compete with products,
/// and LLVM would make one slow permutation of a shuffle that it knows.
static Value lowered(CodeBuilder &b, Value bits) {
  return assembly(b, "vpsrldq $$2, $1, $0", "=v,v", bits.getType(), bits);
}

Value cpu::pairOf(CodeBuilder &b, Value even, Value odd) {
  return b.bitOr(lowered(b, even), odd);
}

SmallVector<Value> cpu::packPair(CodeBuilder &b, Value even, Value odd,
                                 int64_t pieces) {
  if (pieces > 1) {
    SmallVector<Value> pairs;
    for (auto [x, y] : llvm::zip(roundedPieces(b, even, pieces),
                                 roundedPieces(b, odd, pieces)))
      pairs.push_back(pairOf(b, x, y));
    return pairs;
  }
  // One operation masks both halves.
  auto rounded = [&](Value x) {
    Value bits = bitsOf(b, x);
    return b.add(bits, b.integer(bits.getType(), halfOfLast));
  };
  Value low = lowered(b, rounded(even)), high = rounded(odd);
  return {
      b.bitOr(upper(b, high), b.bitAnd(low, b.integer(low.getType(), 0xffff)))};
}
