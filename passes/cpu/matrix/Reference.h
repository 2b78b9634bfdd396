//===- Reference.h - a maximum that need not be the latest ------*- C++ -*-===//
// Where a kernel's results are the same whatever finite number a stream's
// running maximum is, a step may keep the one it has: its weights are then
// larger than 1 where a score has passed it, which floating point bears until
// they are very large.
//===----------------------------------------------------------------------===//
#ifndef ATTN_PASSES_CPU_MATRIX_REFERENCE_H
#define ATTN_PASSES_CPU_MATRIX_REFERENCE_H

#include "passes/cpu/matrix/Roles.h"

namespace attn::cpu {

struct Reference {
  /// The stream's state, and the reduction that makes the next one.
  unsigned state = 0;
  tile::EinsumOp maximum;
  /// A sum of the same weights that the late products have: no weight is larger
  /// than it grows in a step.
  tile::EinsumOp mass;
  /// Values of a step that are states where the maximum is kept.
  llvm::DenseMap<mlir::Value, mlir::Value> kept;
  /// Rows of a step that keeps it: without what a state says for good, whether
  /// any point was there; and the rows that ask that.
  MatrixRoles::Phase rows, flags;
  /// Lane operations that nobody needs then.
  llvm::DenseSet<mlir::Operation *> idle;
};

/// The maximum of `roles` that need not be the latest, if it has one.
std::optional<Reference> findReference(const MatrixRoles &roles);

} // namespace attn::cpu
#endif // ATTN_PASSES_CPU_MATRIX_REFERENCE_H
