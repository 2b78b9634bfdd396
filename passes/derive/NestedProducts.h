//===- NestedProducts.h - sums of products in one another -------*- C++ -*-===//
// Which sums may be multiplied out of the sum of products that reads them: real
// sums of the same type, nothing rounded between, that all who read them have
// as a factor. Maps on the way are looked through.
//===----------------------------------------------------------------------===//
#ifndef ATTN_PASSES_DERIVE_NESTEDPRODUCTS_H
#define ATTN_PASSES_DERIVE_NESTEDPRODUCTS_H

#include "passes/Expr.h"
#include "passes/derive/Contraction.h"
#include "passes/derive/Products.h"
#include "passes/derive/TypicalExtents.h"
#include "llvm/ADT/SetVector.h"

namespace attn {

/// A sum of reals with one result, its presence written out.
bool isRealSum(EinsumOp op);
/// Reductions that read a tensor, themselves or through maps, each once; null
/// among them: an output, or a definition that is no einsum.
llvm::SetVector<mlir::Operation *> readersOf(mlir::Value tensor);

/// Is a factor that depends on `used` of `ranks` computed at the points of two
/// sequences? Such a tensor is streamed, not kept.
bool isStreamed(mlir::Value factor, const RankSet &used, RankRef ranks,
                TypicalExtents &extents);

class NestedProducts {
public:
  /// Those nested in `root`, but for reads in `opaque`. Of a square, the first
  /// read of its root becomes opaque.
  NestedProducts(EinsumOp root, TypicalExtents &extents,
                 llvm::DenseSet<mlir::Operation *> &opaque);

  bool empty() const { return sums.empty(); }
  /// The sum or map that a read stands for; null: it is a factor as it is.
  EinsumOp of(ReadOp read) const { return sums.lookup(read); }
  /// The names of the ranks that a nested sum reduces.
  RankRef reducedBy(EinsumOp sum) const { return own.find(sum)->second; }

  llvm::MapVector<mlir::Operation *, EinsumOp> sums; // by read
  /// All ranks, those of the result first; and those of them that are copies,
  /// each with the rank that it copies.
  Ranks ranks;
  llvm::SmallVector<std::pair<mlir::StringAttr, mlir::StringAttr>> copies;

private:
  EinsumOp nestedSum(ReadOp read);
  EinsumOp nestedMap(ReadOp read);
  bool hasNestedSum(mlir::Value value);
  bool hasStreamedFactor(EinsumOp sum);
  bool find(mlir::Value value);
  void nameRanks(EinsumOp sum);

  EinsumOp root;
  CascadeOp cascade;
  TypicalExtents &extents;
  llvm::DenseSet<mlir::Operation *> &opaque;
  llvm::DenseMap<mlir::Operation *, Ranks> own;
};

} // namespace attn
#endif // ATTN_PASSES_DERIVE_NESTEDPRODUCTS_H
