//===- PassCount.h - passes over each rank, and why -------------*- C++ -*-===//
// A pass is a full traversal of a rank's fibre. A cascade needs as many over a
// rank as its longest chain "complete a reduction over the rank, then read data
// of the rank again" has links (the taxonomy of FuseMax). The count is made on
// whatever stage it is given: a naive cascade, or a derived one, where what is
// carried along a streamed rank completes nothing.
//===----------------------------------------------------------------------===//
#ifndef ATTN_PASSES_DERIVE_PASSCOUNT_H
#define ATTN_PASSES_DERIVE_PASSCOUNT_H

#include "dialect/Attn.h"

namespace attn {

/// The statement that ends a pass of the chain.
struct PassStep {
  std::string statement;
  std::string does; // "max over n", "reads n"
};

struct RankPasses {
  mlir::StringAttr rank;
  /// Passes whose number is static.
  unsigned count = 0;
  /// And as many a step of an iterative rank whose extent is dynamic.
  llvm::SmallVector<std::pair<unsigned, mlir::StringAttr>> perStep;
  /// One step a pass; a chain that repeats along an iterative rank once.
  llvm::SmallVector<PassStep> chain;
  /// The static extent of that iterative rank, and its name; null: none.
  mlir::StringAttr repeated;

  /// "3", "42", "2 + 1 |k|".
  std::string number() const;
  /// "M (max over n), then L (sum over n), then O (sum over n)".
  std::string reason() const;
};

/// Passes of the cascade over `rank`, which may stream it in tiles.
RankPasses passesOver(CascadeOp cascade, mlir::StringAttr rank);

/// The same for each rank that the cascade reduces, in the order of its table;
/// tiles of a rank count as the rank.
llvm::SmallVector<RankPasses> countPasses(CascadeOp cascade);

} // namespace attn
#endif // ATTN_PASSES_DERIVE_PASSCOUNT_H
