//===- Device.cpp - functions that kernels call ----------------*- C++ -*-===//
// GPUs have no libm: the functions of C that compiled code calls, in f64, to
// about a rounding error; the f32 ones round them. Compiled to LLVM bitcode at
// build time and linked into each module of kernels.
//===----------------------------------------------------------------------===//
using i32 = int;
using i64 = long long;
using u64 = unsigned long long;

namespace {

double fromBits(u64 bits) { return __builtin_bit_cast(double, bits); }
u64 toBits(double x) { return __builtin_bit_cast(u64, x); }
double fma(double x, double y, double z) { return __builtin_fma(x, y, z); }
double round(double x) { return __builtin_roundeven(x); }
double magnitude(double x) { return __builtin_fabs(x); }

constexpr double ln2High = 6.93147180369123816490e-01;
constexpr double ln2Low = 1.90821492927058770002e-10;
constexpr double log2e = 1.44269504088896338700;
constexpr double inf = __builtin_inf();
constexpr double nan = __builtin_nan("");

/// x * 2^n in two steps, so that subnormal results round once at the end.
double scale(double x, int n) {
  int half = n / 2;
  auto power = [](int e) { return fromBits(u64(e + 1023) << 52); };
  return x * power(half) * power(n - half);
}

/// e^r - 1 for |r| < 0.36: the series to r^14.
double seriesExpm1(double r) {
  double sum = 1.0 / 87178291200;
  constexpr double terms[] = {1.0 / 6227020800,
                              1.0 / 479001600,
                              1.0 / 39916800,
                              1.0 / 3628800,
                              1.0 / 362880,
                              1.0 / 40320,
                              1.0 / 5040,
                              1.0 / 720,
                              1.0 / 120,
                              1.0 / 24,
                              1.0 / 6,
                              0.5,
                              1.0};
  for (double term : terms)
    sum = fma(sum, r, term);
  return sum * r;
}

double exponential(double x) {
  if (!(magnitude(x) < 746))
    return x != x ? x : x > 0 ? inf : 0;
  double n = round(x * log2e);
  double r = fma(-n, ln2Low, fma(-n, ln2High, x));
  return scale(1 + seriesExpm1(r), int(n));
}

double exponential2(double x) {
  if (!(magnitude(x) < 1076))
    return x != x ? x : x > 0 ? inf : 0;
  double n = round(x);
  return scale(1 + seriesExpm1((x - n) * 0.693147180559945309417), int(n));
}

struct Parts {
  int exponent;
  double log; // of the mantissa, in [sqrt(1/2), sqrt(2)]
};

/// x is positive and finite.
Parts logParts(double x) {
  int exponent = 0;
  if (x < 0x1p-1022) {
    x *= 0x1p54;
    exponent = -54;
  }
  u64 bits = toBits(x);
  exponent += int(bits >> 52) - 1023;
  double m = fromBits((bits & 0xfffffffffffffull) | 0x3ff0000000000000ull);
  if (m > 1.41421356237309504880) {
    m *= 0.5;
    ++exponent;
  }
  // 2 artanh(f)
  double f = (m - 1) / (m + 1), square = f * f, sum = 0;
  for (int n = 25; n >= 3; n -= 2)
    sum = fma(sum, square, 1.0 / n);
  return {exponent, fma(2 * f * square, sum, 2 * f)};
}

/// True where a logarithm is no ordinary number; `result` is what it is.
bool specialLog(double x, double &result) {
  if (x > 0 && x < inf)
    return false;
  result = x == 0 ? -inf : x == inf ? inf : nan;
  return true;
}

double logarithm(double x) {
  double result;
  if (specialLog(x, result))
    return result;
  Parts p = logParts(x);
  return fma(p.exponent, ln2High, fma(p.exponent, ln2Low, p.log));
}

double logarithm2(double x) {
  double result;
  if (specialLog(x, result))
    return result;
  Parts p = logParts(x);
  return fma(p.log, log2e, p.exponent);
}

double logarithm1p(double x) {
  double u = 1 + x;
  if (u == 1 || u == inf)
    return u == 1 ? x : u;
  return logarithm(u) * (x / (u - 1));
}

double hyperbolicTangent(double x) {
  double a = magnitude(x);
  if (!(a < 20))
    return x != x ? x : x > 0 ? 1 : -1;
  double e = 2 * a < 0.34 ? seriesExpm1(2 * a) : exponential(2 * a) - 1;
  return __builtin_copysign(e / (e + 2), x);
}

/// Sums without cancellation: erf x = 2/sqrt(pi) e^-x^2 sum 2^n
/// x^(2n+1)/(2n+1)!!
double errorFunction(double x) {
  double a = magnitude(x);
  if (!(a < 6))
    return x != x ? x : x > 0 ? 1 : -1;
  double term = a, sum = a;
  for (int n = 1; term > sum * 1e-17; ++n) {
    term *= 2 * a * a / (2 * n + 1);
    sum += term;
  }
  return __builtin_copysign(1.12837916709551257390 * exponential(-a * a) * sum,
                            x);
}

double power(double x, double y) {
  if (y == 0 || x == 1)
    return 1;
  if (x != x || y != y)
    return nan;
  bool whole = magnitude(y) >= 0x1p53 || round(y) == y;
  bool odd = whole && magnitude(y) < 0x1p53 && (i64(y) & 1);
  if (x < 0 && !whole && x != -inf)
    return nan;
  double a = magnitude(x), result;
  if (a == 0 || a == inf) {
    result = (a == 0) == (y < 0) ? inf : 0;
  } else if (magnitude(y) == inf) {
    result = a == 1 ? 1 : (a > 1) == (y > 0) ? inf : 0;
  } else {
    // y log2(a) in two parts: the exponent times y is nearly exact.
    Parts p = logParts(a);
    double high = y * p.exponent, low = fma(y, double(p.exponent), -high);
    double log = p.log * log2e, rest = y * log;
    low += fma(y, log, -rest);
    double sum = high + rest, lost = (high - sum) + rest;
    if (sum != sum)
      lost = low = 0;
    result = exponential2(sum);
    if (result > 0 && result < inf)
      result *= 1 + (lost + low) * 0.693147180559945309417;
  }
  return odd && (x < 0 || (x == 0 && __builtin_signbit(x))) ? -result : result;
}

/// sin or cos (quarter = 1): reduced by multiples of pi/2, whose third part
/// keeps arguments to 2^30 exact enough.
double circular(double x, int quarter) {
  if (!(magnitude(x) < inf))
    return nan;
  double n = round(x * 0.636619772367581343076);
  double r = fma(-n, 1.57079632679489655800, x);
  r = fma(-n, 6.12323399573676603587e-17, r);
  r = fma(-n, -1.49738490485916983294e-33, r);
  int turn = int(i64(n) & 3) + quarter;
  double square = r * r, sum = 0, result;
  if (turn & 1) {
    for (int k = 18; k >= 2; k -= 2)
      sum = (sum + 1) * -square / (k * (k - 1));
    result = 1 + sum;
  } else {
    for (int k = 19; k >= 3; k -= 2)
      sum = (sum + 1) * -square / (k * (k - 1));
    result = fma(r, sum, r);
  }
  return turn & 2 ? -result : result;
}

} // namespace

#define ATTN_DEVICE_FUNCTION(name, code)                                       \
  extern "C" double name(double x) { return code; }                            \
  extern "C" float name##f(float single) {                                     \
    double x = single;                                                         \
    return float(code);                                                        \
  }
ATTN_DEVICE_FUNCTION(exp, exponential(x))
ATTN_DEVICE_FUNCTION(exp2, exponential2(x))
ATTN_DEVICE_FUNCTION(log, logarithm(x))
ATTN_DEVICE_FUNCTION(log2, logarithm2(x))
ATTN_DEVICE_FUNCTION(log1p, logarithm1p(x))
ATTN_DEVICE_FUNCTION(tanh, hyperbolicTangent(x))
ATTN_DEVICE_FUNCTION(erf, errorFunction(x))
ATTN_DEVICE_FUNCTION(sin, circular(x, 0))
ATTN_DEVICE_FUNCTION(cos, circular(x, 1))
extern "C" double pow(double x, double y) { return power(x, y); }
extern "C" float powf(float x, float y) { return float(power(x, y)); }

/// As in runtime/Sort.cpp: stable, by keys of positions.
extern "C" void attn_sort_keys(const u64 *keys, i64 numKeys, i64 count,
                               i32 *index, i32 *spare) {
  auto before = [&](i32 a, i32 b) {
    const u64 *x = keys + a * numKeys, *y = keys + b * numKeys;
    for (i64 k = 0; k < numKeys; ++k)
      if (x[k] != y[k])
        return x[k] < y[k];
    return false;
  };
  i32 *position = spare, *merged = spare + count;
  for (i64 i = 0; i < count; ++i)
    position[i] = i32(i);
  for (i64 width = 1; width < count; width *= 2) {
    for (i64 low = 0; low < count; low += 2 * width) {
      i64 middle = low + width < count ? low + width : count;
      i64 high = low + 2 * width < count ? low + 2 * width : count;
      i64 left = low, right = middle;
      for (i64 out = low; out < high; ++out) {
        bool second = right < high && (left == middle ||
                                       before(position[right], position[left]));
        merged[out] = position[second ? right++ : left++];
      }
    }
    i32 *other = position;
    position = merged;
    merged = other;
  }
  for (i64 i = 0; i < count; ++i)
    merged[i] = index[position[i]];
  for (i64 i = 0; i < count; ++i)
    index[i] = merged[i];
}
