//===- FastMath.cpp - f32 functions without calls ---------------*- C++ -*-===//
// Polynomials are minimax in relative error, their value at 0 exact.
//===----------------------------------------------------------------------===//
#include "passes/cpu/FastMath.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace attn;
using namespace attn::cpu;
using arith::CmpIPredicate;

/// a * b + c, fused where that is an instruction.
static Value fma(CodeBuilder &b, Value x, Value y, Value z) {
  if (b.target.fma)
    return math::FmaOp::create(b, x, y, z);
  return b.add(b.mul(x, y), z);
}

/// Horner, highest coefficient first.
static Value polynomial(CodeBuilder &b, Value x,
                        ArrayRef<double> coefficients) {
  Value sum = b.real(x.getType(), coefficients.front());
  for (double c : coefficients.drop_front())
    sum = fma(b, sum, x, b.real(x.getType(), c));
  return sum;
}

// Plain operations: the sums below are exact by their order.
static Value plainAdd(CodeBuilder &b, Value x, Value y) {
  return arith::AddFOp::create(b, x, y);
}
static Value plainSub(CodeBuilder &b, Value x, Value y) {
  return arith::SubFOp::create(b, x, y);
}

static Value clamp(CodeBuilder &b, Value x, double low, double high) {
  Value least = b.real(x.getType(), low), most = b.real(x.getType(), high);
  // A NaN fails both tests and stays.
  x = b.select(b.compare(CmpIPredicate::slt, x, least), least, x);
  return b.select(b.compare(CmpIPredicate::sgt, x, most), most, x);
}

constexpr double log2e = 1.44269504088896340736;

/// An AVX-512 intrinsic with passthrough, full mask and current rounding.
static Value call512(CodeBuilder &b, StringRef name, ValueRange operands) {
  Value x = operands.front();
  SmallVector<Value> all(operands);
  all.append({x, b.integer(b.getI16Type(), -1), b.i32(4)});
  return intrinsic(b, name, x.getType(), all);
}

/// 2^x by the instructions made for it: fraction, polynomial on [0, 1), scale
/// by the floor. They take care of infinities.
static Value exp2By512(CodeBuilder &b, Value x, ArrayRef<double> coefficients) {
  constexpr int32_t fraction = 0x09; // x - floor(x), inexact unsignalled
  Value r =
      call512(b, "llvm.x86.avx512.mask.reduce.ps.512", {x, b.i32(fraction)});
  Value p = polynomial(b, r, coefficients);
  return call512(b, "llvm.x86.avx512.mask.scalef.ps.512", {p, x});
}

/// 2^(x * scale) for a scale that is not rounded to f32.
static Value exp2Scaled(CodeBuilder &b, Value x, double scale) {
  Type type = x.getType();
  auto vector = dyn_cast<VectorType>(type);
  if (b.target.avx512 && vector && vector.getNumElements() == 16)
    return exp2By512(b, scale == 1 ? x : b.mul(x, b.real(type, scale)),
                     {0.00021612915010203737, 0.0012467846430147117,
                      0.0096754515686448, 0.05548528061777622,
                      0.2402293055524299, 0.6931470444433099, 1});
  // Beyond these ends the result is 0 or infinite.
  x = clamp(b, x, -151 / scale, 129 / scale);
  // Adding 1.5 * 2^23 rounds to an integer and leaves it in the low bits.
  Value magic = b.real(type, 12582912.0), c = b.real(type, scale);
  Value scaled = scale == 1 ? x : arith::MulFOp::create(b, x, c).getResult();
  Value shifted = plainAdd(b, scaled, magic);
  Value whole = plainSub(b, shifted, magic);
  Value r = scale == 1 ? plainSub(b, x, whole)
                       : fma(b, x, c, arith::NegFOp::create(b, whole));
  Value p = polynomial(b, r,
                       {0.0001535336192454665, 0.0013398874406122772,
                        0.009618437357541715, 0.05550332471150993,
                        0.2402264791363103, 0.6931472028550502, 1});
  // Two factors, so that subnormal and largest results come out right.
  Type ints = b.like(type, b.getI32Type());
  Value n = b.sub(arith::BitcastOp::create(b, ints, shifted),
                  b.integer(ints, 0x4B400000));
  Value half = arith::ShRSIOp::create(b, n, b.integer(ints, 1));
  auto power = [&](Value exponent) -> Value {
    Value biased = b.add(exponent, b.integer(ints, 127));
    return arith::BitcastOp::create(
        b, type, arith::ShLIOp::create(b, biased, b.integer(ints, 23)));
  };
  return b.mul(b.mul(p, power(half)), power(b.sub(n, half)));
}

/// An odd polynomial where |x| < 0.6, else 1 - 2 / (e^2x + 1).
static Value hyperbolicTangent(CodeBuilder &b, Value x) {
  Type type = x.getType();
  Value one = b.real(type, 1), square = b.mul(x, x);
  Value p = polynomial(b, square,
                       {-0.005895154344325339, 0.020795968742487226,
                        -0.053783829501912926, 0.13331924118734828,
                        -0.3333329800186692});
  Value small = fma(b, b.mul(x, square), p, x);
  Value power = exp2Scaled(b, x, 2 * log2e);
  Value large =
      b.sub(one, arith::DivFOp::create(b, b.real(type, 2), b.add(power, one)));
  Value isSmall = b.compare(CmpIPredicate::slt, square, b.real(type, 0.36));
  return b.select(isSmall, small, large);
}

/// The logarithm of x + rest in base e or 2; `rest`, if there is one, is at
/// most an ulp of x, and x no subnormal.
static Value logarithm(CodeBuilder &b, Value x, Value rest, bool binary) {
  Type type = x.getType(), ints = b.like(type, b.getI32Type());
  Value zero = b.real(type, 0), bits = x, moved;
  if (!rest) {
    moved = b.compare(CmpIPredicate::slt, x, b.real(type, 0x1p-126));
    bits = b.select(moved, b.mul(x, b.real(type, 0x1p23)), x);
  }
  // 2^n m with m in [2/3, 4/3).
  bits = arith::BitcastOp::create(b, ints, bits);
  Value places = b.integer(ints, 23);
  Value n = arith::ShRSIOp::create(b, b.sub(bits, b.integer(ints, 0x3F2AAAAB)),
                                   places);
  Value m = b.sub(bits, arith::ShLIOp::create(b, n, places));
  Value one = b.real(type, 1);
  Value f = plainSub(b, arith::BitcastOp::create(b, type, m), one);
  if (rest) {
    // Of the largest values nothing is left over.
    Value power = b.sub(b.integer(ints, 127), b.min(n, b.integer(ints, 126)));
    power = arith::ShLIOp::create(b, power, places);
    f = fma(b, rest, arith::BitcastOp::create(b, type, power), f);
  } else {
    n = b.select(moved, b.sub(n, places), n);
  }
  Value exponent = arith::SIToFPOp::create(b, type, n);
  Value p = polynomial(b, f,
                       {-0.12891676912160235, 0.1398444046603733,
                        -0.12184262694256282, 0.14005868181060302,
                        -0.1668048725049413, 0.20010405973145318,
                        -0.24999797674118446, 0.3333321598150736, -0.5});
  Value square = b.mul(f, f);
  Value result;
  if (binary) {
    Value scale = b.real(type, log2e);
    result = fma(b, fma(b, square, p, f), scale, exponent);
  } else {
    // The first part of log(2) times n is exact.
    Value low = fma(b, exponent, b.real(type, -2.12194440054690583e-4),
                    b.mul(square, p));
    result = fma(b, exponent, b.real(type, 0.693359375), plainAdd(b, f, low));
  }
  // Infinity and NaN as they are.
  Value isFinite = b.compare(CmpIPredicate::slt, x, b.real(type, INFINITY));
  result = b.select(isFinite, result, x);
  result = b.select(b.compare(CmpIPredicate::slt, x, zero), b.real(type, NAN),
                    result);
  return b.select(b.compare(CmpIPredicate::eq, x, zero),
                  b.real(type, -INFINITY), result);
}

/// log(1 + x) by the sum as it is rounded and what that leaves over.
static Value logarithm1p(CodeBuilder &b, Value x) {
  Value one = b.real(x.getType(), 1);
  Value sum = plainAdd(b, x, one), part = plainSub(b, sum, one);
  Value rest = plainAdd(b, plainSub(b, one, plainSub(b, sum, part)),
                        plainSub(b, x, part));
  return logarithm(b, sum, rest, /*binary=*/false);
}

Value cpu::emitCoarseExp2(CodeBuilder &b, Value x) {
  return exp2By512(
      b, x, {0.07706713532431182, 0.22764488955307344, 0.6951168092974347, 1});
}

Value cpu::emitFastMath(CodeBuilder &b, Fn fn, Value x) {
  if (!getElementTypeOrSelf(x).isF32())
    return {};
  switch (fn) {
  case Fn::exp:
    return exp2Scaled(b, x, log2e);
  case Fn::exp2:
    return exp2Scaled(b, x, 1);
  case Fn::tanh:
    return hyperbolicTangent(b, x);
  default:
    break;
  }
  // The device library has these.
  if (b.target.gpu)
    return {};
  switch (fn) {
  case Fn::log:
  case Fn::log2:
    return logarithm(b, x, {}, fn == Fn::log2);
  case Fn::log1p:
    return logarithm1p(b, x);
  default:
    return {};
  }
}
