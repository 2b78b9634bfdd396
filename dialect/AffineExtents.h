//===- AffineExtents.h - extents and relations as forms ---------*- C++ -*-===//
#ifndef ATTN_DIALECT_AFFINEEXTENTS_H
#define ATTN_DIALECT_AFFINEEXTENTS_H

#include "dialect/AffineVariables.h"
#include "llvm/ADT/DenseMap.h"

namespace attn {

/// What the ranks and relations of a cascade say about extents and coordinates.
class AffineExtents {
public:
  AffineExtents(CascadeOp cascade, AffineVariables &variables)
      : cascade(cascade), variables(variables) {}

  AffineForm of(mlir::StringAttr rank);
  /// An extent expression, as an index (not clamped).
  AffineForm of(ExtentAttr extent);

  /// Coordinates by rank.
  using Coordinates = llvm::DenseMap<mlir::StringAttr, AffineForm>;
  /// Adds what relations determine by the known ones, until `rank` is known or
  /// nothing more is.
  void determine(mlir::StringAttr rank, Coordinates &known);

private:
  AffineForm of(mlir::AffineExpr expr, ExtentAttr extent);
  PointSet relationsOf(mlir::StringAttr whole, const AffineForm &extent,
                       bool isDerived);
  AffineForm volume(llvm::ArrayRef<mlir::StringAttr> ranks);
  bool determine(ProductAttr product, Coordinates &known);
  bool determine(SumAttr sum, Coordinates &known);

  CascadeOp cascade;
  AffineVariables &variables;
  llvm::DenseMap<mlir::StringAttr, unsigned> numbers;
};

} // namespace attn
#endif // ATTN_DIALECT_AFFINEEXTENTS_H
