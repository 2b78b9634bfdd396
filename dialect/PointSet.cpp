//===- PointSet.cpp - unions of integer polyhedra ---------------*- C++ -*-===//
#include "dialect/PointSet.h"
#include "mlir/Analysis/Presburger/Simplex.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"

using namespace attn;
using namespace llvm;
using mlir::presburger::IntegerPolyhedron;
using mlir::presburger::PresburgerSpace;
using mlir::presburger::Simplex;

//===----------------------------------------------------------------------===//
// AffineForm
//===----------------------------------------------------------------------===//

AffineForm AffineForm::of(int64_t constant) {
  AffineForm form;
  form.constant = constant;
  return form;
}

AffineForm AffineForm::variable(unsigned number) {
  AffineForm form;
  form.coefficients.assign(number + 1, 0);
  form.coefficients.back() = 1;
  return form;
}

std::optional<int64_t> AffineForm::getConstant() const {
  if (coefficients.empty())
    return constant;
  return std::nullopt;
}

std::optional<unsigned> AffineForm::getVariable() const {
  if (constant != 0 || coefficients.empty() || coefficients.back() != 1)
    return std::nullopt;
  unsigned last = coefficients.size() - 1;
  for (unsigned i = 0; i < last; ++i)
    if (coefficients[i] != 0)
      return std::nullopt;
  return last;
}

std::optional<AffineForm> AffineForm::plus(const AffineForm &other,
                                           int64_t factor) const {
  AffineForm sum = *this;
  if (sum.coefficients.size() < other.coefficients.size())
    sum.coefficients.resize(other.coefficients.size(), 0);
  auto accumulate = [&](int64_t &into, int64_t term) {
    int64_t product;
    return !MulOverflow(term, factor, product) &&
           !AddOverflow(into, product, into);
  };
  for (unsigned i = 0; i < other.coefficients.size(); ++i)
    if (!accumulate(sum.coefficients[i], other.coefficients[i]))
      return std::nullopt;
  if (!accumulate(sum.constant, other.constant))
    return std::nullopt;
  while (!sum.coefficients.empty() && sum.coefficients.back() == 0)
    sum.coefficients.pop_back();
  return sum;
}

std::optional<AffineForm> AffineForm::times(int64_t factor) const {
  return AffineForm().plus(*this, factor);
}

AffineForm attn::saturated(std::optional<AffineForm> form) {
  return form ? *std::move(form) : AffineForm::of(INT64_MIN / 4);
}

//===----------------------------------------------------------------------===//
// PointSet
//===----------------------------------------------------------------------===//

PointSet PointSet::all() {
  PointSet set;
  set.disjuncts.emplace_back();
  return set;
}

static PointSet single(AffineForm form, bool equality) {
  if (auto constant = form.getConstant())
    return (equality ? *constant == 0 : *constant >= 0) ? PointSet::all()
                                                        : PointSet::none();
  return equality ? PointSet::zero(std::move(form))
                  : PointSet::nonNegative(std::move(form));
}

PointSet PointSet::nonNegative(AffineForm form) {
  if (form.getConstant())
    return single(std::move(form), false);
  PointSet set;
  set.disjuncts.push_back({Constraint{std::move(form), false}});
  return set;
}

PointSet PointSet::zero(AffineForm form) {
  if (form.getConstant())
    return single(std::move(form), true);
  PointSet set;
  set.disjuncts.push_back({Constraint{std::move(form), true}});
  return set;
}

bool PointSet::isAll() const {
  return any_of(disjuncts, [](const Conjunction &c) { return c.empty(); });
}

SmallBitVector PointSet::variables() const {
  SmallBitVector used;
  for (const Conjunction &conjunction : disjuncts)
    for (const Constraint &constraint : conjunction) {
      ArrayRef<int64_t> row = constraint.form.coefficients;
      if (used.size() < row.size())
        used.resize(row.size());
      for (unsigned i = 0; i < row.size(); ++i)
        if (row[i] != 0)
          used.set(i);
    }
  return used;
}

void PointSet::add(Conjunction conjunction) {
  if (!is_contained(disjuncts, conjunction))
    disjuncts.push_back(std::move(conjunction));
}

/// The variables of a conjunction, renumbered densely: first those of `order`.
static SmallVector<unsigned> numbering(const PointSet::Conjunction &conjunction,
                                       ArrayRef<unsigned> order) {
  SmallBitVector used;
  for (const Constraint &c : conjunction) {
    ArrayRef<int64_t> row = c.form.coefficients;
    if (used.size() < row.size())
      used.resize(row.size());
    for (unsigned i = 0; i < row.size(); ++i)
      if (row[i] != 0)
        used.set(i);
  }
  SmallVector<unsigned> numbers;
  for (unsigned variable : order)
    if (variable < used.size() && used.test(variable)) {
      numbers.push_back(variable);
      used.reset(variable);
    }
  for (unsigned variable : used.set_bits())
    numbers.push_back(variable);
  return numbers;
}

static IntegerPolyhedron toPolyhedron(const PointSet::Conjunction &conjunction,
                                      ArrayRef<unsigned> numbers) {
  IntegerPolyhedron result(PresburgerSpace::getSetSpace(numbers.size()));
  SmallVector<int64_t> row;
  for (const Constraint &c : conjunction) {
    row.clear();
    for (unsigned variable : numbers)
      row.push_back(c.form.coefficient(variable));
    row.push_back(c.form.constant);
    if (c.equality)
      result.addEquality(row);
    else
      result.addInequality(row);
  }
  return result;
}

static bool isRationalEmpty(const PointSet::Conjunction &conjunction) {
  if (conjunction.size() < 2)
    return false;
  return Simplex(toPolyhedron(conjunction, numbering(conjunction, {})))
      .isEmpty();
}

bool PointSet::isRationalEmpty() const {
  return all_of(disjuncts,
                [](const Conjunction &c) { return ::isRationalEmpty(c); });
}

PointSet PointSet::intersect(const PointSet &other, bool fallbackAll) const {
  if (isAll())
    return other;
  if (other.isAll())
    return *this;
  PointSet result;
  bool prune = disjuncts.size() > 1 && other.disjuncts.size() > 1;
  for (const Conjunction &a : disjuncts)
    for (const Conjunction &b : other.disjuncts) {
      Conjunction both = a;
      for (const Constraint &c : b)
        if (!is_contained(both, c))
          both.push_back(c);
      if (prune && ::isRationalEmpty(both))
        continue;
      result.add(std::move(both));
      if (result.disjuncts.size() > maxDisjuncts)
        return fallbackAll ? all() : none();
    }
  return result;
}

PointSet PointSet::unite(const PointSet &other, bool fallbackAll) const {
  if (isAll() || other.isAll())
    return all();
  PointSet result = *this;
  for (const Conjunction &conjunction : other.disjuncts)
    result.add(conjunction);
  if (result.disjuncts.size() > maxDisjuncts)
    return fallbackAll ? all() : none();
  return result;
}

static PointSet complementOf(const Constraint &c, bool fallbackAll) {
  auto negated = AffineForm::of(-1).plus(c.form, -1); // -form - 1 >= 0
  auto above = c.form.plus(AffineForm::of(-1));       //  form - 1 >= 0
  if (!negated || !above)
    return fallbackAll ? PointSet::all() : PointSet::none();
  PointSet result = PointSet::nonNegative(*negated);
  return c.equality ? result.unite(PointSet::nonNegative(*above)) : result;
}

PointSet PointSet::complement(bool fallbackAll) const {
  PointSet result = all();
  for (const Conjunction &conjunction : disjuncts) {
    PointSet outside;
    for (const Constraint &c : conjunction)
      outside = outside.unite(complementOf(c, fallbackAll), fallbackAll);
    result = result.intersect(outside, fallbackAll);
    if (result.isNone())
      break;
  }
  return result;
}

/// An integer point of a conjunction, in the numbering; empty if none. Small
/// points read best in a message: the lexicographic minimum above zero is
/// preferred, and searched below a known point so that the search ends.
static std::optional<SmallVector<DynamicAPInt, 8>>
solve(const IntegerPolyhedron &polyhedron) {
  if (Simplex(polyhedron).isEmpty())
    return std::nullopt;
  auto any = polyhedron.findIntegerSample();
  if (!any)
    return std::nullopt;
  DynamicAPInt largest(8);
  for (const DynamicAPInt &value : *any)
    largest = std::max(largest, abs(value));
  IntegerPolyhedron box = polyhedron;
  for (unsigned i = 0; i < polyhedron.getNumVars(); ++i) {
    box.addBound(mlir::presburger::BoundType::LB, i, DynamicAPInt(0));
    box.addBound(mlir::presburger::BoundType::UB, i, largest);
  }
  if (Simplex(box).isEmpty())
    return any;
  auto smallest = box.findIntegerLexMin();
  if (smallest.isBounded())
    return *smallest;
  return any;
}

std::optional<Point> PointSet::sample(ArrayRef<unsigned> order) const {
  for (const Conjunction &conjunction : disjuncts) {
    SmallVector<unsigned> numbers = numbering(conjunction, order);
    auto values = solve(toPolyhedron(conjunction, numbers));
    if (!values)
      continue;
    Point point;
    for (auto [variable, value] : zip(numbers, *values)) {
      if (point.size() <= variable)
        point.resize(variable + 1, 0);
      point[variable] = int64_t(value);
    }
    return point;
  }
  return std::nullopt;
}
