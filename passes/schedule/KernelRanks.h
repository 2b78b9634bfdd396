//===- KernelRanks.h - what the ranks of a kernel become --------*- C++ -*-===//
// Of a scheduled kernel's ranks, one is the loop, the rows are the grid, and
// the others are ranks of tiles. One of the rows may fill the lanes of tiles as
// well: its points then share what contractions read without it.
//===----------------------------------------------------------------------===//
#ifndef ATTN_PASSES_SCHEDULE_KERNELRANKS_H
#define ATTN_PASSES_SCHEDULE_KERNELRANKS_H

#include "passes/Expr.h"

namespace attn {

/// What becomes of rows that share what a quotient of theirs selects, where no
/// others share anything: each is a point of the grid; they are a tile's last
/// rank; or its first one, where they fill no vector.
enum class TilePacking { none, lanes, rows };

/// How a kernel's ranks are used.
struct KernelRanks {
  Ranks rows;
  mlir::StringAttr stream, tile; // n1, n0
  int64_t tileSize = 0;
  /// The row rank whose points fill the lanes of tiles, m = (m1, m0: laneSize);
  /// null: rows are all in the grid.
  mlir::StringAttr lane, laneStep, laneTile;
  int64_t laneSize = 0;
  TilePacking packing = TilePacking::none;
  /// The lanes of a tile have one quotient by their number, the lane step.
  bool packed = false;
  /// The lane rank is the first one of tiles, not the last.
  bool lanesFirst = false;
};

/// Rows, stream and tile as the kernel's schedule says.
KernelRanks scheduledRanks(KernelOp kernel);

/// Chooses the lanes, `laneSize` or fewer, and declares their ranks; short rows
/// that would repeat contractions leave the rows.
void chooseLanes(CascadeOp cascade, KernelOp kernel, KernelRanks &ranks);

/// Is it the coordinate `lane` divided by `size`?
bool isQuotient(mlir::Operation *op, mlir::Value lane, int64_t size);
/// An index that changes with the quotient only, or with neither.
bool readsOnlyQuotient(mlir::Value index, mlir::Value lane, int64_t size);

} // namespace attn
#endif // ATTN_PASSES_SCHEDULE_KERNELRANKS_H
