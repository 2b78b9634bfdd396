//===- Products.cpp - real products in a region -----------------*- C++ -*-===//
#include "passes/derive/Products.h"

using namespace mlir;
using namespace attn;

bool attn::isProduct(Value value) {
  auto map = value.getDefiningOp<MapOp>();
  return map && (map.getFn() == Fn::mul || map.getFn() == Fn::div) &&
         isa<FloatType>(map.getType());
}

static void addFactors(Value value, bool divisors,
                       SmallVectorImpl<Value> &factors) {
  if (auto where = value.getDefiningOp<WhereOp>())
    return addFactors(where.getValue(), divisors, factors);
  if (!isProduct(value)) {
    factors.push_back(value);
    return;
  }
  auto map = value.getDefiningOp<MapOp>();
  addFactors(map.getOperand(0), divisors, factors);
  if (map.getFn() == Fn::mul || divisors)
    addFactors(map.getOperand(1), divisors, factors);
}

SmallVector<Value> attn::factorsOf(Value value, bool divisors) {
  SmallVector<Value> factors;
  addFactors(value, divisors, factors);
  return factors;
}
