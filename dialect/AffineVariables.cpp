//===- AffineVariables.cpp - integers that forms are made of ----*- C++ -*-===//
#include "dialect/AffineVariables.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace attn;

unsigned AffineVariables::add(SpaceVariable::Kind kind, Value value,
                              StringAttr rank) {
  SpaceVariable &variable = variables.emplace_back();
  variable.kind = kind;
  variable.value = value;
  variable.rank = rank;
  return variables.size() - 1;
}

AffineForm AffineVariables::addCoordinate(Value value, StringAttr rank,
                                          const AffineForm &extent) {
  unsigned number = add(SpaceVariable::Coordinate, value, rank);
  SpaceVariable &x = variables[number];
  AffineForm form = AffineForm::variable(number), last = extent - 1;
  x.extent = extent;
  x.lower = 0;
  x.upper = last.getConstant();
  x.definition =
      PointSet::nonNegative(form).intersect(PointSet::nonNegative(last - form));
  return form;
}

std::pair<unsigned, bool>
AffineVariables::derived(int operation, ArrayRef<AffineForm> operands,
                         const void *more) {
  Key key{operation, {}, more};
  auto &[kind, numbers, pointer] = key;
  for (const AffineForm &form : operands) {
    numbers.push_back(form.coefficients.size());
    llvm::append_range(numbers, form.coefficients);
    numbers.push_back(form.constant);
  }
  auto [it, isNew] = derivedVariables.try_emplace(std::move(key), size());
  if (isNew)
    add(SpaceVariable::Derived);
  return {it->second, isNew};
}

AffineVariables::Interval
AffineVariables::intervalOf(const AffineForm &form) const {
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

//===----------------------------------------------------------------------===//
// Quotients
//===----------------------------------------------------------------------===//

/// numerator = divisor * whole + rest.
struct AffineVariables::Division {
  AffineForm whole, rest;
};

/// What can be divided term by term.
AffineVariables::Division AffineVariables::divide(const AffineForm &numerator,
                                                  const AffineForm &divisor) {
  auto constant = divisor.getConstant();
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
      whole = saturated(whole.plus(x, c / *constant));
    } else if (symbol && *symbol == i) {
      whole.constant += c;
    } else if (symbol && llvm::is_contained(variables[i].factors, *symbol)) {
      SmallVector<unsigned> others(variables[i].factors.begin(),
                                   variables[i].factors.end());
      others.erase(llvm::find(others, *symbol));
      whole = saturated(whole.plus(AffineForm::variable(monomial(others)), c));
    } else {
      rest = saturated(rest.plus(x, c));
    }
  }
  return {whole, rest};
}

AffineForm AffineVariables::quotient(const AffineForm &numerator,
                                     const AffineForm &divisor) {
  auto constant = divisor.getConstant();
  if (constant && *constant < 0)
    return quotient(-numerator, AffineForm::of(-*constant));
  auto [whole, rest] = divide(numerator, divisor);
  Interval range = intervalOf(rest);
  if (constant && *constant > 0 && range.lower && range.upper &&
      llvm::divideFloorSigned(*range.lower, *constant) ==
          llvm::divideFloorSigned(*range.upper, *constant))
    return whole + llvm::divideFloorSigned(*range.lower, *constant);
  if (rest.getConstant() == 0)
    return whole;
  if (auto x = rest.getVariable();
      x && variables[*x].kind == SpaceVariable::Coordinate &&
      variables[*x].extent == divisor)
    return whole; // 0 <= x < divisor
  auto [number, isNew] = derived(FloorDiv, {rest, divisor});
  if (isNew && constant != 0 && isNatural(divisor))
    describeQuotient(number, rest, divisor);
  return whole + AffineForm::variable(number);
}

/// q d <= rest < q d + d; the quotient q is present, so d > 0.
void AffineVariables::describeQuotient(unsigned number, const AffineForm &rest,
                                       const AffineForm &divisor) {
  AffineForm q = AffineForm::variable(number);
  AffineForm remainder = rest - product(q, divisor);
  PointSet facts =
      PointSet::nonNegative(remainder)
          .intersect(PointSet::nonNegative(divisor - remainder - 1))
          .intersect(PointSet::nonNegative(divisor - 1));
  auto constant = divisor.getConstant();
  int64_t d = constant.value_or(1);
  Interval range = intervalOf(rest);
  auto &lower = variables[number].lower, &upper = variables[number].upper;
  if (range.lower && (constant || *range.lower >= 0))
    lower = llvm::divideFloorSigned(*range.lower, d);
  else if (auto excess = intervalOf(rest - divisor).lower;
           excess && *excess >= -1)
    lower = 0; // rest >= divisor - 1 >= 0
  if (range.upper && (constant || *range.upper >= 0))
    upper = llvm::divideFloorSigned(*range.upper, d);
  if (!constant && lower)
    facts = facts.intersect(PointSet::nonNegative(q))
                .intersect(PointSet::nonNegative(rest - q));
  variables[number].definition = facts;
}

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

/// The variable that is the product of others.
unsigned AffineVariables::monomial(ArrayRef<unsigned> factors) {
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
  if (!llvm::all_of(key, [&](const AffineForm &x) { return isNatural(x); }))
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
    AffineForm most = product(variables[sorted[i]].extent, y);
    facts = facts.intersect(PointSet::nonNegative(most - y - form));
  }
  variables[number].definition = facts;
  return number;
}

AffineForm AffineVariables::product(const AffineForm &a, const AffineForm &b) {
  if (auto constant = a.getConstant())
    return b * *constant;
  if (auto constant = b.getConstant())
    return a * *constant;
  auto factorsOf = [&](unsigned variable) {
    ArrayRef<unsigned> factors = variables[variable].factors;
    return factors.empty()
               ? SmallVector<unsigned>{variable}
               : SmallVector<unsigned>(factors.begin(), factors.end());
  };
  AffineForm result = b * a.constant;
  for (auto [i, c] : llvm::enumerate(a.coefficients)) {
    if (c == 0)
      continue;
    result = saturated(result.plus(AffineForm::variable(i) * b.constant, c));
    for (auto [j, e] : llvm::enumerate(b.coefficients)) {
      if (e == 0)
        continue;
      SmallVector<unsigned> factors = factorsOf(i);
      llvm::append_range(factors, factorsOf(j));
      result = saturated(
          result.plus(AffineForm::variable(monomial(factors)) * e, c));
    }
  }
  return result;
}

//===----------------------------------------------------------------------===//
// Extrema
//===----------------------------------------------------------------------===//

AffineForm AffineVariables::extremum(const AffineForm &a, const AffineForm &b,
                                     bool greatest) {
  Interval gap = intervalOf(b - a);
  if (gap.lower.value_or(-1) >= 0)
    return greatest ? b : a;
  if (gap.upper.value_or(1) <= 0)
    return greatest ? a : b;
  auto [number, isNew] = derived(greatest ? Max : Min, {a, b});
  AffineForm x = AffineForm::variable(number);
  if (!isNew)
    return x;
  auto equals = [&](const AffineForm &one, const AffineForm &other) {
    // x = one, and x is beyond the other.
    return PointSet::zero(x - one).intersect(
        PointSet::nonNegative(greatest ? one - other : other - one));
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
