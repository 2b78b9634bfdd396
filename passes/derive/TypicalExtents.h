//===- TypicalExtents.h - how large ranks are likely to be ------*- C++ -*-===//
// Costs are compared when extents are still open. A static extent is what it
// is; a free one is guessed by what it is for: a sequence, a feature, neither.
// A guess decides what is cheaper, never what is right.
//===----------------------------------------------------------------------===//
#ifndef ATTN_PASSES_DERIVE_TYPICALEXTENTS_H
#define ATTN_PASSES_DERIVE_TYPICALEXTENTS_H

#include "dialect/Attn.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/DenseSet.h"

namespace attn {

class TypicalExtents {
public:
  explicit TypicalExtents(CascadeOp cascade);

  double of(mlir::StringAttr rank);
  /// Sets of free ranks whose guesses may be wrong alike: each feature, and
  /// all features of ports that are no weights (a model is wider than a head).
  llvm::SmallVector<llvm::SmallVector<mlir::StringAttr>> doubtful();
  /// Takes `ranks` for `factor` times as large from now on.
  void suppose(llvm::ArrayRef<mlir::StringAttr> ranks, double factor) {
    supposed.clear();
    for (mlir::StringAttr rank : ranks)
      supposed[rank] = factor;
    known.clear();
  }
  /// Long enough that a tensor of two such ranks is not kept.
  bool isSequence(mlir::StringAttr rank) { return of(rank) >= 1024; }

private:
  double guess(mlir::StringAttr rank);
  double evaluate(mlir::AffineExpr expr, ExtentAttr extent);
  void findSequences();

  CascadeOp cascade;
  llvm::DenseSet<mlir::StringAttr> sequences, features, reduced;
  llvm::DenseSet<mlir::StringAttr> inData; // ranks of ports that are no weights
  llvm::DenseMap<mlir::StringAttr, double> known, supposed;
};

} // namespace attn
#endif // ATTN_PASSES_DERIVE_TYPICALEXTENTS_H
