//===- Absence.cpp - what an absent point's value implies -------*- C++ -*-===//
#include "passes/cpu/tile/Absence.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/Matchers.h"
#include <cmath>

using namespace mlir;
using namespace attn;
using namespace attn::cpu;
using arith::CmpFPredicate;

bool cpu::isMinusInfinity(Value value) {
  return constantReal(value) == -INFINITY;
}

Value cpu::aboveMinusInfinity(Value present) {
  auto compare =
      present ? present.getDefiningOp<arith::CmpFOp>() : arith::CmpFOp();
  if (!compare || compare.getPredicate() != CmpFPredicate::UNE ||
      !isMinusInfinity(compare.getRhs()))
    return {};
  return compare.getLhs();
}

Scalar cpu::tellByValue(CodeBuilder &b, Scalar scalar) {
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
  scalar.present = b.compare(arith::CmpIPredicate::ne, scalar.value, low);
  return scalar;
}

std::pair<Value, double> cpu::positiveMultiple(Value value) {
  auto product = value.getDefiningOp<arith::MulFOp>();
  double factor = product ? constantReal(product.getRhs()).value_or(0) : 0;
  if (factor > 0 && std::isfinite(factor))
    return {product.getLhs(), factor};
  return {Value(), 0};
}

using Test = llvm::function_ref<bool(Value)>;

/// Is `value` -inf (or so low that its exponential is 0) where x is -inf? (A
/// NaN in its other operands is one of the row, whose results are NaN then.)
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

bool cpu::fallsWhenAbsent(Value exponent, Value present, Test isAbove) {
  Value x = aboveMinusInfinity(present);
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

void cpu::testUnscaled(Operation *code) {
  code->walk([](arith::CmpFOp compare) {
    auto [part, factor] = positiveMultiple(compare.getLhs());
    if (part && factor <= 1 && isMinusInfinity(compare.getRhs()))
      compare.getLhsMutable().assign(part);
  });
}
