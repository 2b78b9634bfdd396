//===- Interval.h - what values of a cascade can be -------------*- C++ -*-===//
// Least and greatest value of an expression wherever it is present, whatever
// the inputs are: by intervals, through reads of maps and reductions, and by
// Cauchy and Schwarz where vectors are divided by their own length. NaN is in
// none of them.
//===----------------------------------------------------------------------===//
#ifndef ATTN_PASSES_DERIVE_INTERVAL_H
#define ATTN_PASSES_DERIVE_INTERVAL_H

#include "dialect/Attn.h"
#include "llvm/ADT/DenseMap.h"
#include <limits>

namespace attn {

struct Interval {
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
  bool isBounded() const {
    return low > -std::numeric_limits<double>::infinity() &&
           high < std::numeric_limits<double>::infinity();
  }
};

class Intervals {
public:
  explicit Intervals(CascadeOp cascade) : cascade(cascade) {}
  Interval of(mlir::Value value);

private:
  Interval compute(mlir::Value value);
  Interval ofMap(MapOp map);
  Interval ofReduction(EinsumOp op);
  double lengthOf(mlir::Value value, mlir::StringAttr rank);

  CascadeOp cascade;
  llvm::DenseMap<mlir::Value, Interval> known;
};

} // namespace attn
#endif // ATTN_PASSES_DERIVE_INTERVAL_H
