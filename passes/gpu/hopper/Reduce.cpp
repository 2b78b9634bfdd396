//===- Reduce.cpp - reductions of values in registers -----------*- C++ -*-===//
// Presence costs a comparison and a selection a point. It is not looked at
// where an absent point would add nothing anyway, and whether any point is
// there is asked of their maximum.
//===----------------------------------------------------------------------===//
#include "passes/gpu/hopper/Reduce.h"
#include "mlir/IR/Matchers.h"
#include "passes/gpu/Intrinsics.h"
#include "passes/gpu/hopper/FastRegion.h"

using namespace mlir;
using namespace attn;
using namespace attn::cpu;
using arith::CmpFPredicate;

Value gpu::combine(CodeBuilder &b, Reduce kind, Value x, Value y) {
  bool real = isa<FloatType>(x.getType());
  switch (kind) {
  case Reduce::sum:
  case Reduce::count:
    return b.addReassociated(x, y);
  case Reduce::prod:
    return b.mulReassociated(x, y);
  case Reduce::max:
    return real ? Value(arith::MaximumFOp::create(b, x, y)) : b.max(x, y);
  case Reduce::min:
    return real ? Value(arith::MinimumFOp::create(b, x, y)) : b.min(x, y);
  case Reduce::any:
    return b.bitOr(x, y);
  case Reduce::all:
    return b.bitAnd(x, y);
  default:
    llvm_unreachable("refused by Roles");
  }
}

//===----------------------------------------------------------------------===//
// What absence implies
//===----------------------------------------------------------------------===//

/// x, if `present` is x != -inf.
static Value aboveMinusInfinity(Value present) {
  auto compare = present ? present.getDefiningOp<arith::CmpFOp>()
                         : arith::CmpFOp();
  APFloat limit(0.0);
  if (!compare || compare.getPredicate() != CmpFPredicate::UNE ||
      !matchPattern(compare.getRhs(), m_ConstantFloat(&limit)) ||
      !limit.isInfinity() || !limit.isNegative())
    return {};
  return compare.getLhs();
}

/// Never -inf: `v == -inf ? c : v`.
static bool isAboveMinusInfinity(Value value) {
  auto select = value.getDefiningOp<arith::SelectOp>();
  auto test = select ? select.getCondition().getDefiningOp<arith::CmpFOp>()
                     : arith::CmpFOp();
  APFloat limit(0.0), other(0.0);
  return test && test.getPredicate() == CmpFPredicate::OEQ &&
         test.getLhs() == select.getFalseValue() &&
         matchPattern(test.getRhs(), m_ConstantFloat(&limit)) &&
         limit.isInfinity() && limit.isNegative() &&
         matchPattern(select.getTrueValue(), m_ConstantFloat(&other)) &&
         other.isFinite();
}

/// Is `value` -inf where x is? (A NaN in its other operands is one of the row,
/// and the row's results are NaN then.)
static bool fallsWith(Value value, Value x) {
  if (value == x)
    return true;
  if (auto product = value.getDefiningOp<arith::MulFOp>()) {
    APFloat factor(0.0);
    return matchPattern(product.getRhs(), m_ConstantFloat(&factor)) &&
           factor.isFiniteNonZero() && !factor.isNegative() &&
           fallsWith(product.getLhs(), x);
  }
  if (auto difference = value.getDefiningOp<arith::SubFOp>())
    return fallsWith(difference.getLhs(), x) &&
           isAboveMinusInfinity(difference.getRhs());
  return false;
}

bool gpu::isZeroWhenAbsent(Value value, Value present) {
  Value x = aboveMinusInfinity(present), exponent = exponentOf(value);
  return x && exponent && fallsWith(exponent, x);
}

//===----------------------------------------------------------------------===//
// Reductions
//===----------------------------------------------------------------------===//

static Value identity(CodeBuilder &b, Reduce kind, Type element) {
  TypedAttr value = identityOf(
      kind, isa<FloatType>(element) ? b.getF64Type() : element);
  if (auto real = dyn_cast<FloatAttr>(value))
    return b.real(element, real.getValueAsDouble());
  return b.integer(element, cast<IntegerAttr>(value).getInt());
}

/// Four chains, so that they overlap.
static Value chains(CodeBuilder &b, Reduce kind, ArrayRef<Value> values) {
  SmallVector<Value> partial;
  for (auto [i, value] : llvm::enumerate(values)) {
    if (i < 4)
      partial.push_back(value);
    else
      partial[i % 4] = gpu::combine(b, kind, partial[i % 4], value);
  }
  while (partial.size() > 1) {
    Value last = partial.pop_back_val();
    Value &other = partial[(partial.size() - 1) / 2];
    other = gpu::combine(b, kind, other, last);
  }
  return partial[0];
}

Value gpu::reducePoints(CodeBuilder &b, Reduce kind, ArrayRef<Scalar> points,
                        Type element) {
  SmallVector<Value> values, tested;
  for (const Scalar &point : points) {
    Value value = point.value;
    if (kind == Reduce::count)
      value = b.integer(element, 1);
    else if (!element.isInteger(1))
      value = b.convert(value, element);
    Value present = b.both(point.present, {});
    Value x = aboveMinusInfinity(present);
    bool isTrue = element.isInteger(1) && [&] {
      // e == e or e != e, as presence itself is written
      auto either = value.getDefiningOp<arith::OrIOp>();
      if (!either)
        return matchPattern(value, m_One());
      auto one = either.getLhs().getDefiningOp<arith::CmpFOp>();
      auto two = either.getRhs().getDefiningOp<arith::CmpFOp>();
      return one && two && one.getLhs() == one.getRhs() &&
             two.getLhs() == two.getRhs() && one.getLhs() == two.getLhs() &&
             one.getPredicate() == CmpFPredicate::OEQ &&
             two.getPredicate() == CmpFPredicate::UNE;
    }();
    if (kind == Reduce::any && isTrue && x)
      tested.push_back(x);
    bool free = !present || (kind == Reduce::max && x == value) ||
                (kind == Reduce::sum && isZeroWhenAbsent(value, present));
    values.push_back(
        free ? value
             : b.select(present, value, identity(b, kind, element)));
  }
  if (!tested.empty() && tested.size() == points.size()) {
    Value most = chains(b, Reduce::max, tested);
    return b.compare(arith::CmpIPredicate::ne, most,
                     b.real(most.getType(), -INFINITY));
  }
  return chains(b, kind, values);
}

Value gpu::reduceAcross(CodeBuilder &b, Reduce kind, Value value) {
  Type type = value.getType(), i32 = b.getI32Type();
  for (int distance : {1, 2}) {
    Value bits = value;
    if (type.isInteger(1))
      bits = arith::ExtUIOp::create(b, i32, value);
    else if (type.isF32())
      bits = arith::BitcastOp::create(b, i32, value);
    Value other = intrinsic(b, "llvm.nvvm.shfl.sync.bfly.i32", i32,
                            {b.i32(-1), bits, b.i32(distance), b.i32(31)});
    if (type.isInteger(1))
      other = b.compare(arith::CmpIPredicate::ne, other, b.i32(0));
    else if (type.isF32())
      other = arith::BitcastOp::create(b, type, other);
    value = combine(b, kind, value, other);
  }
  return value;
}
