//===- Affine.cpp - integers of a region as linear forms --------*- C++ -*-===//
// Conditions and sets are in AffineConditions.cpp.
#include "dialect/Affine.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace attn;
using presburger::PresburgerSet;

bool attn::isSubexpression(StringRef name) {
  return llvm::any_of(
      name, [](char c) { return !llvm::isAlnum(c) && c != '_' && c != '\''; });
}

namespace {
/// What tells derived variables apart besides their operands; map functions
/// that stay opaque add their own number.
enum What { FloorDiv, CeilDiv, Min, Max, Choice, Product, Element, Function };
} // namespace

/// a + factor * b. On overflow the sum is not representable; saturating keeps
/// the form far outside every extent, where no proof succeeds.
static AffineForm add(const AffineForm &a, const AffineForm &b,
                      int64_t factor = 1) {
  if (auto sum = a.plus(b, factor))
    return *sum;
  return AffineForm::of(INT64_MIN / 4);
}

//===----------------------------------------------------------------------===//
// Variables
//===----------------------------------------------------------------------===//

unsigned IterationSpace::newVariable(SpaceVariable::Kind kind, Value value,
                                     StringAttr rank) {
  SpaceVariable &variable = variables.emplace_back();
  variable.kind = kind;
  variable.value = value;
  variable.rank = rank;
  return variables.size() - 1;
}

void IterationSpace::addRegion(Region &region) {
  SmallVector<StringAttr> ranks;
  if (auto einsum = dyn_cast<EinsumOp>(region.getParentOp())) {
    ranks = strings(einsum.getSpace());
    if (&region == &einsum.getMap())
      llvm::append_range(ranks, strings(einsum.getReduced()));
  } else if (auto order = dyn_cast<OrderOp>(region.getParentOp())) {
    ranks = strings(order.getSpace());
    ranks.back() = order.getFromAttr();
  }
  for (auto [argument, rank] : llvm::zip(region.getArguments(), ranks)) {
    if (scope->forms.contains(argument))
      continue;
    AffineForm extent = extentOf(rank);
    unsigned x = newVariable(SpaceVariable::Coordinate, argument, rank);
    AffineForm form = AffineForm::variable(x);
    AffineForm last = add(extent, AffineForm::of(-1));
    variables[x].lower = 0;
    variables[x].upper = last.getConstant();
    variables[x].definition = PointSet::nonNegative(form).intersect(
        PointSet::nonNegative(add(last, form, -1)));
    scope->forms[argument] = form;
  }
}

void IterationSpace::bind(Value argument, AffineForm form) {
  scope->forms[argument] = std::move(form);
}

IterationSpace::Interval
IterationSpace::intervalOf(const AffineForm &form) const {
  Interval result{form.constant, form.constant};
  for (auto [i, c] : llvm::enumerate(form.coefficients)) {
    if (c == 0)
      continue;
    const SpaceVariable &x = variables[i];
    auto extend = [&](std::optional<int64_t> &into,
                      std::optional<int64_t> bound) {
      int64_t term;
      if (!into || !bound || llvm::MulOverflow(c, *bound, term) ||
          llvm::AddOverflow(*into, term, *into))
        into = std::nullopt;
    };
    extend(result.lower, c > 0 ? x.lower : x.upper);
    extend(result.upper, c > 0 ? x.upper : x.lower);
  }
  return result;
}

std::pair<unsigned, bool> IterationSpace::derived(int what,
                                                  ArrayRef<AffineForm> operands,
                                                  const void *more) {
  Key key{what, {}, more};
  auto &[kind, numbers, pointer] = key;
  for (const AffineForm &form : operands) {
    numbers.push_back(form.coefficients.size());
    llvm::append_range(numbers, form.coefficients);
    numbers.push_back(form.constant);
  }
  auto [it, isNew] = derivedVariables.try_emplace(std::move(key), size());
  if (isNew)
    newVariable(SpaceVariable::Derived);
  return {it->second, isNew};
}

//===----------------------------------------------------------------------===//
// Extents
//===----------------------------------------------------------------------===//

AffineForm IterationSpace::exprForm(AffineExpr expr, ExtentAttr extent) {
  if (auto constant = dyn_cast<AffineConstantExpr>(expr))
    return AffineForm::of(constant.getValue());
  if (auto symbol = dyn_cast<AffineSymbolExpr>(expr))
    return extentOf(extent.getRanks()[symbol.getPosition()]);
  auto binary = cast<AffineBinaryOpExpr>(expr);
  AffineForm a = exprForm(binary.getLHS(), extent);
  AffineForm b = exprForm(binary.getRHS(), extent);
  switch (expr.getKind()) {
  case AffineExprKind::Add:
    return add(a, b);
  case AffineExprKind::Mul:
    return product(a, b);
  case AffineExprKind::FloorDiv:
    return quotient(a, b);
  case AffineExprKind::CeilDiv:
    return quotient(add(add(a, b), AffineForm::of(-1)), b);
  case AffineExprKind::Mod:
    return add(a, product(quotient(a, b), b), -1);
  default:
    llvm_unreachable("no other binary expression");
  }
}

AffineForm IterationSpace::formOf(ExtentAttr extent) {
  std::optional<AffineForm> least;
  for (AffineExpr result : extent.getMap().getResults()) {
    AffineForm form = exprForm(result, extent);
    least = least ? minimum(*least, form, false) : form;
  }
  return *least;
}

AffineForm IterationSpace::extentOf(StringAttr rank) {
  if (auto value = cascade.staticExtent(rank))
    return AffineForm::of(*value);
  if (auto it = extents.find(rank); it != extents.end())
    return AffineForm::variable(it->second);
  RankAttr attribute = cascade.findRank(rank);
  std::optional<AffineForm> derivedFrom;
  if (attribute && attribute.getExtent()) {
    derivedFrom = formOf(attribute.getExtent());
    if (intervalOf(*derivedFrom).lower.value_or(-1) >= 0)
      return *derivedFrom;
  }
  unsigned number = newVariable(SpaceVariable::Extent, {}, rank);
  extents[rank] = number;
  AffineForm form = AffineForm::variable(number);
  variables[number].lower = 0;
  PointSet facts = PointSet::nonNegative(form);
  if (derivedFrom) {
    PointSet equal = PointSet::zero(add(form, *derivedFrom, -1));
    PointSet clamped = PointSet::zero(form).intersect(
        PointSet::nonNegative(add(AffineForm::of(-1), *derivedFrom, -1)));
    facts = facts.intersect(equal).unite(clamped);
  }
  variables[number].definition = facts;
  // At entry a whole is at most the product, or exactly the sum, of its parts.
  for (Attribute relation : cascade.getRelations()) {
    auto productOf = dyn_cast<ProductAttr>(relation);
    auto sumOf = dyn_cast<SumAttr>(relation);
    if (productOf && productOf.getWhole() == rank) {
      AffineForm parts = AffineForm::of(1);
      for (StringAttr part : productOf.getParts())
        parts = product(parts, extentOf(part));
      facts = facts.intersect(PointSet::nonNegative(add(parts, form, -1)));
    } else if (sumOf && sumOf.getWhole() == rank && !derivedFrom) {
      AffineForm parts;
      for (StringAttr part : sumOf.getParts())
        parts = add(parts, extentOf(part));
      facts = facts.intersect(PointSet::zero(add(parts, form, -1)));
    }
  }
  variables[number].definition = facts;
  return form;
}

std::optional<AffineForm> IterationSpace::determined(StringAttr rank,
                                                     Region &region) {
  addRegion(region);
  llvm::DenseMap<StringAttr, AffineForm> known;
  SmallVector<StringAttr> names;
  if (auto einsum = dyn_cast<EinsumOp>(region.getParentOp())) {
    names = strings(einsum.getSpace());
    llvm::append_range(names, strings(einsum.getReduced()));
  } else if (auto order = dyn_cast<OrderOp>(region.getParentOp())) {
    names = strings(order.getSpace());
    names.back() = order.getFromAttr();
  }
  for (auto [name, argument] : llvm::zip(names, region.getArguments()))
    known[name] = scope->forms[argument];
  auto extentsAfter = [&](ArrayRef<StringAttr> parts, size_t i) {
    AffineForm stride = AffineForm::of(1);
    for (StringAttr part : parts.drop_front(i + 1))
      stride = product(stride, extentOf(part));
    return stride;
  };
  for (bool changed = true; changed && !known.contains(rank);) {
    changed = false;
    auto learn = [&](StringAttr name, AffineForm form) {
      changed |= known.try_emplace(name, std::move(form)).second;
    };
    for (Attribute relation : cascade.getRelations()) {
      if (auto p = dyn_cast<ProductAttr>(relation)) {
        if (llvm::all_of(p.getParts(), [&](StringAttr part) {
              return known.contains(part);
            })) {
          AffineForm whole;
          for (auto [i, part] : llvm::enumerate(p.getParts()))
            whole =
                add(whole, product(known[part], extentsAfter(p.getParts(), i)));
          learn(p.getWhole(), whole);
        }
        if (auto it = known.find(p.getWhole()); it != known.end()) {
          AffineForm whole = it->second;
          for (auto [i, part] : llvm::enumerate(p.getParts())) {
            AffineForm q = quotient(whole, extentsAfter(p.getParts(), i));
            AffineForm e = extentOf(part);
            learn(part, i == 0 ? q : add(q, product(quotient(q, e), e), -1));
          }
        }
      } else if (auto s = dyn_cast<SumAttr>(relation)) {
        AffineForm offset;
        for (StringAttr part : s.getParts()) {
          auto whole = known.find(s.getWhole());
          if (whole != known.end())
            learn(part, add(whole->second, offset, -1));
          else if (auto it = known.find(part); it != known.end())
            learn(s.getWhole(), add(it->second, offset));
          offset = add(offset, extentOf(part));
        }
      }
    }
  }
  auto it = known.find(rank);
  if (it == known.end())
    return std::nullopt;
  return it->second;
}

//===----------------------------------------------------------------------===//
// Arithmetic
//===----------------------------------------------------------------------===//

AffineForm IterationSpace::quotient(const AffineForm &numerator,
                                    const AffineForm &divisor) {
  if (auto d = divisor.getConstant(); d && *d < 0)
    return quotient(*numerator.times(-1), AffineForm::of(-*d));
  auto constant = divisor.getConstant();
  // Split numerator = divisor * whole + rest where terms divide.
  AffineForm whole, rest = AffineForm::of(numerator.constant);
  if (constant && *constant != 0) {
    int64_t d = *constant;
    whole.constant = llvm::divideFloorSigned(numerator.constant, d);
    rest.constant = numerator.constant - whole.constant * d;
  }
  for (auto [i, c] : llvm::enumerate(numerator.coefficients)) {
    if (c == 0)
      continue;
    AffineForm x = AffineForm::variable(i);
    auto symbol = divisor.getVariable();
    if (constant && *constant != 0 && c % *constant == 0) {
      whole = add(whole, x, c / *constant);
    } else if (symbol && *symbol == i) {
      whole.constant += c;
    } else if (symbol && llvm::is_contained(variables[i].factors, *symbol)) {
      SmallVector<unsigned> others(variables[i].factors.begin(),
                                   variables[i].factors.end());
      others.erase(llvm::find(others, *symbol));
      whole = add(whole, AffineForm::variable(monomial(others)), c);
    } else {
      rest = add(rest, x, c);
    }
  }
  Interval range = intervalOf(rest);
  if (constant && *constant > 0 && range.lower && range.upper &&
      llvm::divideFloorSigned(*range.lower, *constant) ==
          llvm::divideFloorSigned(*range.upper, *constant))
    return add(whole, AffineForm::of(
                          llvm::divideFloorSigned(*range.lower, *constant)));
  if (rest.getConstant() == 0)
    return whole;
  if (auto x = rest.getVariable();
      x && variables[*x].kind == SpaceVariable::Coordinate &&
      extentOf(variables[*x].rank) == divisor)
    return whole; // 0 <= x < divisor
  auto [number, isNew] = derived(FloorDiv, {rest, divisor});
  AffineForm q = AffineForm::variable(number);
  if (isNew && constant != 0 && intervalOf(divisor).lower.value_or(-1) >= 0) {
    // q d <= rest < q d + d; the quotient is present, so d > 0.
    AffineForm remainder = add(rest, product(q, divisor), -1);
    AffineForm below = add(add(divisor, remainder, -1), AffineForm::of(-1));
    PointSet facts =
        PointSet::nonNegative(remainder)
            .intersect(PointSet::nonNegative(below))
            .intersect(PointSet::nonNegative(add(divisor, AffineForm::of(-1))));
    int64_t d = constant.value_or(1);
    if (range.lower && (constant || *range.lower >= 0))
      variables[number].lower = llvm::divideFloorSigned(*range.lower, d);
    else if (auto excess = intervalOf(add(rest, divisor, -1)).lower;
             excess && *excess >= -1)
      variables[number].lower = 0; // rest >= divisor - 1 >= 0
    if (range.upper && (constant || *range.upper >= 0))
      variables[number].upper = llvm::divideFloorSigned(*range.upper, d);
    if (!constant && variables[number].lower) {
      facts = facts.intersect(PointSet::nonNegative(q));
      facts = facts.intersect(PointSet::nonNegative(add(rest, q, -1)));
    }
    variables[number].definition = facts;
  }
  return add(whole, q);
}

unsigned IterationSpace::monomial(ArrayRef<unsigned> factors) {
  if (factors.size() == 1)
    return factors[0];
  SmallVector<unsigned> sorted(factors);
  llvm::sort(sorted);
  SmallVector<AffineForm> key;
  for (unsigned factor : sorted)
    key.push_back(AffineForm::variable(factor));
  auto [number, isNew] = derived(Product, key);
  if (!isNew)
    return number;
  variables[number].factors.assign(sorted.begin(), sorted.end());
  AffineForm form = AffineForm::variable(number);
  bool isNatural = llvm::all_of(sorted, [&](unsigned factor) {
    return variables[factor].lower.value_or(-1) >= 0;
  });
  if (!isNatural)
    return number;
  variables[number].lower = 0;
  PointSet facts = PointSet::nonNegative(form);
  // x < |r| gives x * y <= |r| * y - y.
  for (unsigned i = 0; i < sorted.size(); ++i) {
    if (variables[sorted[i]].kind != SpaceVariable::Coordinate)
      continue;
    SmallVector<unsigned> others(sorted);
    others.erase(others.begin() + i);
    AffineForm y = AffineForm::variable(monomial(others));
    AffineForm most = product(extentOf(variables[sorted[i]].rank), y);
    facts =
        facts.intersect(PointSet::nonNegative(add(add(most, y, -1), form, -1)));
  }
  variables[number].definition = facts;
  return number;
}

AffineForm IterationSpace::product(const AffineForm &a, const AffineForm &b) {
  auto scaled = [](const AffineForm &form, int64_t factor) {
    return form.times(factor).value_or(AffineForm::of(INT64_MIN / 4));
  };
  if (auto constant = a.getConstant())
    return scaled(b, *constant);
  if (auto constant = b.getConstant())
    return scaled(a, *constant);
  auto factorsOf = [&](unsigned variable) {
    ArrayRef<unsigned> factors = variables[variable].factors;
    return factors.empty()
               ? SmallVector<unsigned>{variable}
               : SmallVector<unsigned>(factors.begin(), factors.end());
  };
  AffineForm result = scaled(b, a.constant);
  for (auto [i, c] : llvm::enumerate(a.coefficients)) {
    if (c == 0)
      continue;
    result = add(result, scaled(AffineForm::variable(i), b.constant), c);
    for (auto [j, e] : llvm::enumerate(b.coefficients)) {
      if (e == 0)
        continue;
      SmallVector<unsigned> factors = factorsOf(i);
      llvm::append_range(factors, factorsOf(j));
      result =
          add(result, scaled(AffineForm::variable(monomial(factors)), e), c);
    }
  }
  return result;
}

AffineForm IterationSpace::minimum(const AffineForm &a, const AffineForm &b,
                                   bool greatest) {
  Interval gap = intervalOf(add(b, a, -1));
  if (gap.lower.value_or(-1) >= 0)
    return greatest ? b : a;
  if (gap.upper.value_or(1) <= 0)
    return greatest ? a : b;
  auto [number, isNew] = derived(greatest ? Max : Min, {a, b});
  AffineForm x = AffineForm::variable(number);
  if (!isNew)
    return x;
  int64_t sign = greatest ? 1 : -1;
  auto equals = [&](const AffineForm &one, const AffineForm &other) {
    // x = one, and x is beyond the other.
    return PointSet::zero(add(x, one, -1))
        .intersect(PointSet::nonNegative(add(*one.times(sign), other, -sign)));
  };
  variables[number].definition = equals(a, b).unite(equals(b, a));
  Interval ia = intervalOf(a), ib = intervalOf(b);
  auto combine = [&](std::optional<int64_t> p, std::optional<int64_t> q,
                     bool eitherHelps) -> std::optional<int64_t> {
    if (p && q)
      return greatest ? std::max(*p, *q) : std::min(*p, *q);
    return eitherHelps ? (p ? p : q) : std::nullopt;
  };
  variables[number].lower = combine(ia.lower, ib.lower, greatest);
  variables[number].upper = combine(ia.upper, ib.upper, !greatest);
  return x;
}

//===----------------------------------------------------------------------===//
// Values
//===----------------------------------------------------------------------===//

AffineForm IterationSpace::formOf(Value value) {
  if (auto it = scope->forms.find(value); it != scope->forms.end())
    return it->second;
  if (auto argument = dyn_cast<BlockArgument>(value)) {
    addRegion(*argument.getOwner()->getParent());
    if (auto it = scope->forms.find(value); it != scope->forms.end())
      return it->second;
  }
  AffineForm form = compute(value);
  scope->forms[value] = form;
  return form;
}

AffineForm IterationSpace::opaque(Value value) {
  if (auto map = value.getDefiningOp<MapOp>();
      map && llvm::all_of(map->getOperandTypes(),
                          [](Type t) { return t.isSignlessInteger(); })) {
    // Equal operands give equal values.
    SmallVector<AffineForm> operands;
    for (Value operand : map.getOperands())
      operands.push_back(formOf(operand));
    auto [number, isNew] = derived(Function + int(map.getFn()), operands);
    if (isNew) {
      variables[number].kind = SpaceVariable::Opaque;
      variables[number].value = value;
      if (map.getFn() == Fn::msb)
        variables[number].lower = 0;
    }
    return AffineForm::variable(number);
  }
  return AffineForm::variable(newVariable(SpaceVariable::Opaque, value));
}

AffineForm IterationSpace::mapForm(MapOp op) {
  auto operand = [&](unsigned i) { return formOf(op.getOperand(i)); };
  switch (op.getFn()) {
  case Fn::add:
    return add(operand(0), operand(1));
  case Fn::sub:
    return add(operand(0), operand(1), -1);
  case Fn::neg:
    return add(AffineForm(), operand(0), -1);
  case Fn::mul:
    return product(operand(0), operand(1));
  case Fn::floordiv:
    return quotient(operand(0), operand(1));
  case Fn::mod:
    return add(operand(0),
               product(quotient(operand(0), operand(1)), operand(1)), -1);
  case Fn::min:
    return minimum(operand(0), operand(1), false);
  case Fn::max:
    return minimum(operand(0), operand(1), true);
  case Fn::abs:
    return minimum(operand(0), add(AffineForm(), operand(0), -1), true);
  case Fn::shl:
    if (auto by = operand(1).getConstant(); by && *by >= 0 && *by < 32)
      return product(operand(0), AffineForm::of(int64_t(1) << *by));
    return opaque(op);
  case Fn::shr:
    if (auto by = operand(1).getConstant(); by && *by >= 0 && *by < 32)
      return quotient(operand(0), AffineForm::of(int64_t(1) << *by));
    return opaque(op);
  default:
    return opaque(op);
  }
}

IterationSpace::Scope *IterationSpace::enterDefinition(ReadOp read,
                                                       EinsumOp einsum) {
  if (!einsum || einsum.isReduction() || !einsum.getGuard().empty() ||
      unfolding.size() > 8 || !unfolding.insert(einsum).second)
    return nullptr;
  SmallVector<AffineForm> indices;
  for (Value index : read.getIndices())
    indices.push_back(formOf(index));
  Scope *outer = scope;
  std::unique_ptr<Scope> &inner = outer->definitions[read];
  if (!inner)
    inner = std::make_unique<Scope>();
  scope = inner.get();
  for (auto [argument, form] :
       llvm::zip(einsum.getMap().getArguments(), indices))
    scope->forms[argument] = form;
  return outer;
}

void IterationSpace::leave(Scope *outer, EinsumOp einsum) {
  scope = outer;
  unfolding.erase(einsum);
  if (depth == 0)
    scope->definitions.clear();
}

/// The form of a tensor that is a map of coordinates alone, at the indices.
std::optional<AffineForm> IterationSpace::unfold(ReadOp read) {
  auto einsum = read.getTensor().getDefiningOp<EinsumOp>();
  if (!einsum || einsum.getNumResults() != 1 ||
      !einsum.getMap().getOps<WhereOp>().empty() ||
      !einsum.getMap().getOps<ElseOp>().empty())
    return std::nullopt;
  Value yielded = einsum.getMapYield().getOperand(0);
  if (classify(yielded) != IndexKind::Affine)
    return std::nullopt;
  Scope *outer = enterDefinition(read, einsum);
  if (!outer)
    return std::nullopt;
  AffineForm form = formOf(yielded);
  leave(outer, einsum);
  return form;
}

AffineForm IterationSpace::readForm(ReadOp read) {
  Value tensor = read.getTensor();
  if (read.getIndices().empty()) {
    if (auto form = unfold(read))
      return *form;
    auto [it, isNew] = scalars.try_emplace(tensor, size());
    if (isNew)
      newVariable(SpaceVariable::Scalar, tensor);
    return AffineForm::variable(it->second);
  }
  if (auto form = unfold(read))
    return *form;
  SmallVector<AffineForm> indices;
  for (Value index : read.getIndices())
    indices.push_back(formOf(index));
  auto [number, isNew] = derived(Element, indices, tensor.getAsOpaquePointer());
  AffineForm x = AffineForm::variable(number);
  if (!isNew)
    return x;
  variables[number].kind = SpaceVariable::Data;
  variables[number].value = read.getResult();
  // Selections and counts say where their values lie.
  StringAttr range;
  bool isCount = false;
  if (auto order = tensor.getDefiningOp<OrderOp>())
    range = order.getFromAttr();
  else if (auto einsum = tensor.getDefiningOp<EinsumOp>())
    if (auto kind = einsum.builtinReduce()) {
      isCount = *kind == Reduce::count;
      if (*kind == Reduce::argmax || *kind == Reduce::argmin)
        range = cast<StringAttr>(einsum.getReduced()[0]);
    }
  if (!range && !isCount)
    return x;
  variables[number].lower = 0;
  PointSet facts = PointSet::nonNegative(x);
  if (range)
    facts = facts.intersect(PointSet::nonNegative(
        add(add(extentOf(range), x, -1), AffineForm::of(-1))));
  variables[number].definition = facts;
  return x;
}

AffineForm IterationSpace::choice(ElseOp op) {
  AffineForm a = formOf(op.getValue()), b = formOf(op.getOtherwise());
  if (a == b)
    return a;
  PointSet first = presence(op.getValue(), Approximation::Over);
  PointSet second =
      presence(op.getValue(), Approximation::Under).complement(true);
  unsigned number = newVariable(SpaceVariable::Derived, op);
  AffineForm x = AffineForm::variable(number);
  variables[number].definition =
      first.intersect(PointSet::zero(add(x, a, -1)))
          .unite(second.intersect(PointSet::zero(add(x, b, -1))));
  Interval ia = intervalOf(a), ib = intervalOf(b);
  if (ia.lower && ib.lower)
    variables[number].lower = std::min(*ia.lower, *ib.lower);
  if (ia.upper && ib.upper)
    variables[number].upper = std::max(*ia.upper, *ib.upper);
  return x;
}

AffineForm IterationSpace::compute(Value value) {
  Operation *op = value.getDefiningOp();
  if (!op || !value.getType().isSignlessInteger())
    return opaque(value);
  if (auto constant = dyn_cast<arith::ConstantOp>(op))
    return AffineForm::of(cast<IntegerAttr>(constant.getValue()).getInt());
  if (auto extent = dyn_cast<ExtentOp>(op))
    return extentOf(extent.getRankAttr());
  if (auto read = dyn_cast<ReadOp>(op))
    return readForm(read);
  if (auto map = dyn_cast<MapOp>(op))
    return mapForm(map);
  if (auto where = dyn_cast<WhereOp>(op))
    return formOf(where.getValue());
  if (auto otherwise = dyn_cast<ElseOp>(op))
    return choice(otherwise);
  if (auto castOp = dyn_cast<CastOp>(op);
      castOp && castOp.getOperand().getType().isSignlessInteger() &&
      (castOp.getType().isInteger(32) || castOp.getType().isInteger(64)))
    return formOf(castOp.getOperand());
  return opaque(value);
}

IndexKind IterationSpace::classify(Value index) {
  // Conditions select, they do not enter the value; extents times coordinates
  // are the determined coordinates of relations.
  SmallVector<Value> stack{index};
  llvm::DenseSet<Value> seen;
  auto kind = IndexKind::Affine;
  std::function<bool(Value)> isFixed = [&](Value v) {
    Operation *op = v.getDefiningOp();
    if (!op)
      return false;
    if (isa<arith::ConstantOp, ExtentOp>(op))
      return true;
    if (auto read = dyn_cast<ReadOp>(op))
      return read.getIndices().empty();
    return isa<MapOp>(op) && llvm::all_of(op->getOperands(), isFixed);
  };
  while (!stack.empty()) {
    Value value = stack.pop_back_val();
    Operation *op = value.getDefiningOp();
    if (!op || !seen.insert(value).second)
      continue;
    if (auto read = dyn_cast<ReadOp>(op)) {
      if (!read.getIndices().empty())
        return IndexKind::Data;
    } else if (auto where = dyn_cast<WhereOp>(op)) {
      stack.push_back(where.getValue());
    } else if (auto map = dyn_cast<MapOp>(op)) {
      static constexpr Fn linear[] = {Fn::add, Fn::sub, Fn::neg,
                                      Fn::min, Fn::max, Fn::abs};
      static constexpr Fn scaled[] = {Fn::mul, Fn::floordiv, Fn::mod, Fn::shl,
                                      Fn::shr};
      bool isAffine =
          llvm::is_contained(linear, map.getFn()) ||
          (llvm::is_contained(scaled, map.getFn()) &&
           (isFixed(map.getOperand(1)) ||
            (map.getFn() == Fn::mul && isFixed(map.getOperand(0)))));
      if (!isAffine && !isFixed(value))
        kind = IndexKind::Opaque;
      llvm::append_range(stack, map.getOperands());
    } else if (isa<ElseOp>(op)) {
      llvm::append_range(stack, op->getOperands());
    } else if (auto castOp = dyn_cast<CastOp>(op)) {
      if (!castOp.getOperand().getType().isSignlessInteger())
        kind = IndexKind::Opaque;
      stack.push_back(castOp.getOperand());
    }
  }
  return kind;
}

std::optional<AffineForm> IterationSpace::affineOf(Value value) {
  if (classify(value) != IndexKind::Affine)
    return std::nullopt;
  return formOf(value);
}
