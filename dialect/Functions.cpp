//===- Functions.cpp - scalar functions: types and meaning ------*- C++ -*-===//
#include "dialect/Functions.h"
#include "dialect/Philox.h"
#include "llvm/ADT/APFloat.h"
#include "llvm/ADT/bit.h"
#include "llvm/Support/FormatVariadic.h"
#include <cmath>

using namespace mlir;
using namespace attn;

static constexpr FnInfo table[] = {
#define ATTN_FN(fn, arity, typing, homomorphism, monotone)                     \
  {Fn::fn, #fn, arity, FnTyping::typing, Homomorphism::homomorphism,           \
   Monotone::monotone},
#include "dialect/Functions.def"
};

const FnInfo &attn::info(Fn fn) {
  const FnInfo &row = table[static_cast<unsigned>(fn)];
  assert(row.fn == fn && "Functions.def is in the order of the enum");
  return row;
}

Type attn::inferFnType(Fn fn, TypeRange operands, std::string &why) {
  const FnInfo &row = info(fn);
  if (row.arity < 0 && operands.empty()) {
    why = "takes at least one operand";
    return {};
  }
  if (row.arity >= 0 && operands.size() != size_t(row.arity)) {
    why = llvm::formatv("takes {0} operands, not {1}", row.arity,
                        operands.size());
    return {};
  }
  Type type = operands.front();
  MLIRContext *ctx = type.getContext();
  bool real = isa<FloatType>(type), boolean = type.isInteger(1);
  bool integer = !real && !boolean;
  auto uniform = [&] { return llvm::all_equal(operands); };
  auto check = [&](bool fits, const char *text, Type result) {
    if (!fits)
      why = text;
    return fits ? result : Type();
  };
  switch (row.typing) {
  case FnTyping::Arith:
    return check(uniform() && !boolean, "takes reals, or integers of one width",
                 type);
  case FnTyping::Real:
    return check(uniform() && real, "takes reals", type);
  case FnTyping::Integer:
    return check(uniform() && integer, "takes integers of one width", type);
  case FnTyping::Compare:
    return check(uniform(), "compares operands of one type",
                 IntegerType::get(ctx, 1));
  case FnTyping::Logic:
    return check(uniform() && boolean, "takes bools", type);
  case FnTyping::RealToBool:
    return check(real, "takes a real", IntegerType::get(ctx, 1));
  case FnTyping::RealToInt:
    return check(real, "takes a real", IntegerType::get(ctx, 32));
  case FnTyping::IntToReal:
    return check(llvm::all_of(operands,
                              [](Type t) {
                                return isa<IntegerType>(t) && !t.isInteger(1);
                              }),
                 "takes integers", Float64Type::get(ctx));
  }
  llvm_unreachable("unknown typing");
}

//===----------------------------------------------------------------------===//
// Meaning
//===----------------------------------------------------------------------===//

static ScalarValue realValue(double value) {
  ScalarValue v;
  v.real = value;
  return v;
}
static ScalarValue intValue(int64_t value) {
  ScalarValue v;
  v.integer = value;
  return v;
}

// max and min keep a NaN: it must surface, on every target.
static double maxKeepNan(double a, double b) {
  return std::isnan(a) || std::isnan(b) ? std::nan("") : std::max(a, b);
}

std::optional<ScalarValue> attn::evaluateReal(Fn fn, double a, double b) {
  switch (fn) {
  case Fn::add:
    return realValue(a + b);
  case Fn::sub:
    return realValue(a - b);
  case Fn::mul:
    return realValue(a * b);
  case Fn::div:
    return realValue(a / b);
  case Fn::pow:
    return realValue(std::pow(a, b));
  case Fn::neg:
    return realValue(-a);
  case Fn::lt:
    return intValue(a < b);
  case Fn::le:
    return intValue(a <= b);
  case Fn::gt:
    return intValue(a > b);
  case Fn::ge:
    return intValue(a >= b);
  case Fn::eq:
    return intValue(a == b);
  case Fn::ne:
    return intValue(a != b);
  case Fn::min:
    return realValue(-maxKeepNan(-a, -b));
  case Fn::max:
    return realValue(maxKeepNan(a, b));
  case Fn::abs:
    return realValue(std::fabs(a));
  case Fn::sign:
    return realValue(std::isnan(a) ? a : double(a > 0) - double(a < 0));
  case Fn::floor:
    return realValue(std::floor(a));
  case Fn::ceil:
    return realValue(std::ceil(a));
  case Fn::round:
    return realValue(std::nearbyint(a));
  case Fn::isnan:
    return intValue(std::isnan(a));
  case Fn::exp:
    return realValue(std::exp(a));
  case Fn::exp2:
    return realValue(std::exp2(a));
  case Fn::log:
    return realValue(std::log(a));
  case Fn::log2:
    return realValue(std::log2(a));
  case Fn::log1p:
    return realValue(std::log1p(a));
  case Fn::sqrt:
    return realValue(std::sqrt(a));
  case Fn::rsqrt:
    return realValue(1 / std::sqrt(a));
  case Fn::tanh:
    return realValue(std::tanh(a));
  case Fn::sin:
    return realValue(std::sin(a));
  case Fn::cos:
    return realValue(std::cos(a));
  case Fn::erf:
    return realValue(std::erf(a));
  case Fn::bits:
    return intValue(llvm::bit_cast<int32_t>(static_cast<float>(a)));
  default:
    llvm_unreachable("not a function of reals");
  }
}

static int64_t powWrap(int64_t base, int64_t exponent, unsigned width) {
  uint64_t result = 1, factor = base;
  for (; exponent > 0; exponent >>= 1, factor *= factor)
    if (exponent & 1)
      result *= factor;
  return llvm::SignExtend64(result, width);
}

std::optional<ScalarValue> attn::evaluateInteger(Fn fn, unsigned width,
                                                 int64_t a, int64_t b) {
  auto wrap = [&](uint64_t value) {
    return intValue(width == 1 ? int64_t(value & 1)
                               : llvm::SignExtend64(value, width));
  };
  uint64_t ua = a, ub = b;
  uint64_t mask = width == 64 ? ~uint64_t{0} : (uint64_t{1} << width) - 1;
  switch (fn) {
  case Fn::add:
    return wrap(ua + ub);
  case Fn::sub:
    return wrap(ua - ub);
  case Fn::mul:
    return wrap(ua * ub);
  case Fn::floordiv:
    if (b == 0)
      return std::nullopt;
    if (b == -1)
      return wrap(-ua);
    return wrap(llvm::divideFloorSigned(a, b));
  case Fn::mod: {
    if (b == 0)
      return std::nullopt;
    if (b == -1)
      return intValue(0);
    int64_t r = a % b;
    return wrap(r < 0 ? r + (b < 0 ? -b : b) : r);
  }
  case Fn::pow:
    return intValue(powWrap(a, b, width));
  case Fn::neg:
    return wrap(-ua);
  case Fn::lt:
    return intValue(a < b);
  case Fn::le:
    return intValue(a <= b);
  case Fn::gt:
    return intValue(a > b);
  case Fn::ge:
    return intValue(a >= b);
  case Fn::eq:
    return intValue(a == b);
  case Fn::ne:
    return intValue(a != b);
  case Fn::and_:
    return intValue(a & b & 1);
  case Fn::or_:
    return intValue((a | b) & 1);
  case Fn::not_:
    return intValue(~a & 1);
  case Fn::min:
    return intValue(std::min(a, b));
  case Fn::max:
    return intValue(std::max(a, b));
  case Fn::abs:
    return wrap(a < 0 ? -ua : ua);
  case Fn::sign:
    return intValue((a > 0) - (a < 0));
  case Fn::msb:
    return intValue(64 - llvm::countl_zero(ua & mask));
  case Fn::xor_:
    return wrap(ua ^ ub);
  case Fn::band:
    return wrap(ua & ub);
  case Fn::shl:
    return wrap(ua << (ub % width));
  case Fn::shr:
    return wrap(uint64_t(a >> (ub % width)));
  case Fn::from_bits:
    return realValue(llvm::bit_cast<float>(static_cast<uint32_t>(ua)));
  case Fn::real:
    return realValue(double(a));
  default:
    llvm_unreachable("not a function of integers");
  }
}

std::optional<ScalarValue>
attn::evaluateFn(Fn fn, Type type, ArrayRef<ScalarValue> operands) {
  if (fn == Fn::uniform || fn == Fn::normal) {
    auto words = llvm::map_to_vector(operands.drop_front(),
                                     [](ScalarValue v) { return v.integer; });
    uint64_t seed = operands.front().integer;
    return realValue(fn == Fn::uniform ? philox::uniform(seed, words)
                                       : philox::normal(seed, words));
  }
  ScalarValue a = operands.front(), b = operands.back();
  if (isa<FloatType>(type))
    return evaluateReal(fn, a.real, b.real);
  return evaluateInteger(fn, type.getIntOrFloatBitWidth(), a.integer,
                         b.integer);
}

double attn::roundTo(Type storage, double value) {
  if (isa<Float64Type>(storage))
    return value;
  if (isa<Float32Type>(storage))
    return static_cast<float>(value);
  APFloat x(value);
  bool loses;
  x.convert(cast<FloatType>(storage).getFloatSemantics(),
            APFloat::rmNearestTiesToEven, &loses);
  x.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &loses);
  return x.convertToDouble();
}

int64_t attn::saturateTo(Type storage, double value) {
  if (std::isnan(value))
    return 0;
  auto type = cast<IntegerType>(storage);
  unsigned width = type.getWidth();
  bool isSigned = !type.isUnsigned() && width > 1;
  int64_t low = isSigned ? llvm::minIntN(width) : 0;
  int64_t high = isSigned ? llvm::maxIntN(width) : llvm::maxUIntN(width);
  if (value <= double(low))
    return low;
  if (value >= double(high))
    return high;
  return static_cast<int64_t>(value);
}

int64_t attn::wrapTo(Type storage, int64_t value) {
  auto type = cast<IntegerType>(storage);
  unsigned width = type.getWidth();
  if (type.isUnsigned() || width == 1)
    return value & llvm::maskTrailingOnes<uint64_t>(width);
  return llvm::SignExtend64(value, width);
}
