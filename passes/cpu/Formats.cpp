//===- Formats.cpp - storage types in memory and in registers ---*- C++ -*-===//
// Small floats are rounded by one routine over the bits of the source, for any
// mantissa width: right for subnormals, and without double rounding from f64.
//===----------------------------------------------------------------------===//
#include "passes/cpu/Formats.h"
#include "dialect/Attn.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace attn;
using namespace attn::cpu;
using arith::CmpIPredicate;

static bool isMini(Type t) { return isa<Float8E4M3FNType, Float8E5M2Type>(t); }

unsigned cpu::storedBits(Type element) {
  unsigned bits = element.getIntOrFloatBitWidth();
  return bits == 1 ? 8 : bits;
}

Type cpu::rawType(const CpuTarget &target, Type element) {
  MLIRContext *ctx = element.getContext();
  auto bits = [&](unsigned width) { return IntegerType::get(ctx, width); };
  if (isa<IntegerType>(element))
    return bits(std::max(8u, element.getIntOrFloatBitWidth()));
  if (isa<BFloat16Type>(element) ||
      (isa<Float16Type>(element) && !target.halfInstructions))
    return bits(16);
  return isMini(element) ? Type(bits(8)) : element;
}

//===----------------------------------------------------------------------===//
// Loads
//===----------------------------------------------------------------------===//

/// The 256 values of an 8-bit float as a constant table.
static Value miniTable(CodeBuilder &b, FloatType element) {
  std::string name = "attn_table_" + std::to_string(element.getWidth());
  llvm::raw_string_ostream(name) << element;
  auto type = LLVM::LLVMArrayType::get(b.getF32Type(), 256);
  if (!b.module().lookupSymbol(name)) {
    SmallVector<float> values;
    for (unsigned code = 0; code < 256; ++code) {
      APFloat value(element.getFloatSemantics(), APInt(8, code));
      bool loses;
      value.convert(APFloat::IEEEsingle(), APFloat::rmNearestTiesToEven,
                    &loses);
      values.push_back(value.convertToFloat());
    }
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(b.module().getBody());
    auto data = DenseElementsAttr::get(
        RankedTensorType::get({256}, b.getF32Type()), ArrayRef<float>(values));
    LLVM::GlobalOp::create(b, type, /*isConstant=*/true,
                           LLVM::Linkage::Internal, name, data);
  }
  return LLVM::AddressOfOp::create(b, b.ptrType(), name);
}

// Values may be vectors; types below are those of a lane.
static Value bitcast(CodeBuilder &b, Type to, Value value) {
  return arith::BitcastOp::create(b, b.like(value.getType(), to), value);
}
static Value zext(CodeBuilder &b, Type to, Value value) {
  return arith::ExtUIOp::create(b, b.like(value.getType(), to), value);
}
static Value shl(CodeBuilder &b, Value x, int64_t bits) {
  return arith::ShLIOp::create(b, x, b.integer(x.getType(), bits));
}
static Value shr(CodeBuilder &b, Value x, int64_t bits) {
  return arith::ShRUIOp::create(b, x, b.integer(x.getType(), bits));
}

/// f16 bits to f32 by integer code; subnormals by conversion from integer, so
/// that flushing denormal inputs cannot lose them.
static Value decodeHalf(CodeBuilder &b, Value raw) {
  Type f32 = b.like(raw.getType(), b.getF32Type());
  Value bits = zext(b, b.getI32Type(), raw);
  auto c = [&](int64_t v) { return b.integer(bits.getType(), v); };
  Value magnitude = b.bitAnd(bits, c(0x7fff));
  Value sign = shl(b, b.bitAnd(bits, c(0x8000)), 16);
  Value normal = b.add(shl(b, magnitude, 13), c(112 << 23));
  Value special = b.bitOr(shl(b, magnitude, 13), c(0x7f800000));
  Value tiny = bitcast(
      b, b.getI32Type(),
      b.mul(arith::SIToFPOp::create(b, f32, magnitude), b.real(f32, 0x1p-24)));
  Value value =
      b.select(b.ult(magnitude, c(0x400)), tiny,
               b.select(b.ult(magnitude, c(0x7c00)), normal, special));
  return bitcast(b, b.getF32Type(), b.bitOr(value, sign));
}

static Value decodeFloat(CodeBuilder &b, Type element, Value raw) {
  if (isa<BFloat16Type>(element))
    return bitcast(b, b.getF32Type(), shl(b, zext(b, b.getI32Type(), raw), 16));
  if (isa<Float16Type>(element))
    return getElementTypeOrSelf(raw) == element ? b.convert(raw, b.getF32Type())
                                                : decodeHalf(b, raw);
  if (isMini(element)) {
    Value table = miniTable(b, cast<FloatType>(element));
    auto entry = [&](Value code) {
      return b.load(b.getF32Type(), b.gep(b.getF32Type(), table,
                                          zext(b, b.getI64Type(), code)));
    };
    auto vector = dyn_cast<VectorType>(raw.getType());
    if (!vector)
      return entry(raw);
    Value result = b.real(vector.clone(b.getF32Type()), 0);
    for (int64_t lane = 0; lane < vector.getNumElements(); ++lane)
      result = LLVM::InsertElementOp::create(
          b, result, entry(LLVM::ExtractElementOp::create(b, raw, b.i64(lane))),
          b.i64(lane));
    return result;
  }
  return raw;
}

Value cpu::decode(CodeBuilder &b, Type element, Value raw, Type to) {
  if (isa<FloatType>(element))
    return b.convert(decodeFloat(b, element, raw), to);
  if (element.isInteger(1))
    return b.compare(CmpIPredicate::ne, raw, b.integer(raw.getType(), 0));
  auto type = cast<IntegerType>(element);
  if (type.isUnsigned())
    return zext(b, to, raw);
  return b.convert(raw, to); // an i4 is sign-extended to i8 when it is fetched
}

//===----------------------------------------------------------------------===//
// Stores
//===----------------------------------------------------------------------===//

namespace {
struct SmallFloat {
  int mantissa, minExponent;
  int64_t maxCode, overflowCode, nanCode;
};
SmallFloat smallFloat(Type element) {
  if (isa<Float16Type>(element))
    return {10, -14, 0x7bff, 0x7c00, 0x7e00};
  if (isa<BFloat16Type>(element))
    return {7, -126, 0x7f7f, 0x7f80, 0x7fc0};
  if (isa<Float8E5M2Type>(element))
    return {2, -14, 0x7b, 0x7c, 0x7e};
  return {3, -6, 0x7e, 0x7f, 0x7f}; // f8E4M3FN has no infinity
}
} // namespace

/// Bits of `value` (f32 or f64) rounded to a smaller float: the mantissa is
/// shifted to the format's quantum and rounded there; a carry into the next
/// binade comes out right by itself.
static Value encodeSmall(CodeBuilder &b, Type element, Value value) {
  SmallFloat to = smallFloat(element);
  bool wide = getElementTypeOrSelf(value).isF64();
  int mantissa = wide ? 52 : 23, bias = wide ? 1023 : 127;
  Type lane = wide ? b.getI64Type() : b.getI32Type();
  Type type = b.like(value.getType(), lane);
  auto c = [&](int64_t v) { return b.integer(type, v); };
  Value bits = bitcast(b, lane, value);
  Value magnitude = b.bitAnd(bits, c(wide ? INT64_MAX : INT32_MAX));
  Value biased = shr(b, magnitude, mantissa);
  Value fraction = b.bitAnd(magnitude, c((int64_t{1} << mantissa) - 1));
  Value isNormal = b.compare(CmpIPredicate::ne, biased, c(0));
  Value significand =
      b.bitOr(fraction, b.select(isNormal, c(int64_t{1} << mantissa), c(0)));
  Value exponent = b.sub(b.max(biased, c(1)), c(bias));
  Value kept = b.max(exponent, c(to.minExponent));
  Value shift = b.min(b.add(b.sub(kept, exponent), c(mantissa - to.mantissa)),
                      c(mantissa + 2));
  // Round to nearest even: add half, minus one where the kept bit is even.
  Value odd = b.bitAnd(arith::ShRUIOp::create(b, significand, shift), c(1));
  Value half = b.sub(arith::ShLIOp::create(b, c(1), b.sub(shift, c(1))), c(1));
  Value quotient =
      arith::ShRUIOp::create(b, b.add(b.add(significand, half), odd), shift);
  Value binade =
      arith::ShLIOp::create(b, b.sub(kept, c(to.minExponent)), c(to.mantissa));
  Value code = b.add(binade, quotient);
  code = b.select(b.compare(CmpIPredicate::sgt, code, c(to.maxCode)),
                  c(to.overflowCode), code);
  code = b.select(b.isNan(value), c(to.nanCode), code);
  unsigned width = element.getIntOrFloatBitWidth();
  Value sign = shl(b, shr(b, bits, wide ? 63 : 31), width - 1);
  return b.convert(b.bitOr(code, sign), b.getIntegerType(width));
}

/// bf16 from f32: add half of the dropped part, ties to even, keep NaNs. The
/// instruction does the same, but for denormals, which it makes 0.
static Value encodeBf16(CodeBuilder &b, Value value) {
  if (b.target.avx512bf16 && isa<VectorType>(value.getType()))
    return bitcast(b, b.getI16Type(),
                   b.convert(value, FloatType(b.getBF16Type())));
  Value bits = bitcast(b, b.getI32Type(), value);
  auto c = [&](int64_t v) { return b.integer(bits.getType(), v); };
  Value odd = b.bitAnd(shr(b, bits, 16), c(1));
  Value rounded = shr(b, b.add(b.add(bits, c(0x7fff)), odd), 16);
  Value nan = b.bitOr(shr(b, bits, 16), c(0x40));
  return b.convert(b.select(b.isNan(value), nan, rounded),
                   b.getIntegerType(16));
}

Value cpu::encode(CodeBuilder &b, Type element, Value value) {
  Type raw = rawType(b.target, element);
  if (isa<IntegerType>(element)) {
    if (getElementTypeOrSelf(value).isInteger(1))
      return zext(b, raw, value);
    if (element.isInteger(1))
      value = b.bitAnd(value, b.integer(value.getType(), 1));
    return b.convert(value, raw);
  }
  bool wide = getElementTypeOrSelf(value).isF64();
  if (isa<Float32Type, Float64Type>(element))
    return b.convert(value, element);
  if (isa<BFloat16Type>(element) && !wide)
    return encodeBf16(b, value);
  if (isa<Float16Type>(element) && !wide && b.target.halfInstructions)
    return b.convert(value, element);
  Value code = encodeSmall(b, element, value);
  return raw == getElementTypeOrSelf(code) ? code : bitcast(b, raw, code);
}

Value cpu::roundThrough(CodeBuilder &b, Type element, Value value) {
  if (getElementTypeOrSelf(value) == element || isa<Float64Type>(element))
    return value;
  return decode(b, element, encode(b, element, value), value.getType());
}

//===----------------------------------------------------------------------===//
// Integers
//===----------------------------------------------------------------------===//

static Type scalarInteger(Type element) {
  Type scalar = scalarTypeOf(element);
  return scalar.isInteger(1) ? Type(IntegerType::get(element.getContext(), 32))
                             : scalar;
}

Value cpu::saturate(CodeBuilder &b, Type element, Value value) {
  auto type = cast<IntegerType>(element);
  if (type.getWidth() == 1)
    return b.compare(CmpIPredicate::sge, value, b.real(value.getType(), 1));
  Type narrow = b.like(value.getType(), b.getIntegerType(type.getWidth()));
  Type wide = scalarInteger(element);
  auto convert = [&](StringRef name) {
    return intrinsic(b, name, narrow, value);
  };
  if (type.isUnsigned())
    return zext(b, wide, convert("llvm.fptoui.sat"));
  return b.convert(convert("llvm.fptosi.sat"), wide);
}

Value cpu::wrap(CodeBuilder &b, Type element, Value value) {
  auto type = cast<IntegerType>(element);
  if (type.getWidth() == 1)
    return b.convert(value, b.getI1Type());
  Type wide = scalarInteger(element);
  Type from = getElementTypeOrSelf(value);
  if (from.isInteger(1))
    return zext(b, wide, value);
  Value narrow = from.getIntOrFloatBitWidth() > type.getWidth()
                     ? b.convert(value, b.getIntegerType(type.getWidth()))
                     : value;
  return type.isUnsigned() ? zext(b, wide, narrow) : b.convert(narrow, wide);
}

Value cpu::absentFill(CodeBuilder &b, Type element) {
  Type raw = rawType(b.target, element);
  if (isa<FloatType>(raw))
    return b.real(raw, 0);
  bool integer = isa<IntegerType>(element) && !element.isInteger(1);
  return b.integer(raw, integer ? -1 : 0);
}
