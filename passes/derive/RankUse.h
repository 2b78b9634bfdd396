//===- RankUse.h - how definitions meet a rank's fibre ----------*- C++ -*-===//
// For counting passes over a rank: which other ranks are that rank, or pieces
// of it, and at which points of its fibre a read is.
//===----------------------------------------------------------------------===//
#ifndef ATTN_PASSES_DERIVE_RANKUSE_H
#define ATTN_PASSES_DERIVE_RANKUSE_H

#include "passes/Expr.h"

namespace attn {

/// A rank with its parts, what it was joined into, and the tiles that a kernel
/// streams it in.
class RankFamily {
public:
  RankFamily(CascadeOp cascade, mlir::StringAttr rank)
      : cascade(cascade), rank(rank) {
    add(rank);
  }
  bool contains(mlir::StringAttr name) const { return members.contains(name); }
  /// True if points over these ranks are points of the whole fibre, not of
  /// parts of it alone.
  bool covers(RankRef ranks) const;

private:
  void add(mlir::StringAttr name);
  void addWithTiles(mlir::StringAttr name);

  CascadeOp cascade;
  mlir::StringAttr rank;
  llvm::DenseSet<mlir::StringAttr> members;
  /// Ranks that together are another one, the whole first.
  llvm::SmallVector<std::pair<mlir::StringAttr, Ranks>> groups;
};

/// How a read meets the fibre of the counted rank.
enum class Access {
  None,   // the tensor has no axis of the rank
  Stream, // at the reader's own coordinate of the rank, or near it
  Walk,   // at a reduced rank's coordinate, which walks the same fibre
  Fixed   // at one point, or at points that are data
};

struct Use {
  mlir::Operation *def; // null: an input
  Access access = Access::None;
  bool isLagged = false;  // not at the point of the reader
  bool isCovered = false; // the tensor has points of the fibre, not of parts
  bool isRow = false;     // of another rank, at the reader's own coordinate
  mlir::StringAttr iterative; // the axis on which it lags
  bool isStep = false;        // there by a computed distance
  /// Which coordinates of the reader an axis is read at.
  struct Index {
    mlir::StringAttr axis, coordinate;
    bool isReduced;
  };
  llvm::SmallVector<Index, 2> indices;
};

/// How `read`, in a region of `op`, meets the fibre.
Use useOf(ReadOp read, mlir::Operation *op, const RankFamily &family);

/// What defines a tensor, through the boundaries of kernels.
mlir::Operation *definitionBehind(mlir::Value tensor);

} // namespace attn
#endif // ATTN_PASSES_DERIVE_RANKUSE_H
