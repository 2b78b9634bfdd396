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

/// Quads in a step: products of 2 x 2 tiles, of all their pieces.
int64_t quadsOf(const MatrixProduct &p);
/// Pairs of products of tiles in a quad.
int64_t partsOf(const MatrixProduct &p);

/// In which order products and rows of a step in the pipeline run: in rounds,
/// each with an equal part of every product and of the rows. Rows that no
/// reduction of the same step holds up follow their scores as closely as rounds
/// allow, for long steps have more scores than the first cache has room for.
struct StepOrder {
  int64_t rounds;
  /// Blocks of early products that are made before their step starts.
  int64_t ahead;
  /// Of a round.
  int64_t quads;
  /// Pairs of rows beside a quad.
  int64_t pairs;
  explicit StepOrder(const MatrixRoles &roles);
};

class Ring {
  using Value = mlir::Value;

public:
  static constexpr int64_t rows = 32; // of a block
  /// `p`: an early product of `roles`.
  Ring(const MatrixRoles &roles, const StepOrder &order,
       const MatrixProduct &p);

  int64_t bytes() const { return slots * blockBytes; }
  /// The slot of the first block of `step`.
  Value first(CodeBuilder &b, Value step) const;
  /// Where the block `number` after the first one of a step in slot `first` is,
  /// as an offset in bytes.
  Value offset(CodeBuilder &b, Value first, Value number) const;

  const int64_t blockBytes;

private:
  int64_t blocks, slots;
};

} // namespace attn::cpu
#endif // ATTN_PASSES_CPU_MATRIX_RING_H
