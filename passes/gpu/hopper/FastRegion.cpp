//===- FastRegion.cpp - scalar code with the GPU's own functions -*- C++ -*-==//
#include "passes/gpu/hopper/FastRegion.h"
#include "mlir/IR/Matchers.h"
#include "passes/gpu/Intrinsics.h"

using namespace mlir;
using namespace attn;
using namespace attn::cpu;

constexpr double log2e = 1.44269504088896340736;

Value gpu::fastExp2(CodeBuilder &b, Value x) {
  return LLVM::CallIntrinsicOp::create(
             b, b.getF32Type(), b.getStringAttr("llvm.nvvm.ex2.approx.ftz"),
             ValueRange{x})
      .getResult(0);
}

Value gpu::exponentOf(Value value) {
  auto call = value.getDefiningOp<LLVM::CallIntrinsicOp>();
  if (!call || !call.getIntrin().starts_with("llvm.nvvm.ex2.approx"))
    return {};
  return call->getOperand(0);
}

static Value reciprocal(CodeBuilder &b, Value x) {
  return gpu::intrinsic(b, "llvm.nvvm.rcp.approx.ftz.f", b.getF32Type(), {x});
}

/// tanh x = 1 - 2 / (e^2x + 1)
static Value hyperbolicTangent(CodeBuilder &b, Value x) {
  Type f32 = b.getF32Type();
  Value e = gpu::fastExp2(b, b.mul(x, b.real(f32, 2 * log2e)));
  Value r = reciprocal(b, b.add(e, b.real(f32, 1)));
  return b.add(b.mul(r, b.real(f32, -2)), b.real(f32, 1));
}

Scalar gpu::FastRegion::emitMap(MapOp op) {
  Fn fn = op.getFn();
  bool unary = llvm::is_contained({Fn::exp, Fn::exp2, Fn::tanh}, fn);
  bool quotient = fn == Fn::div && !matchPattern(op.getOperand(1), m_Constant());
  if (!unary && !quotient)
    return TileRegion::emitMap(op);
  Scalar x = lookup(op.getOperand(0)), y = lookup(op.getOperands().back());
  if (x.exact && y.exact)
    return TileRegion::emitMap(op); // of coordinates alone: in f64
  x = settled(x);
  y = settled(y);
  if (!x.value.getType().isF32() || !y.value.getType().isF32())
    return TileRegion::emitMap(op);
  Scalar result;
  result.present = quotient ? b.both(x.present, y.present) : x.present;
  switch (fn) {
  case Fn::exp:
    result.value = fastExp2(b, b.mul(x.value, b.real(b.getF32Type(), log2e)));
    break;
  case Fn::exp2:
    result.value = fastExp2(b, x.value);
    break;
  case Fn::tanh:
    result.value = hyperbolicTangent(b, x.value);
    break;
  default:
    result.value = b.mul(x.value, reciprocal(b, y.value));
  }
  return result;
}
