//===- AffineVariables.h - integers that forms are made of ------*- C++ -*-===//
// Variables of an iteration space, and the arithmetic of linear forms over
// them. What is not linear (a quotient, a product of variables, a minimum) is
// one more variable with the linear facts that hold of it.
//===----------------------------------------------------------------------===//
#ifndef ATTN_DIALECT_AFFINEVARIABLES_H
#define ATTN_DIALECT_AFFINEVARIABLES_H

#include "dialect/Attn.h"
#include "dialect/PointSet.h"
#include <map>
#include <vector>

namespace attn {

/// A variable of an iteration space.
struct SpaceVariable {
  enum Kind {
    Coordinate, // of `rank`, 0 <= x < |rank|
    Extent,     // of `rank`
    Scalar,     // the 0-d tensor `value`
    Derived,    // determined by the variables in `definition`
    Data,       // the tensor element `value`
    Opaque      // any other integer `value`
  } kind = Derived;
  mlir::Value value;
  mlir::StringAttr rank;
  /// What is known of it, in terms of variables with smaller numbers mostly.
  PointSet definition = PointSet::all();
  /// Bounds that hold for every value of the others.
  std::optional<int64_t> lower, upper;
  /// Of a coordinate: the extent of its rank.
  AffineForm extent;
  /// Of a product of variables: its factors.
  llvm::SmallVector<unsigned, 2> factors;
};

/// Numbered variables; they are only ever added.
class AffineVariables {
public:
  const SpaceVariable &operator[](unsigned number) const {
    return variables[number];
  }
  SpaceVariable &operator[](unsigned number) { return variables[number]; }
  unsigned size() const { return variables.size(); }

  unsigned add(SpaceVariable::Kind kind, mlir::Value value = {},
               mlir::StringAttr rank = {});
  /// The coordinate of a rank.
  AffineForm addCoordinate(mlir::Value value, mlir::StringAttr rank,
                           const AffineForm &extent);

  /// What tells derived variables apart besides their operands; functions that
  /// stay opaque add their own number.
  enum Operation { FloorDiv, Min, Max, Product, Element, Function };
  /// The variable of an operation on forms (and on `more`), and whether it is
  /// new.
  std::pair<unsigned, bool> derived(int operation,
                                    llvm::ArrayRef<AffineForm> operands,
                                    const void *more = nullptr);

  /// floor(numerator / divisor).
  AffineForm quotient(const AffineForm &numerator, const AffineForm &divisor);
  AffineForm remainder(const AffineForm &numerator, const AffineForm &divisor) {
    return numerator - product(quotient(numerator, divisor), divisor);
  }
  AffineForm product(const AffineForm &a, const AffineForm &b);
  AffineForm minimum(const AffineForm &a, const AffineForm &b) {
    return extremum(a, b, /*greatest=*/false);
  }
  AffineForm maximum(const AffineForm &a, const AffineForm &b) {
    return extremum(a, b, /*greatest=*/true);
  }

  struct Interval {
    std::optional<int64_t> lower, upper;
  };
  Interval intervalOf(const AffineForm &form) const;
  bool isNatural(const AffineForm &form) const {
    return intervalOf(form).lower.value_or(-1) >= 0;
  }

private:
  struct Division;
  Division divide(const AffineForm &numerator, const AffineForm &divisor);
  void describeQuotient(unsigned number, const AffineForm &rest,
                        const AffineForm &divisor);
  unsigned monomial(llvm::ArrayRef<unsigned> factors);
  AffineForm extremum(const AffineForm &a, const AffineForm &b, bool greatest);

  /// What a derived variable is, its operands' forms, what else tells it apart.
  using Key = std::tuple<int, std::vector<int64_t>, const void *>;
  std::vector<SpaceVariable> variables;
  std::map<Key, unsigned> derivedVariables;
};

} // namespace attn
#endif // ATTN_DIALECT_AFFINEVARIABLES_H
