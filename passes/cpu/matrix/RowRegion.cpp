//===- RowRegion.cpp - scalar code of rows, at its cheapest -----*- C++ -*-===//
#include "passes/cpu/matrix/RowRegion.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "passes/cpu/FastMath.h"
#include "passes/cpu/tile/Absence.h"

using namespace mlir;
using namespace attn;
using namespace attn::cpu;
using arith::CmpFPredicate;

/// As emitFastMath makes it.
Value cpu::exponentOf(Value value) {
  auto call = value.getDefiningOp<LLVM::CallIntrinsicOp>();
  if (!call || !call.getIntrin().starts_with("llvm.x86.avx512.mask.scalef"))
    return {};
  return call->getOperand(1);
}

bool cpu::isZeroWhenAbsent(Value value, Value present,
                           llvm::function_ref<bool(Value)> isAbove) {
  return fallsWhenAbsent(exponentOf(value), present, isAbove);
}

//===----------------------------------------------------------------------===//
// Exponentials
//===----------------------------------------------------------------------===//

/// x * factor; of a difference by one fused operation, the part that is
/// subtracted scaled by itself, once for all rows that share it: where the two
/// are large, their rounding is more than the difference.
static Value scaled(CodeBuilder &b, Value x, double factor, bool fused) {
  constexpr double one = 1;
  auto difference = fused ? x.getDefiningOp<arith::SubFOp>() : arith::SubFOp();
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

static bool isPower(MapOp op) {
  return op.getFn() == Fn::exp || op.getFn() == Fn::exp2;
}

/// What a block yields where it is there, if that is a power, and nothing else
/// reads it.
static MapOp yieldedPower(Block &block) {
  Value made = block.back().getOperand(0);
  auto where = made.getDefiningOp<WhereOp>();
  for (; where && made.hasOneUse(); where = made.getDefiningOp<WhereOp>())
    made = where.getValue();
  auto power = made.getDefiningOp<MapOp>();
  return power && isPower(power) && made.hasOneUse() ? power : MapOp();
}

Scalar RowRegion::emitExponent(Block &block) {
  bare = yieldedPower(block);
  if (!bare)
    return {};
  Scalar exponent = emit(block).front();
  return bare ? exponent : Scalar();
}

Scalar RowRegion::emitMap(MapOp op) {
  for (Value operand : op.getOperands())
    if (Scalar scalar = lookup(operand); scalar.present)
      bind(operand, tellByValue(b, scalar));
  if (!isPower(op))
    return TileRegion::emitMap(op);
  Scalar x = lookup(op.getOperand(0));
  auto vector = dyn_cast<VectorType>(x.value.getType());
  if (x.exact || !vector || !vector.getElementType().isF32() ||
      vector.getNumElements() != 16) {
    if (op == bare)
      bare = {};
    return TileRegion::emitMap(op);
  }
  constexpr double log2e = 1.44269504088896340736;
  Value exponent = scaled(b, x.value, op.getFn() == Fn::exp ? log2e : 1, fused);
  Scalar result;
  if (op == bare)
    result.value = exponent;
  else
    result.value = coarse ? emitCoarseExp2(b, exponent)
                          : emitFastMath(b, Fn::exp2, exponent);
  result.present = x.present;
  return result;
}
