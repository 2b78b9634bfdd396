//===- Evaluate.h - integers of a kernel on intervals -----------*- C++ -*-===//
// Values of integer and bool expressions over boxes of coordinates, for given
// extents: loop bounds and masks are evaluated here, not run.
//===----------------------------------------------------------------------===//
#ifndef ATTN_COMPILER_EXPLAIN_EVALUATE_H
#define ATTN_COMPILER_EXPLAIN_EVALUATE_H

#include "dialect/interpreter/Extents.h"

namespace attn::explain {

/// All integers from low to high; a bool is 0 or 1.
struct Interval {
  int64_t low = 0, high = 0;
};

class Evaluator {
public:
  Evaluator(CascadeOp cascade, const Extents &extents)
      : cascade(cascade), extents(extents) {}

  /// The coordinate that a region's argument stands for.
  void bind(mlir::Value argument, Interval interval);
  /// An interval that holds the value; a point where all coordinates are points
  /// and occur linearly. None: it depends on the contents of tensors.
  std::optional<Interval> of(mlir::Value value);

private:
  std::optional<Interval> compute(mlir::Value value);
  std::optional<Interval> map(MapOp op);

  CascadeOp cascade;
  const Extents &extents;
  llvm::DenseMap<mlir::Value, Interval> bound;
  llvm::DenseMap<mlir::Value, std::optional<Interval>> known;
};

} // namespace attn::explain
#endif // ATTN_COMPILER_EXPLAIN_EVALUATE_H
