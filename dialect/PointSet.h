//===- PointSet.h - unions of integer polyhedra -----------------*- C++ -*-===//
// Linear forms over numbered integer variables, and sets of points given by
// them in disjunctive normal form without quantifiers. Variables mean nothing
// here: see Affine.h. Emptiness and samples come from the simplex of
// mlir::presburger.
//===----------------------------------------------------------------------===//
#ifndef ATTN_DIALECT_POINTSET_H
#define ATTN_DIALECT_POINTSET_H

#include "mlir/Analysis/Presburger/IntegerRelation.h"
#include "llvm/ADT/SmallBitVector.h"
#include "llvm/ADT/SmallVector.h"
#include <cstdint>
#include <optional>
#include <vector>

namespace attn {

/// constant + sum of coefficient * variable.
struct AffineForm {
  /// By variable number, without trailing zeros.
  llvm::SmallVector<int64_t, 8> coefficients;
  int64_t constant = 0;

  static AffineForm of(int64_t constant);
  static AffineForm variable(unsigned number);

  int64_t coefficient(unsigned variable) const {
    return variable < coefficients.size() ? coefficients[variable] : 0;
  }
  std::optional<int64_t> getConstant() const;
  /// The variable if this is exactly one.
  std::optional<unsigned> getVariable() const;
  /// This + factor * other; empty on overflow.
  std::optional<AffineForm> plus(const AffineForm &other,
                                 int64_t factor = 1) const;
  std::optional<AffineForm> times(int64_t factor) const;
  bool operator==(const AffineForm &other) const {
    return constant == other.constant && coefficients == other.coefficients;
  }
};

/// The form; of an overflow a constant far outside of every extent, where no
/// proof succeeds.
AffineForm saturated(std::optional<AffineForm> form);
inline AffineForm operator+(const AffineForm &a, const AffineForm &b) {
  return saturated(a.plus(b));
}
inline AffineForm operator+(const AffineForm &a, int64_t constant) {
  return a + AffineForm::of(constant);
}
inline AffineForm operator-(const AffineForm &a, const AffineForm &b) {
  return saturated(a.plus(b, -1));
}
inline AffineForm operator-(const AffineForm &a, int64_t constant) {
  return a + AffineForm::of(-constant);
}
inline AffineForm operator-(const AffineForm &a) { return AffineForm() - a; }
inline AffineForm operator*(const AffineForm &a, int64_t factor) {
  return saturated(a.times(factor));
}

/// `form >= 0`, or `form == 0`.
struct Constraint {
  AffineForm form;
  bool equality = false;
  bool operator==(const Constraint &other) const {
    return equality == other.equality && form == other.form;
  }
};

/// A value of every variable, by number.
using Point = llvm::SmallVector<int64_t, 8>;

/// A union of conjunctions of constraints. Operations that would exceed
/// `maxDisjuncts` give the fallback that the caller names, so that sizes stay
/// bounded and the approximation stays on the side that the caller needs.
class PointSet {
public:
  using Conjunction = std::vector<Constraint>;
  static constexpr unsigned maxDisjuncts = 64;

  static PointSet all();
  static PointSet none() { return {}; }
  static PointSet nonNegative(AffineForm form);
  static PointSet zero(AffineForm form);

  bool isAll() const;
  bool isNone() const { return disjuncts.empty(); }
  llvm::ArrayRef<Conjunction> getDisjuncts() const { return disjuncts; }
  /// Variables that occur.
  llvm::SmallBitVector variables() const;

  PointSet intersect(const PointSet &other, bool fallbackAll = true) const;
  PointSet unite(const PointSet &other, bool fallbackAll = true) const;
  PointSet complement(bool fallbackAll) const;

  /// An integer point, small if `small`; empty if there is none. Variables that
  /// do not occur are 0. `order` lists the variables to make small first.
  std::optional<Point> sample(llvm::ArrayRef<unsigned> order = {}) const;
  bool isEmpty() const { return !sample(); }
  /// No rational point: cheaper than isEmpty, and implies it.
  bool isRationalEmpty() const;

private:
  void add(Conjunction conjunction);
  std::vector<Conjunction> disjuncts;
};

} // namespace attn
#endif // ATTN_DIALECT_POINTSET_H
