//===- CutWriter.h - the cascades that a cut makes --------------*- C++ -*-===//
#ifndef ATTN_PASSES_DERIVE_CUTWRITER_H
#define ATTN_PASSES_DERIVE_CUTWRITER_H

#include "passes/Expr.h"
#include "llvm/ADT/SetVector.h"

namespace attn {

/// One cascade being written beside the one it comes from. It may take any
/// input of that and loses those that it does not need.
class CutWriter {
public:
  /// `source` is `original` normalised; `rank` is cut. The cascade is called
  /// as `original` with `suffix`.
  CutWriter(CascadeOp original, CascadeOp source, mlir::StringAttr rank,
            llvm::StringRef suffix, const llvm::Twine &doc);

  mlir::Block *body() { return &cascade.getBody().front(); }
  /// The input that stands for one of `source`.
  mlir::Value input(mlir::BlockArgument argument);
  mlir::Value addInput(llvm::StringRef name, RankRef ranks, mlir::Type element,
                       mlir::TypedAttr init = {});
  /// Names the outputs, then settles ports, ranks and extents.
  mlir::LogicalResult
  finish(llvm::ArrayRef<std::pair<std::string, mlir::Value>> outputs);

private:
  mlir::LogicalResult fail(const llvm::Twine &why);
  bool isRelated() const;
  bool isOfPiece(mlir::StringAttr name) const;
  mlir::LogicalResult placeCoordinates();
  mlir::LogicalResult placeBlock(mlir::Block &block, RankRef ranks,
                                 mlir::OpBuilder &b);
  mlir::LogicalResult placeParts(mlir::Block &block, RankRef ranks, SumAttr sum,
                                 mlir::OpBuilder &b);
  mlir::Value begin(mlir::StringAttr rank, ExprBuilder &e);
  void distrust(mlir::Block &block, unsigned position);
  void dropInputs();
  void giveExtents();
  llvm::SetVector<mlir::StringAttr> usedRanks();
  bool isFreed(RankAttr declared);
  mlir::LogicalResult settleRanks();
  bool isOnInput(mlir::StringAttr rank);
  bool isKnown(mlir::StringAttr rank);

  CascadeOp original, source, cascade;
  mlir::StringAttr rank;
  std::vector<PortAttr> ports;
  llvm::DenseMap<mlir::Value, mlir::Value> inputs;
  llvm::DenseMap<mlir::StringAttr, mlir::Value> begins; ///< scalars by rank
};

} // namespace attn
#endif // ATTN_PASSES_DERIVE_CUTWRITER_H
