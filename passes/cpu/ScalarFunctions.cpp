//===- ScalarFunctions.cpp - code of the function table ---------*- C++ -*-===//
// One small emitter a function of dialect/Functions.def, in step with
// evaluateFn in dialect/Functions.cpp.
//===----------------------------------------------------------------------===//
#include "mlir/Dialect/Math/IR/Math.h"
#include "passes/cpu/FastMath.h"
#include "passes/cpu/Scalars.h"

using namespace mlir;
using namespace attn;
using namespace attn::cpu;
using arith::CmpIPredicate;

//===----------------------------------------------------------------------===//
// Random numbers (dialect/Philox.h)
//===----------------------------------------------------------------------===//

/// High and low word of the product of a constant and a 32-bit word.
static std::pair<Value, Value> mulWide(CodeBuilder &b, int64_t m, Value word) {
  Type i64 = b.like(word.getType(), b.getI64Type());
  Value product = b.mul(b.i64(m), arith::ExtUIOp::create(b, i64, word));
  Value high = arith::ShRUIOp::create(b, product, b.integer(i64, 32));
  return {b.convert(high, b.getI32Type()), b.convert(product, b.getI32Type())};
}

static Value bitXor(CodeBuilder &b, Value x, Value y) {
  Value operands[] = {x, y};
  b.match(operands);
  return arith::XOrIOp::create(b, operands[0], operands[1]);
}

static std::array<Value, 4> philox(CodeBuilder &b, Value seed,
                                   ArrayRef<Value> words) {
  Type i32 = b.getI32Type();
  Value wide = b.convert(seed, b.getI64Type());
  Value key0 = b.convert(wide, i32);
  Value key1 = b.convert(
      arith::ShRUIOp::create(b, wide, b.integer(wide.getType(), 32)), i32);
  std::array<Value, 4> state;
  state.fill(b.i32(0));
  do {
    for (size_t i = 0; i < 4 && i < words.size(); ++i)
      state[i] = bitXor(b, state[i], b.convert(words[i], i32));
    Value k0 = key0, k1 = key1;
    for (int round = 0; round < 10; ++round) {
      auto [high0, low0] = mulWide(b, 0xD2511F53, state[0]);
      auto [high1, low1] = mulWide(b, 0xCD9E8D57, state[2]);
      state = {bitXor(b, bitXor(b, high1, state[1]), k0), low1,
               bitXor(b, bitXor(b, high0, state[3]), k1), low0};
      k0 = b.add(k0, b.i32(0x9E3779B9));
      k1 = b.add(k1, b.i32(0xBB67AE85));
    }
    words = words.drop_front(std::min<size_t>(4, words.size()));
  } while (!words.empty());
  return state;
}

static Value toUniform(CodeBuilder &b, Type real, Value word) {
  Value bits = arith::ShRUIOp::create(b, word, b.integer(word.getType(), 9));
  real = b.like(word.getType(), real);
  Value x = arith::UIToFPOp::create(b, real, bits);
  return b.mul(b.add(x, b.real(real, 0.5)), b.real(real, 0x1p-23));
}

static Value emitRandom(CodeBuilder &b, Fn fn, ArrayRef<Value> operands,
                        Type real) {
  auto state = philox(b, operands[0], operands.drop_front());
  if (fn == Fn::uniform)
    return toUniform(b, real, state[0]);
  Type f64 = b.getF64Type();
  Value u0 = toUniform(b, f64, state[0]), u1 = toUniform(b, f64, state[1]);
  Value radius = math::SqrtOp::create(
      b, b.mul(b.real(f64, -2), math::LogOp::create(b, u0).getResult()));
  Value turn = b.mul(b.real(f64, 2 * 3.14159265358979323846), u1);
  return b.convert(b.mul(radius, math::CosOp::create(b, turn).getResult()),
                   real);
}

//===----------------------------------------------------------------------===//
// Reals
//===----------------------------------------------------------------------===//

/// Functions without an LLVM intrinsic: libm, by type.
static Value libm(CodeBuilder &b, StringRef name, Value x) {
  Type type = getElementTypeOrSelf(x);
  std::string callee = (name + (type.isF64() ? "" : "f")).str();
  auto vector = dyn_cast<VectorType>(x.getType());
  if (!vector)
    return b.call(callee, type, x);
  Value result = x;
  for (int64_t lane = 0; lane < vector.getNumElements(); ++lane) {
    Value element = LLVM::ExtractElementOp::create(b, x, b.i64(lane));
    result = LLVM::InsertElementOp::create(
        b, result, b.call(callee, type, element), b.i64(lane));
  }
  return result;
}

static Value signOfReal(CodeBuilder &b, Value x) {
  Type type = x.getType();
  Value zero = b.real(type, 0);
  Value sign = b.select(
      b.compare(CmpIPredicate::sgt, x, zero), b.real(type, 1),
      b.select(b.compare(CmpIPredicate::slt, x, zero), b.real(type, -1), zero));
  return b.select(b.isNan(x), x, sign);
}

/// The small whole number that a real is, in all lanes; else 0.
static int64_t smallWhole(Value y) {
  constexpr double most = 8; // few products: no worse than pow
  std::optional<double> real = constantReal(y);
  return real && std::abs(*real) <= most && *real == std::trunc(*real)
             ? int64_t(*real)
             : 0;
}

/// x ^ n by products; `n` is not 0.
static Value emitWholePower(CodeBuilder &b, Value x, int64_t n) {
  Value product, power = x;
  for (int64_t rest = std::abs(n); rest; rest /= 2) {
    if (rest % 2)
      product = product ? b.mul(product, power) : power;
    if (rest > 1)
      power = b.mul(power, power);
  }
  if (n > 0)
    return product;
  return arith::DivFOp::create(b, b.real(x.getType(), 1), product);
}

static Value emitReal(CodeBuilder &b, Fn fn, Value x, Value y) {
  if (Value fast = emitFastMath(b, fn, x))
    return fast;
  switch (fn) {
  case Fn::div:
    return arith::DivFOp::create(b, x, y);
  case Fn::pow:
    if (int64_t n = smallWhole(y))
      return emitWholePower(b, x, n);
    return math::PowFOp::create(b, x, y);
  case Fn::neg:
    return arith::NegFOp::create(b, x);
  case Fn::abs:
    return math::AbsFOp::create(b, x);
  case Fn::sign:
    return signOfReal(b, x);
  case Fn::floor:
    return math::FloorOp::create(b, x);
  case Fn::ceil:
    return math::CeilOp::create(b, x);
  case Fn::round:
    return math::RoundEvenOp::create(b, x);
  case Fn::isnan:
    return b.isNan(x);
  case Fn::exp:
    return math::ExpOp::create(b, x);
  case Fn::exp2:
    return math::Exp2Op::create(b, x);
  case Fn::log:
    return math::LogOp::create(b, x);
  case Fn::log2:
    return math::Log2Op::create(b, x);
  case Fn::log1p:
    return libm(b, "log1p", x);
  case Fn::sqrt:
    return math::SqrtOp::create(b, x);
  case Fn::rsqrt:
    return arith::DivFOp::create(b, b.real(x.getType(), 1),
                                 math::SqrtOp::create(b, x));
  case Fn::tanh:
    return libm(b, "tanh", x);
  case Fn::sin:
    return math::SinOp::create(b, x);
  case Fn::cos:
    return math::CosOp::create(b, x);
  case Fn::erf:
    return libm(b, "erf", x);
  case Fn::bits:
    return arith::BitcastOp::create(b, b.like(x.getType(), b.getI32Type()),
                                    b.convert(x, b.getF32Type()));
  default:
    llvm_unreachable("not a function of reals");
  }
}

//===----------------------------------------------------------------------===//
// Integers
//===----------------------------------------------------------------------===//

/// floor(x / y) or the non-negative remainder; `y` is not 0.
static Value emitDivision(CodeBuilder &b, Fn fn, Value x, Value y) {
  Type type = x.getType();
  Value zero = b.integer(type, 0), minusOne = b.integer(type, -1);
  // The one quotient that traps is a negation.
  Value negates = b.compare(CmpIPredicate::eq, y, minusOne);
  Value safe = b.select(negates, b.integer(type, 1), y);
  Value remainder = arith::RemSIOp::create(b, x, safe);
  if (fn == Fn::mod) {
    Value size = b.select(b.compare(CmpIPredicate::slt, safe, zero),
                          b.sub(zero, safe), safe);
    Value lifted = b.select(b.compare(CmpIPredicate::slt, remainder, zero),
                            b.add(remainder, size), remainder);
    return b.select(negates, zero, lifted);
  }
  Value quotient = arith::DivSIOp::create(b, x, safe);
  Value inexact = b.compare(CmpIPredicate::ne, remainder, zero);
  Value opposite =
      b.compare(CmpIPredicate::slt, bitXor(b, remainder, safe), zero);
  Value floored = b.select(b.bitAnd(inexact, opposite),
                           b.add(quotient, minusOne), quotient);
  return b.select(negates, b.sub(zero, x), floored);
}

/// x ^ y by squaring; y <= 0 gives 1, as evaluateFn does.
static Value emitPower(CodeBuilder &b, Value x, Value y) {
  Type type = x.getType();
  Value one = b.integer(type, 1), zero = b.integer(type, 0);
  SmallVector<Value> init = {one, x, b.max(y, zero)};
  SmallVector<Value> result = b.loop(
      b.i64(0), b.i64(getElementTypeOrSelf(type).getIntOrFloatBitWidth()), init,
      [&](Value, ValueRange carried) -> SmallVector<Value> {
        Value odd =
            b.compare(CmpIPredicate::ne, b.bitAnd(carried[2], one), zero);
        return {b.select(odd, b.mul(carried[0], carried[1]), carried[0]),
                b.mul(carried[1], carried[1]),
                arith::ShRUIOp::create(b, carried[2], one)};
      });
  return result[0];
}

static Value emitInteger(CodeBuilder &b, Fn fn, Value x, Value y, Type real) {
  Type type = x.getType();
  unsigned width = getElementTypeOrSelf(type).getIntOrFloatBitWidth();
  Value zero = b.integer(type, 0);
  auto amount = [&] { return b.bitAnd(y, b.integer(type, width - 1)); };
  switch (fn) {
  case Fn::pow:
    return emitPower(b, x, y);
  case Fn::neg:
    return b.sub(zero, x);
  case Fn::abs:
    return b.select(b.compare(CmpIPredicate::slt, x, zero), b.sub(zero, x), x);
  case Fn::sign:
    return b.max(b.min(x, b.integer(type, 1)), b.integer(type, -1));
  case Fn::msb:
    return b.sub(b.integer(type, width),
                 math::CountLeadingZerosOp::create(b, x));
  case Fn::xor_:
    return bitXor(b, x, y);
  case Fn::band:
    return b.bitAnd(x, y);
  case Fn::shl:
    return arith::ShLIOp::create(b, x, amount());
  case Fn::shr:
    return arith::ShRSIOp::create(b, x, amount());
  case Fn::not_:
    return b.bitNot(x);
  case Fn::from_bits:
    return b.convert(arith::BitcastOp::create(b, b.like(type, b.getF32Type()),
                                              b.convert(x, b.getI32Type())),
                     real);
  case Fn::real:
    return arith::SIToFPOp::create(b, b.like(type, real), x);
  default:
    llvm_unreachable("not a function of integers");
  }
}

Value cpu::emitFn(CodeBuilder &b, Fn fn, ArrayRef<Value> operands, Type real,
                  bool nonZero, Value &present) {
  SmallVector<Value> matched(operands);
  b.match(matched);
  Value x = matched.front(), y = matched.back();
  switch (fn) {
  case Fn::add:
    return b.add(x, y);
  case Fn::sub:
    return b.sub(x, y);
  case Fn::mul:
    return b.mul(x, y);
  case Fn::min:
    return b.min(x, y);
  case Fn::max:
    return b.max(x, y);
  case Fn::lt:
    return b.compare(CmpIPredicate::slt, x, y);
  case Fn::le:
    return b.compare(CmpIPredicate::sle, x, y);
  case Fn::gt:
    return b.compare(CmpIPredicate::sgt, x, y);
  case Fn::ge:
    return b.compare(CmpIPredicate::sge, x, y);
  case Fn::eq:
    return b.compare(CmpIPredicate::eq, x, y);
  case Fn::ne:
    return b.compare(CmpIPredicate::ne, x, y);
  case Fn::uniform:
  case Fn::normal:
    return emitRandom(b, fn, matched, real);
  case Fn::floordiv:
  case Fn::mod: {
    Value zero = b.integer(y.getType(), 0);
    Value divides = b.compare(CmpIPredicate::ne, y, zero);
    if (!nonZero)
      present = divides;
    // Computed also where it is absent, or where a fact fails: no trap.
    return emitDivision(b, fn, x,
                        b.select(divides, y, b.integer(y.getType(), 1)));
  }
  default:
    return isa<FloatType>(getElementTypeOrSelf(x))
               ? emitReal(b, fn, x, y)
               : emitInteger(b, fn, x, y, real);
  }
}
