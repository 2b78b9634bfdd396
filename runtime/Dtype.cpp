//===- Dtype.cpp - names and encodings of element types --------*- C++ -*-===//
// One table names the types, one describes the float formats.
//===----------------------------------------------------------------------===//
#include "Dtype.h"

#include "attn/runtime.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

using namespace attn::rt;

namespace {

struct Named {
  unsigned code, bits;
  const char *name;
};
constexpr Named names[] = {
    {ATTN_DTYPE_FLOAT, 64, "f64"},
    {ATTN_DTYPE_FLOAT, 32, "f32"},
    {ATTN_DTYPE_FLOAT, 16, "f16"},
    {ATTN_DTYPE_BFLOAT, 16, "bf16"},
    {ATTN_DTYPE_FLOAT8_E4M3FN, 8, "f8e4m3"},
    {ATTN_DTYPE_FLOAT8_E5M2, 8, "f8e5m2"},
    {ATTN_DTYPE_INT, 64, "i64"},
    {ATTN_DTYPE_INT, 32, "i32"},
    {ATTN_DTYPE_INT, 16, "i16"},
    {ATTN_DTYPE_INT, 8, "i8"},
    {ATTN_DTYPE_INT, 4, "i4"},
    {ATTN_DTYPE_UINT, 64, "u64"},
    {ATTN_DTYPE_UINT, 32, "u32"},
    {ATTN_DTYPE_UINT, 16, "u16"},
    {ATTN_DTYPE_UINT, 8, "u8"},
    {ATTN_DTYPE_BOOL, 8, "bool"},
};

struct Format {
  unsigned code, bits;
  int exponentBits, mantissaBits;
  bool hasInfinity; // e4m3fn: all ones is NaN, all else is finite
};
constexpr Format formats[] = {
    {ATTN_DTYPE_FLOAT, 64, 11, 52, true},
    {ATTN_DTYPE_FLOAT, 32, 8, 23, true},
    {ATTN_DTYPE_FLOAT, 16, 5, 10, true},
    {ATTN_DTYPE_BFLOAT, 16, 8, 7, true},
    {ATTN_DTYPE_FLOAT8_E4M3FN, 8, 4, 3, false},
    {ATTN_DTYPE_FLOAT8_E5M2, 8, 5, 2, true},
};

uint64_t encodeFloat(double value, const Format &format) {
  const int m = format.mantissaBits;
  const uint64_t sign =
      std::signbit(value) ? uint64_t(1) << (format.exponentBits + m) : 0;
  const uint64_t exponentMask = (uint64_t(1) << format.exponentBits) - 1;
  const uint64_t infinity = exponentMask << m;
  const uint64_t nan = format.hasInfinity ? infinity | uint64_t(1) << (m - 1)
                                          : infinity | ((uint64_t(1) << m) - 1);
  // The first code past the finite values.
  const uint64_t overflow = format.hasInfinity ? infinity : nan;
  if (std::isnan(value))
    return sign | nan;
  value = std::fabs(value);
  if (std::isinf(value))
    return sign | overflow;
  if (value == 0)
    return sign;
  const int bias = (1 << (format.exponentBits - 1)) - 1;
  int exponent = std::max(std::ilogb(value), 1 - bias);
  // The significand in units of the last place. Adding it to the exponent
  // field carries by itself when it rounds up, and leaves field 0 when it is
  // below 2^m (denormal).
  uint64_t units =
      static_cast<uint64_t>(std::nearbyint(std::ldexp(value, m - exponent)));
  uint64_t code = (uint64_t(exponent + bias - 1) << m) + units;
  return sign | std::min(code, overflow);
}

uint64_t encodeInteger(double value, bool isSigned, unsigned bits) {
  if (std::isnan(value))
    return 0;
  const double high = std::ldexp(1.0, static_cast<int>(bits - isSigned));
  const double low = isSigned ? -high : 0;
  const uint64_t mask = bits >= 64 ? ~uint64_t(0) : (uint64_t(1) << bits) - 1;
  const uint64_t top = isSigned ? mask >> 1 : mask;
  value = std::trunc(value);
  if (value >= high)
    return top;
  if (value <= low)
    return isSigned ? top + 1 : 0;
  return (value < 0 ? static_cast<uint64_t>(static_cast<int64_t>(value))
                    : static_cast<uint64_t>(value)) &
         mask;
}

} // namespace

DtypeName::DtypeName(unsigned code, unsigned bits, unsigned lanes) {
  for (const Named &named : names)
    if (named.code == code && named.bits == bits && lanes == 1) {
      std::snprintf(text, sizeof text, "%s", named.name);
      return;
    }
  std::snprintf(text, sizeof text, "code %u, %u bits, %u lanes", code, bits,
                lanes);
}

uint64_t attn::rt::encode(double value, unsigned code, unsigned bits) {
  if (code == ATTN_DTYPE_BOOL)
    return value != 0;
  for (const Format &format : formats)
    if (format.code == code && format.bits == bits)
      return encodeFloat(value, format);
  return encodeInteger(value, code == ATTN_DTYPE_INT, bits);
}
