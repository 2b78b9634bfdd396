//===- Form.cpp - how a map depends on unfinished reductions ----*- C++ -*-===//
#include "passes/derive/Form.h"
#include "dialect/Functions.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace attn;

static std::optional<double> constantOf(Value value) {
  FloatAttr attr;
  if (matchPattern(value, m_Constant(&attr)))
    return attr.getValueAsDouble();
  return std::nullopt;
}

bool Exponential::operator==(const Exponential &other) const {
  MapOp a = map, b = other.map;
  if (a.getFn() != b.getFn() || shift != other.shift)
    return false;
  // The base of a power.
  return a.getNumOperands() == 1 ||
         constantOf(a.getOperand(0)) == constantOf(b.getOperand(0));
}

const Form &FormAnalysis::of(Value value) {
  auto it = cache.find(value.getAsOpaquePointer());
  if (it != cache.end())
    return it->second;
  Form form = compute(value);
  return cache[value.getAsOpaquePointer()] = std::move(form);
}

Form FormAnalysis::compute(Value value) {
  Operation *op = value.getDefiningOp();
  if (!op)
    return {};
  if (auto read = dyn_cast<ReadOp>(op)) {
    for (Value index : read.getIndices())
      if (of(index).hasLate())
        return Form::other();
    if (tensors.isLate(read.getTensor()))
      return {Form::Late, {{1.0, read.getTensor()}}, {}, {}};
    if (EinsumOp point = tensors.pointOf(read.getTensor())) {
      // A reduction inside of a point must not mix late values.
      const Form &form = of(point.getMapYield().getOperand(0));
      if (point.isReduction() && form.hasLate())
        return Form::other();
      return form;
    }
    return {};
  }
  if (auto map = dyn_cast<MapOp>(op))
    return computeMap(map);
  bool anyLate = llvm::any_of(op->getOperands(),
                              [&](Value v) { return of(v).hasLate(); });
  if (!anyLate)
    return {};
  if (auto where = dyn_cast<WhereOp>(op))
    return of(where.getCondition()).hasLate() ? Form::other()
                                              : of(where.getValue());
  if (auto otherwise = dyn_cast<ElseOp>(op)) {
    // 0 scales to 0.
    const Form &form = of(otherwise.getValue());
    if (form.kind == Form::Scale && constantOf(otherwise.getOtherwise()) == 0.0)
      return form;
  }
  return Form::other();
}

/// Adds the terms of `b`, times `sign`, to `a`.
static void addTerms(SmallVectorImpl<ShiftTerm> &a, ArrayRef<ShiftTerm> b,
                       double sign) {
  for (ShiftTerm term : b) {
    auto it = llvm::find_if(
        a, [&](ShiftTerm &other) { return other.tensor == term.tensor; });
    if (it == a.end())
      a.push_back({sign * term.coefficient, term.tensor});
    else
      it->coefficient += sign * term.coefficient;
  }
  llvm::erase_if(a, [](ShiftTerm &term) { return term.coefficient == 0; });
}

static bool isSum(const Form &form) {
  return form.kind == Form::Free || form.kind == Form::Late ||
         form.kind == Form::Shift;
}

/// A Late value as a factor, a Scale as it is.
static std::optional<Form> asScale(const Form &form) {
  if (form.kind == Form::Scale)
    return form;
  if (form.kind == Form::Free)
    return Form{Form::Scale, {}, {}, {}};
  if (form.kind == Form::Late)
    return Form{Form::Scale, {}, {}, {{form.shift.front().tensor, false}}};
  return std::nullopt;
}

Form FormAnalysis::computeMap(MapOp map) {
  SmallVector<Form> operands =
      llvm::map_to_vector(map.getOperands(), [&](Value v) { return of(v); });
  if (llvm::none_of(operands, [](Form &f) { return f.hasLate(); }))
    return {};
  if (llvm::any_of(operands, [](Form &f) { return f.kind == Form::Other; }))
    return Form::other();
  const Form &a = operands.front(), &b = operands.back();
  switch (map.getFn()) {
  case Fn::add:
  case Fn::sub: {
    if (isSum(a) && isSum(b)) {
      Form form{Form::Shift, a.shift, {}, {}};
      addTerms(form.shift, b.shift, map.getFn() == Fn::add ? 1 : -1);
      return form;
    }
    // Sums of equally scaled values scale alike.
    if (a.kind == Form::Scale && b.kind == Form::Scale &&
        a.exponentials == b.exponentials && a.factors == b.factors)
      return a;
    return Form::other();
  }
  case Fn::neg: {
    if (a.kind == Form::Scale)
      return a;
    Form form{Form::Shift, {}, {}, {}};
    addTerms(form.shift, a.shift, -1);
    return form;
  }
  case Fn::mul: {
    for (auto [form, value] : {std::pair(&a, map.getOperand(1)),
                               std::pair(&b, map.getOperand(0))})
      if (form->kind == Form::Shift)
        if (auto c = constantOf(value)) {
          Form scaled = *form;
          for (ShiftTerm &term : scaled.shift)
            term.coefficient *= *c;
          return scaled;
        }
    auto x = asScale(a), y = asScale(b);
    if (!x || !y)
      return Form::other();
    llvm::append_range(x->exponentials, y->exponentials);
    llvm::append_range(x->factors, y->factors);
    return *x;
  }
  case Fn::div: {
    if (a.kind == Form::Shift)
      if (auto c = constantOf(map.getOperand(1))) {
        Form scaled = a;
        for (ShiftTerm &term : scaled.shift)
          term.coefficient /= *c;
        return scaled;
      }
    auto x = asScale(a);
    if (!x || (b.kind != Form::Free && b.kind != Form::Late))
      return Form::other();
    if (b.kind == Form::Late)
      x->factors.push_back({b.shift.front().tensor, true});
    return *x;
  }
  case Fn::pow:
    if (auto base = constantOf(map.getOperand(0));
        base && *base > 0 && isSum(b))
      return {Form::Scale, {}, {{map, b.shift}}, {}};
    return Form::other();
  default:
    if (info(map.getFn()).homomorphism == Homomorphism::AddToMul && isSum(a))
      return {Form::Scale, {}, {{map, a.shift}}, {}};
    return Form::other();
  }
}
