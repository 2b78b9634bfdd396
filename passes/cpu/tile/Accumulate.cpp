//===- Accumulate.cpp - one more point of a reduction -----------*- C++ -*-===//
#include "passes/cpu/tile/Accumulate.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace attn;
using namespace attn::cpu;

Value cpu::accumulate(CodeBuilder &b, Reduce kind, Value sum, Value x) {
  Type element = getElementTypeOrSelf(sum);
  if (kind == Reduce::count)
    x = b.integer(element, 1);
  else if (!element.isInteger(1))
    x = b.convert(x, element);
  x = b.splat(x, sum.getType());
  switch (kind) {
  case Reduce::sum:
  case Reduce::count: {
    auto product = x.getDefiningOp<arith::MulFOp>();
    return product && b.target.fma
               ? Value(math::FmaOp::create(b, product.getLhs(),
                                           product.getRhs(), sum))
               : b.add(x, sum);
  }
  case Reduce::prod:
    return b.mul(x, sum);
  case Reduce::max: // in this order a carried NaN is kept at no cost
    return b.max(x, sum);
  case Reduce::min:
    return b.min(x, sum);
  case Reduce::any:
    return b.bitOr(x, sum);
  case Reduce::all:
    return b.bitAnd(x, sum);
  default:
    llvm_unreachable("refused by prepareTileKernel");
  }
}
