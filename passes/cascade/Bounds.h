//===- Bounds.h - proofs that an access stays inside ------------*- C++ -*-===//
// Shared by CheckBounds (any access) and CheckRecurrences (steps before the
// first, which ask for a base equation).
//===----------------------------------------------------------------------===//
#ifndef ATTN_PASSES_CASCADE_BOUNDS_H
#define ATTN_PASSES_CASCADE_BOUNDS_H

#include "dialect/Affine.h"

namespace attn {

/// Proofs about the reads of one region.
class BoundsProver {
public:
  explicit BoundsProver(mlir::Region &region);

  /// A point where the index at `position` is evaluated and leaves its rank
  /// and every base point; empty if there is none.
  std::optional<Point> findLeaving(ReadOp read, unsigned position);
  /// Is the access outside at every point, and evaluated at some?
  bool isAlwaysOutside(ReadOp read, unsigned position);
  /// Points where a read is evaluated with all its indices present.
  PointSet evaluated(ReadOp read);

  IterationSpace &getSpace() { return space; }

private:
  PointSet leaving(ReadOp read, unsigned position);

  IterationSpace space;
};

/// Is this a step of a recurrence: an index, other than the coordinate itself,
/// into a rank that the reading definition has too?
bool isStep(ReadOp read, unsigned position);

/// Variables that an expression names, in the order of their occurrence, with
/// their text.
using NamedForms = llvm::SmallVector<std::pair<std::string, AffineForm>>;
void namedVariables(IterationSpace &space, mlir::Value value,
                    NamedForms &names);

int64_t evaluate(const AffineForm &form, const Point &point);

} // namespace attn
#endif // ATTN_PASSES_CASCADE_BOUNDS_H
