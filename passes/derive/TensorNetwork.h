//===- TensorNetwork.h - nested sums of products as one ---------*- C++ -*-===//
// A sum of products whose factors are such sums again, multiplied out:
//
//   sum[n](sum[f](a b) v) = sum[n,f](a b v)
//
// The factors a, b, v are the leaves of a network over all ranks; in which
// order they are contracted is free (ContractionOrder.h).
//===----------------------------------------------------------------------===//
#ifndef ATTN_PASSES_DERIVE_TENSORNETWORK_H
#define ATTN_PASSES_DERIVE_TENSORNETWORK_H

#include "passes/derive/NestedProducts.h"

namespace attn {

/// A factor of the product, a value of the network's body.
struct Leaf {
  mlir::Value value; // null: multiplied into another
  bool divides = false;
  RankSet ranks;
  bool mayBeAbsent = false;

  bool isRead() const { return value.getDefiningOp<ReadOp>() && !divides; }
  /// Made of extents and numbers alone.
  bool isConstant() const;
};

/// One of the sums, as written: its own leaves, and the sums among its factors.
struct WrittenSum {
  EinsumOp op;
  RankSet ranks; // that its result has
  llvm::SmallVector<unsigned> leaves;
  llvm::SmallVector<unsigned> nested;
};

/// The network of a sum that has nested ones. Its values stand in an einsum of
/// their own, which goes with it.
class TensorNetwork {
public:
  TensorNetwork(EinsumOp root, const NestedProducts &products,
                TypicalExtents &extents);
  ~TensorNetwork() { body.erase(); }
  TensorNetwork(const TensorNetwork &) = delete;

  mlir::Block &block() { return body.getMap().front(); }
  RankSet ranksOf(mlir::Value value);
  /// A value of the body at coordinates of some of its ranks.
  mlir::Value valueAt(ExprBuilder &e, const Coordinates &at, mlir::Value value);

  EinsumOp root;
  const NestedProducts &products;
  const Ranks &ranks; // of the products
  RankSet result, reduced;
  std::vector<Leaf> leaves;
  llvm::SmallVector<mlir::Value> conditions;
  /// Factors of the result, free of what is reduced.
  std::vector<Leaf> outer;
  /// The leaf that makes `root` a stream.
  std::optional<unsigned> streamLeaf;
  std::vector<WrittenSum> sums; // `root` first

private:
  /// Where a sum or a map stands: its coordinates as values of the body, and
  /// the sum whose factors it has.
  struct Site {
    mlir::IRMapping coordinates;
    unsigned sum;
  };
  void addLeaves(ExprBuilder &e, Coordinates &at, mlir::Value value, Site &site,
                 bool divides = false);
  void addNested(ExprBuilder &e, Coordinates &at, ReadOp read, EinsumOp sum,
                 Site &site);
  void addConditions(ExprBuilder &e, mlir::Value condition,
                     mlir::IRMapping &coordinates);

  EinsumOp body;
};

} // namespace attn
#endif // ATTN_PASSES_DERIVE_TENSORNETWORK_H
