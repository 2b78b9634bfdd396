//===- Windows.h - which rows of a tensor an access touches -----*- C++ -*-===//
// A kernel that fixes coordinates of some ranks keeps only those rows of its
// intermediates. Whether it may is a question to the accesses: a read of a
// tensor whose index along the rank is the reader's own coordinate, or lies a
// bounded distance from it, touches a window of rows.
//===----------------------------------------------------------------------===//
#ifndef ATTN_PASSES_SCHEDULE_WINDOWS_H
#define ATTN_PASSES_SCHEDULE_WINDOWS_H

#include "dialect/tile/Tile.h"

namespace attn {

/// Rows [coordinate + low, coordinate + high] of a rank.
struct Window {
  int64_t low = 0, high = 0;
  bool isRow() const { return low == 0 && high == 0; }
  void unite(Window other) {
    low = std::min(low, other.low);
    high = std::max(high, other.high);
  }
  Window operator+(Window other) const {
    return {low + other.low, high + other.high};
  }
};

/// A tensor as a definition reads it; an operand of equations has no indices.
struct TensorAccess {
  mlir::Value tensor;
  mlir::ValueRange indices;
  mlir::Operation *op; // read, load, or equations
};

/// Tensors that an einsum, an order, equations or a tile kernel reads.
llvm::SmallVector<TensorAccess> accessesOf(mlir::Operation *definition);

/// Rows of `rank` in one step of the rank `step`, if |step| is |rank| in parts
/// of equal size; else 0.
int64_t stepSize(CascadeOp cascade, mlir::StringAttr step,
                 mlir::StringAttr rank);

/// How many rows of `rank` the definition computes at a time: 1 if it is a rank
/// of its space, more for tile kernels, 0 if it needs all rows at once.
int64_t rowsAtATime(CascadeOp cascade, mlir::Operation *definition,
                    mlir::StringAttr rank);

/// The rows of `rank` that an access of `definition` touches while it computes
/// one row (a tile kernel: one step, from its first to its last row); none if
/// they are not bounded.
std::optional<Window> windowOf(CascadeOp cascade, mlir::Operation *definition,
                               const TensorAccess &access,
                               mlir::StringAttr rank);

} // namespace attn
#endif // ATTN_PASSES_SCHEDULE_WINDOWS_H
