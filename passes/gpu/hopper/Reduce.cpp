//===- Reduce.cpp - reductions of values in registers -----------*- C++ -*-===//
// Presence costs a comparison and a selection a point. It is not looked at
// where an absent point would add nothing anyway, and whether any point is
// there is asked of their maximum.
//===----------------------------------------------------------------------===//
#include "passes/gpu/hopper/Reduce.h"
#include "mlir/IR/Matchers.h"
#include "passes/cpu/Team.h"
#include "passes/cpu/tile/Absence.h"
#include "passes/gpu/Intrinsics.h"
#include "passes/gpu/hopper/FastRegion.h"
#include <cmath>

using namespace mlir;
using namespace attn;
using namespace attn::cpu;
using arith::CmpFPredicate;

/// One instruction, a NaN wins.
static Value extremum(CodeBuilder &b, StringRef name, Value x, Value y) {
  return gpu::intrinsic(b, ("llvm.nvvm.f" + name + ".ftz.nan.f").str(),
                        x.getType(), {x, y});
}

Value gpu::combine(CodeBuilder &b, Reduce kind, Value x, Value y) {
  bool real = isa<FloatType>(x.getType());
  switch (kind) {
  case Reduce::sum:
  case Reduce::count:
    return b.addReassociated(x, y);
  case Reduce::prod:
    return b.mulReassociated(x, y);
  case Reduce::max:
    return real ? extremum(b, "max", x, y) : b.max(x, y);
  case Reduce::min:
    return real ? extremum(b, "min", x, y) : b.min(x, y);
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

bool gpu::isAboveMinusInfinity(Value value) {
  if (auto product = value.getDefiningOp<arith::MulFOp>())
    return constantReal(product.getRhs()).value_or(0) > 0 &&
           gpu::isAboveMinusInfinity(product.getLhs());
  auto select = value.getDefiningOp<arith::SelectOp>();
  if (select &&
      std::isfinite(constantReal(select.getTrueValue()).value_or(INFINITY)) &&
      isAboveMinusInfinity(select.getFalseValue()))
    return true;
  auto test = select ? select.getCondition().getDefiningOp<arith::CmpFOp>()
                     : arith::CmpFOp();
  return test && test.getPredicate() == CmpFPredicate::OEQ &&
         test.getLhs() == select.getFalseValue() &&
         isMinusInfinity(test.getRhs()) &&
         std::isfinite(constantReal(select.getTrueValue()).value_or(INFINITY));
}

/// (Maps that share a condition repeat it.)
bool gpu::isSame(Value x, Value y, int depth) {
  if (x == y)
    return true;
  Operation *one = x.getDefiningOp(), *two = y.getDefiningOp();
  return one && two && depth && isPure(one) && one->getNumResults() == 1 &&
         one->getNumRegions() == 0 && one->getName() == two->getName() &&
         one->getAttrDictionary() == two->getAttrDictionary() &&
         one->getNumOperands() == two->getNumOperands() &&
         llvm::all_of(
             llvm::zip(one->getOperands(), two->getOperands()), [&](auto pair) {
               return isSame(std::get<0>(pair), std::get<1>(pair), depth - 1);
             });
}

/// `flag` without parts that are always true; one of those that say the same,
/// if they all do. Null: true.
static Value oneFlag(Value flag) {
  flag = simplifiedFlag(flag);
  auto both = flag ? flag.getDefiningOp<arith::AndIOp>() : arith::AndIOp();
  if (!both)
    return flag;
  Value x = oneFlag(both.getLhs()), y = oneFlag(both.getRhs());
  return !x ? y : !y || gpu::isSame(x, y) ? x : flag;
}

bool gpu::isZeroWhenAbsent(Value value, Value present) {
  if (Value part = positiveMultiple(value).first)
    value = part;
  return fallsWhenAbsent(exponentOf(value), oneFlag(present),
                         isAboveMinusInfinity);
}

//===----------------------------------------------------------------------===//
// Reductions
//===----------------------------------------------------------------------===//

static Value identity(CodeBuilder &b, Reduce kind, Type element) {
  TypedAttr value =
      identityOf(kind, isa<FloatType>(element) ? b.getF64Type() : element);
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

/// The largest value; of multiples by one positive constant it is that multiple
/// of the largest.
static Value largest(CodeBuilder &b, ArrayRef<Value> values) {
  SmallVector<Value> parts;
  double common = positiveMultiple(values.front()).second;
  for (Value value : values) {
    auto [part, factor] = positiveMultiple(value);
    if (!part || factor != common)
      return chains(b, Reduce::max, values);
    parts.push_back(part);
  }
  Value most = chains(b, Reduce::max, parts);
  return b.mul(most, b.real(most.getType(), common));
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
    Value present = oneFlag(b.both(point.present, {}));
    Value x = aboveMinusInfinity(present);
    bool isTrue = false;
    if (element.isInteger(1)) {
      Value flag = simplifiedFlag(value);
      isTrue = !flag || flag == present;
    }
    if (kind == Reduce::any && isTrue && x)
      tested.push_back(x);
    bool free = !present || (kind == Reduce::max && x == value) ||
                (kind == Reduce::sum && isZeroWhenAbsent(value, present));
    values.push_back(
        free ? value : b.select(present, value, identity(b, kind, element)));
  }
  if (!tested.empty() && tested.size() == points.size()) {
    Value most = largest(b, tested);
    return b.compare(arith::CmpIPredicate::ne, most,
                     b.real(most.getType(), -INFINITY));
  }
  if (kind == Reduce::max && isa<FloatType>(element))
    return largest(b, values);
  return chains(b, kind, values);
}

Value gpu::reduceAcross(CodeBuilder &b, Reduce kind, Value value) {
  for (int distance : {1, 2})
    value = combine(b, kind, value, emitButterfly(b, value, distance));
  return value;
}
