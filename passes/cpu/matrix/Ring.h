//===- Ring.h - where the rows of an early product wait ---------*- C++ -*-===//
// Rows are read while those of the next step are made: a ring has as many
// blocks of 32 as are needed at a time, for what is stored should stay in the
// first cache.
//===----------------------------------------------------------------------===//
#ifndef ATTN_PASSES_CPU_MATRIX_RING_H
#define ATTN_PASSES_CPU_MATRIX_RING_H

#include "passes/cpu/Builder.h"
#include "passes/cpu/matrix/Roles.h"

namespace attn::cpu {

/// Quads of tile products in a step.
int64_t quadsOf(const MatrixProduct &p);
/// Pairs of rows for each quad of all products.
int64_t pairsOfQuad(const MatrixRoles &roles);

class Ring {
  using Value = mlir::Value;

public:
  static constexpr int64_t rows = 32; // of a block
  /// `p`: an early product of `roles`.
  Ring(const MatrixRoles &roles, const MatrixProduct &p);

  int64_t bytes() const { return slots * blockBytes; }
  /// The slot of the first block of `step`.
  Value first(CodeBuilder &b, Value step) const;
  /// Where block `number` is, as an offset in bytes, if the first one of its
  /// step is in slot `first`.
  Value offset(CodeBuilder &b, Value first, Value number) const;

  const int64_t blockBytes;

private:
  int64_t blocks, slots;
};

} // namespace attn::cpu
#endif // ATTN_PASSES_CPU_MATRIX_RING_H
