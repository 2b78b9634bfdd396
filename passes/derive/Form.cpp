//===- Form.cpp - how a map depends on unfinished reductions ----*- C++ -*-===//
#include "passes/derive/Form.h"
#include "dialect/Functions.h"
#include "dialect/PrintExpr.h"
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

SmallVector<ShiftTerm> Form::terms() const {
  SmallVector<ShiftTerm> terms(shift);
  for (const Exponential &e : exponentials)
    llvm::append_range(terms, e.shift);
  for (const ShiftFactor &factor : shifts)
    llvm::append_range(terms, factor.shift);
  return terms;
}

StringAttr attn::rankNotKept(EinsumOp op, Value tensor) {
  for (StringAttr rank : cast<NamedTensorType>(tensor.getType()).getRanks())
    if (!llvm::is_contained(op.getSpace(), rank))
      return rank;
  return {};
}

//===----------------------------------------------------------------------===//
// Repairs
//===----------------------------------------------------------------------===//

Value ShiftTerm::moved(ExprBuilder &e, Value before, Value now) const {
  Value distance = coefficient < 0 ? e.map(Fn::sub, {before, now})
                                   : e.map(Fn::sub, {now, before});
  double scale = std::fabs(coefficient);
  if (scale != 1)
    distance = e.map(Fn::mul, {distance, e.real(scale)});
  Value still = e.map(Fn::eq, {now, before});
  return e.otherwise(e.where(e.real(0), still), distance);
}

Value Exponential::of(ExprBuilder &e, Value value) const {
  SmallVector<Value, 2> operands;
  MapOp function = map;
  IRMapping none;
  if (function.getNumOperands() == 2) // the base of a power
    operands.push_back(cloneExpr(e.b, function.getOperand(0), none));
  operands.push_back(value);
  return e.map(function.getFn(), operands);
}

//===----------------------------------------------------------------------===//
// Analysis
//===----------------------------------------------------------------------===//

const Form &FormAnalysis::of(Value value) {
  auto it = cache.find(value.getAsOpaquePointer());
  if (it != cache.end())
    return it->second;
  Form form = compute(value);
  return cache[value.getAsOpaquePointer()] = std::move(form);
}

/// A late tensor that a form depends on, for messages.
static std::string lateName(const Form &form) {
  Value tensor;
  if (!form.shift.empty())
    tensor = form.shift.front().tensor;
  else if (!form.factors.empty())
    tensor = form.factors.front().tensor;
  else if (!form.exponentials.empty() &&
           !form.exponentials.front().shift.empty())
    tensor = form.exponentials.front().shift.front().tensor;
  else if (!form.shifts.empty() && !form.shifts.front().shift.empty())
    tensor = form.shifts.front().shift.front().tensor;
  return tensor ? "an unfinished " + tensorName(tensor).str()
                : "unfinished statistics";
}

/// A map that is 0 where it is present at all.
static bool isZeroWherePresent(Value tensor) {
  auto op = tensor.getDefiningOp<EinsumOp>();
  if (!op || op.isReduction())
    return false;
  Value value = op.getMapYield().getOperand(0);
  while (Operation *def = value.getDefiningOp()) {
    auto map = dyn_cast<MapOp>(def);
    if (isa<WhereOp>(def) || (map && map.getFn() == Fn::real))
      value = def->getOperand(0);
    else
      break;
  }
  IntegerAttr integer;
  return constantOf(value) == 0.0 ||
         (matchPattern(value, m_Constant(&integer)) &&
          integer.getValue().isZero());
}

/// A late tensor is read on the way to a point.
bool FormAnalysis::readsLate(EinsumOp point) {
  llvm::SetVector<Operation *> work;
  work.insert(point);
  bool found = false;
  for (size_t i = 0; i < work.size() && !found; ++i)
    work[i]->walk([&](ReadOp read) {
      found |= tensors.isLate(read.getTensor());
      if (EinsumOp other = tensors.pointOf(read.getTensor()))
        work.insert(other);
    });
  return found;
}

Form FormAnalysis::compute(Value value) {
  Operation *op = value.getDefiningOp();
  if (!op)
    return {};
  if (auto read = dyn_cast<ReadOp>(op)) {
    for (Value index : read.getIndices())
      if (of(index).hasLate())
        return Form::other("gather by " + lateName(of(index)));
    if (tensors.isLate(read.getTensor()))
      return {Form::Late, {{1.0, read.getTensor()}}, {}, {}, {}, {}};
    if (EinsumOp point = tensors.pointOf(read.getTensor())) {
      if (point->hasAttr("attn.scc")) // it would be asked for itself
        return readsLate(point) ? Form::other("a recurrence of statistics")
                                : Form();
      // A reduction inside of a point must not mix late values.
      const Form &form = of(point.getMapYield().getOperand(0));
      if (point.isReduction() && form.hasLate())
        return Form::other("a reduction over another rank of " +
                           lateName(form));
      if (form.shifts.empty())
        return form;
      // The point stands for its factor.
      if (form.shifts.size() > 1)
        return Form::other("a named square of " + lateName(form));
      Form named = form;
      named.shifts[0].value = value;
      return named;
    }
    return {};
  }
  if (auto map = dyn_cast<MapOp>(op))
    return computeMap(map);
  bool anyLate =
      llvm::any_of(op->getOperands(), [&](Value v) { return of(v).hasLate(); });
  if (!anyLate)
    return {};
  if (auto where = dyn_cast<WhereOp>(op)) {
    const Form &condition = of(where.getCondition());
    return condition.hasLate()
               ? Form::other("a condition on " + lateName(condition))
               : of(where.getValue());
  }
  if (auto otherwise = dyn_cast<ElseOp>(op)) {
    // 0 scales to 0.
    const Form &form = of(otherwise.getValue());
    const Form &rest = of(otherwise.getOtherwise());
    if (form.kind == Form::Scale && constantOf(otherwise.getOtherwise()) == 0.0)
      return form;
    // A late tensor that is 0 where it is present clears the value there.
    auto zero = otherwise.getValue().getDefiningOp<ReadOp>();
    if (zero && form.kind == Form::Late && isZeroWherePresent(zero.getTensor()))
      if (auto scale = asScale(rest, otherwise.getOtherwise())) {
        scale->factors.push_back({LateFactor::Clears, zero.getTensor()});
        return *scale;
      }
    return Form::other("a choice by " + lateName(form.hasLate() ? form : rest));
  }
  return Form::other("a function of unfinished statistics");
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

/// A value as factors of a product.
std::optional<Form> FormAnalysis::asScale(const Form &form, Value value) {
  Form scale{Form::Scale, {}, {}, {}, {}, {}};
  switch (form.kind) {
  case Form::Scale:
    return form;
  case Form::Free:
    return scale;
  case Form::Late:
    scale.factors.push_back(
        {LateFactor::Multiplies, form.shift.front().tensor});
    return scale;
  case Form::Shift:
    scale.shifts.push_back({value, form.shift});
    return scale;
  case Form::Other:
    return std::nullopt;
  }
  llvm_unreachable("no such form");
}

Form FormAnalysis::ofSummand(Value value) {
  const Form &form = of(value);
  if (form.kind != Form::Shift && form.kind != Form::Late)
    return form;
  return *asScale(form, value);
}

Form FormAnalysis::product(const Form &a, Value x, const Form &b, Value y) {
  auto left = asScale(a, x), right = asScale(b, y);
  if (!left || !right)
    return Form::other(a.kind == Form::Other ? a.why : b.why);
  llvm::append_range(left->exponentials, right->exponentials);
  llvm::append_range(left->factors, right->factors);
  // A square is one operation on its root, so that one factor can be left out.
  for (const ShiftFactor &factor : right->shifts)
    if (llvm::is_contained(left->shifts, factor) && x != y)
      return Form::other("a power of " + lateName(*left));
  llvm::append_range(left->shifts, right->shifts);
  if (left->shifts.size() > 2)
    return Form::other("a polynomial of degree above 2 in " + lateName(*left));
  return *left;
}

Form FormAnalysis::computeMap(MapOp map) {
  SmallVector<Form, 2> operands;
  for (Value operand : map.getOperands())
    operands.push_back(of(operand));
  if (llvm::none_of(operands, [](Form &f) { return f.hasLate(); }))
    return {};
  for (Form &f : operands)
    if (f.kind == Form::Other)
      return f;
  const Form &a = operands.front(), &b = operands.back();
  Value x = map.getOperand(0), y = map.getOperands().back();
  auto other = [&] {
    return Form::other(stringifyFn(map.getFn()).str() + " of " +
                       lateName(a.hasLate() ? a : b));
  };
  switch (map.getFn()) {
  case Fn::add:
  case Fn::sub: {
    if (isSum(a) && isSum(b)) {
      Form form{Form::Shift, a.shift, {}, {}, {}, {}};
      addTerms(form.shift, b.shift, map.getFn() == Fn::add ? 1 : -1);
      return form;
    }
    // Sums of equally scaled values scale alike.
    if (a.kind == Form::Scale && b.kind == Form::Scale &&
        a.exponentials == b.exponentials && a.factors == b.factors &&
        a.shifts.empty() && b.shifts.empty())
      return a;
    return Form::other("a sum of terms that " + lateName(a.hasLate() ? a : b) +
                       " scales differently");
  }
  case Fn::neg: {
    if (a.kind == Form::Scale)
      return a;
    Form form{Form::Shift, {}, {}, {}, {}, {}};
    addTerms(form.shift, a.shift, -1);
    return form;
  }
  case Fn::mul: {
    for (auto [form, value] : {std::pair(&a, y), std::pair(&b, x)})
      if (form->kind == Form::Shift)
        if (auto c = constantOf(value)) {
          Form scaled = *form;
          for (ShiftTerm &term : scaled.shift)
            term.coefficient *= *c;
          return scaled;
        }
    return product(a, x, b, y);
  }
  case Fn::div: {
    if (a.kind == Form::Shift)
      if (auto c = constantOf(y)) {
        Form scaled = a;
        for (ShiftTerm &term : scaled.shift)
          term.coefficient /= *c;
        return scaled;
      }
    auto scale = asScale(a, x);
    if (!scale || (b.kind != Form::Free && b.kind != Form::Late))
      return other();
    if (b.kind == Form::Late)
      scale->factors.push_back({LateFactor::Divides, b.shift.front().tensor});
    return *scale;
  }
  case Fn::pow:
    if (auto base = constantOf(x); base && *base > 0 && isSum(b))
      return {Form::Scale, {}, {{map, b.shift}}, {}, {}, {}};
    if (auto power = constantOf(y); power == 2.0)
      return product(a, x, a, x);
    return other();
  default:
    if (info(map.getFn()).homomorphism == Homomorphism::AddToMul && isSum(a))
      return {Form::Scale, {}, {{map, a.shift}}, {}, {}, {}};
    return other();
  }
}
