//===- RowRegion.cpp - scalar code of rows, at its cheapest -----*- C++ -*-===//
#include "passes/cpu/matrix/RowRegion.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/Matchers.h"
#include "passes/cpu/FastMath.h"
#include <cmath>

using namespace mlir;
using namespace attn;
using namespace attn::cpu;
using arith::CmpFPredicate;

/// A constant real, or one in all lanes.
static std::optional<double> constantReal(Value value) {
  if (auto splat = value.getDefiningOp<vector::BroadcastOp>())
    value = splat.getSource();
  if (auto rounded = value.getDefiningOp<arith::TruncFOp>())
    value = rounded.getIn();
  Attribute constant;
  if (!matchPattern(value, m_Constant(&constant)))
    return std::nullopt;
  if (auto splat = dyn_cast<SplatElementsAttr>(constant))
    constant = splat.getSplatValue<Attribute>();
  auto real = dyn_cast<FloatAttr>(constant);
  return real ? std::optional(real.getValueAsDouble()) : std::nullopt;
}

static bool isMinusInfinity(Value value) {
  return constantReal(value) == -INFINITY;
}

//===----------------------------------------------------------------------===//
// Absence
//===----------------------------------------------------------------------===//

Value cpu::aboveMinusInfinity(Value present) {
  auto compare =
      present ? present.getDefiningOp<arith::CmpFOp>() : arith::CmpFOp();
  if (!compare || compare.getPredicate() != CmpFPredicate::UNE ||
      !isMinusInfinity(compare.getRhs()))
    return {};
  return compare.getLhs();
}

/// Presence that includes `value` != -inf is told by the value alone.
static Scalar tellByValue(CodeBuilder &b, Scalar scalar) {
  if (!scalar.present || !getElementTypeOrSelf(scalar.value).isF32())
    return scalar;
  Value rest;
  bool tested = false;
  SmallVector<Value> work{scalar.present};
  while (!work.empty()) {
    Value part = work.pop_back_val();
    if (auto both = part.getDefiningOp<arith::AndIOp>()) {
      work.push_back(both.getRhs());
      work.push_back(both.getLhs());
    } else if (aboveMinusInfinity(part) == scalar.value) {
      tested = true;
    } else {
      rest = b.both(rest, part);
    }
  }
  if (!tested || !rest)
    return scalar;
  Value low = b.real(scalar.value.getType(), -INFINITY);
  scalar.value = b.select(rest, scalar.value, low);
  scalar.present = b.compare(arith::CmpIPredicate::ne, scalar.value,
                             b.real(scalar.value.getType(), -INFINITY));
  return scalar;
}

std::pair<Value, double> cpu::positiveMultiple(Value value) {
  auto product = value.getDefiningOp<arith::MulFOp>();
  double factor = product ? constantReal(product.getRhs()).value_or(0) : 0;
  if (factor > 0 && std::isfinite(factor))
    return {product.getLhs(), factor};
  return {Value(), 0};
}

/// x of an exponential 2^x, as emitExp2 makes it.
static Value exponentOf(Value value) {
  auto call = value.getDefiningOp<LLVM::CallIntrinsicOp>();
  if (!call || !call.getIntrin().starts_with("llvm.x86.avx512.mask.scalef"))
    return {};
  return call->getOperand(1);
}

using Test = llvm::function_ref<bool(Value)>;

/// Is `value` -inf (or so low that its exponential is 0) where x is -inf? (A
/// NaN in what is subtracted makes all results of its lane NaN anyway.)
static bool fallsWith(Value value, Value x, Test isAbove) {
  if (value == x || value == positiveMultiple(x).first)
    return true;
  if (Value other = positiveMultiple(value).first)
    return fallsWith(other, x, isAbove);
  auto above = [&](Value part) {
    Value whole = positiveMultiple(part).first;
    return isAbove(whole ? whole : part);
  };
  if (auto difference = value.getDefiningOp<arith::SubFOp>())
    return fallsWith(difference.getLhs(), x, isAbove) &&
           above(difference.getRhs());
  auto sum = value.getDefiningOp<math::FmaOp>();
  auto minus =
      sum ? sum.getC().getDefiningOp<arith::NegFOp>() : arith::NegFOp();
  return minus && constantReal(sum.getB()).value_or(0) > 0 &&
         fallsWith(sum.getA(), x, isAbove) && above(minus.getOperand());
}

bool cpu::isZeroWhenAbsent(Value value, Value present, Test isAbove) {
  Value x = aboveMinusInfinity(present), exponent = exponentOf(value);
  return x && exponent && fallsWith(exponent, x, isAbove);
}

/// x == x and x != x, of one x.
static bool complement(Value left, Value right) {
  auto one = left.getDefiningOp<arith::CmpFOp>();
  auto two = right.getDefiningOp<arith::CmpFOp>();
  return one && two && one.getLhs() == one.getRhs() &&
         two.getLhs() == two.getRhs() && one.getLhs() == two.getLhs() &&
         one.getPredicate() == CmpFPredicate::OEQ &&
         two.getPredicate() == CmpFPredicate::UNE;
}

Value cpu::simplifiedFlag(Value flag) {
  if (!flag || matchPattern(flag, m_One()))
    return {};
  auto either = flag.getDefiningOp<arith::OrIOp>();
  if (!either)
    return flag;
  Value left = either.getLhs(), right = either.getRhs();
  if (complement(left, right))
    return {};
  auto one = left.getDefiningOp<arith::AndIOp>();
  auto two = right.getDefiningOp<arith::AndIOp>();
  if (one && two && one.getRhs() == two.getRhs() &&
      complement(one.getLhs(), two.getLhs()))
    return simplifiedFlag(one.getRhs());
  Value x = simplifiedFlag(left), y = simplifiedFlag(right);
  return !x || !y ? Value() : x == y ? x : flag;
}

//===----------------------------------------------------------------------===//
// Exponentials
//===----------------------------------------------------------------------===//

/// x * factor; of a difference by one fused operation, the part that is
/// subtracted scaled by itself, once for all rows that share it.
static Value scaled(CodeBuilder &b, Value x, double factor) {
  constexpr double one = 1;
  auto difference = x.getDefiningOp<arith::SubFOp>();
  Type type = x.getType();
  if (!difference)
    return factor == one ? x : b.mul(x, b.real(type, factor));
  Value left = difference.getLhs();
  double leftFactor = factor;
  if (auto product = left.getDefiningOp<arith::MulFOp>())
    if (auto constant = constantReal(product.getRhs())) {
      left = product.getLhs();
      leftFactor *= *constant;
    }
  Value right = b.mul(difference.getRhs(), b.real(type, factor));
  return math::FmaOp::create(b, left, b.real(type, leftFactor),
                             arith::NegFOp::create(b, right));
}

Scalar RowRegion::emitMap(MapOp op) {
  for (Value operand : op.getOperands())
    if (Scalar scalar = lookup(operand); scalar.present)
      bind(operand, tellByValue(b, scalar));
  if (op.getFn() != Fn::exp && op.getFn() != Fn::exp2)
    return TileRegion::emitMap(op);
  Scalar x = lookup(op.getOperand(0));
  auto vector = dyn_cast<VectorType>(x.value.getType());
  if (x.exact || !vector || !vector.getElementType().isF32() ||
      vector.getNumElements() != 16)
    return TileRegion::emitMap(op);
  constexpr double log2e = 1.44269504088896340736;
  Value exponent = scaled(b, x.value, op.getFn() == Fn::exp ? log2e : 1);
  Scalar result;
  result.value = coarse ? emitCoarseExp2(b, exponent)
                        : emitFastMath(b, Fn::exp2, exponent);
  result.present = x.present;
  return result;
}
