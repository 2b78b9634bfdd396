//===- PassLevels.h - the pass that makes each value ------------*- C++ -*-===//
// Each definition gets the pass in which its values are made. Values over the
// rank are read in the pass that makes them; a value that has lost the rank, or
// is read at a fixed point of it, is complete only after that pass, and whoever
// walks the rank with it walks it once more.
//===----------------------------------------------------------------------===//
#ifndef ATTN_PASSES_DERIVE_PASSLEVELS_H
#define ATTN_PASSES_DERIVE_PASSLEVELS_H

#include "passes/derive/PassCount.h"
#include "passes/derive/RankUse.h"
#include "llvm/ADT/MapVector.h"

namespace attn {

/// Counts the passes of a cascade over a rank.
class PassLevels {
public:
  PassLevels(CascadeOp cascade, mlir::StringAttr rank);
  bool reducesRank();
  /// PassCount.cpp.
  RankPasses run();

private:
  /// Of a definition.
  struct Level {
    unsigned pass = 0;
    /// Values over the rank that need all of another walk of its fibre.
    bool isWhole = false;
    /// Values over the rank of which each needs its own point alone, beside
    /// what earlier passes completed: one of them is had without the others.
    bool isPoint = false;
    /// Ranks that name points of the fibre anew, and the pass that they are of.
    llvm::SmallVector<mlir::StringAttr, 1> aliases;
    unsigned aliasPass = 0;
    mlir::Operation *from = nullptr;
  };

  PassStep describe(mlir::Operation *op); // PassCount.cpp
  bool reduces(mlir::Operation *op);
  void collectUses(mlir::Operation *op);
  void evaluateAll();
  void evaluateComponent(llvm::ArrayRef<mlir::Operation *> members);
  bool findAliases(mlir::Operation *op, Level &level);
  bool evaluate(mlir::Operation *op, bool lagged);
  bool visits(mlir::Operation *op);
  mlir::Operation *base(mlir::Operation *recurrence);
  bool inFamily(mlir::StringAttr rank) const { return family.contains(rank); }
  bool carries(mlir::Operation *op) const {
    auto type = mlir::cast<NamedTensorType>(op->getResultTypes()[0]);
    return llvm::any_of(type.getRanks(),
                        [&](mlir::StringAttr rank) { return inFamily(rank); });
  }

  CascadeOp cascade;
  mlir::StringAttr rank;
  RankFamily family;
  llvm::MapVector<mlir::Operation *, llvm::SmallVector<Use>> uses;
  llvm::DenseMap<mlir::Operation *, Level> levels;
  llvm::DenseSet<mlir::Operation *> component; // that is evaluated
  bool isOwnScan = false; // of the component: along the rank itself
  RankPasses result;
};

} // namespace attn
#endif // ATTN_PASSES_DERIVE_PASSLEVELS_H
