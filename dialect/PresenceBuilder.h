//===- PresenceBuilder.h - where values of a region are present -*- C++ -*-===//
#ifndef ATTN_DIALECT_PRESENCEBUILDER_H
#define ATTN_DIALECT_PRESENCEBUILDER_H

#include "dialect/Affine.h"
#include "dialect/Presence.h"

namespace attn {

/// Formulas of the values of one region, some of whose coordinates are erased:
/// an atom that involves one of them is true.
class PresenceBuilder {
public:
  using Formula = PresenceFormulas::Formula;

  explicit PresenceBuilder(PresenceAnalysis &analysis)
      : analysis(analysis), formulas(analysis.getFormulas()) {}

  void erase(mlir::Value argument) { dependent[argument] = true; }
  /// That a value is present.
  Formula present(mlir::Value value);
  /// That a bool is present and true, or present and false.
  Formula truth(mlir::Value value, bool wanted);

private:
  bool involvesErased(mlir::Value value);
  Formula computePresent(mlir::Operation *op);
  std::optional<Formula> computeTruth(mlir::Value value, bool wanted);
  Formula access(ReadOp read, std::optional<PresenceNode::Mode> mode);
  Formula domain(ReadOp read);
  Formula inExtent(ReadOp read, unsigned position);
  Formula divisor(mlir::Operation *op);
  Formula atom(mlir::Value value, bool wanted);

  PresenceAnalysis &analysis;
  PresenceFormulas &formulas;
  std::optional<IterationSpace> space;
  llvm::DenseMap<mlir::Value, bool> dependent;
  llvm::DenseMap<mlir::Value, Formula> presentOf;
  llvm::DenseMap<mlir::Value, Formula> truthOf[2];
};

} // namespace attn
#endif // ATTN_DIALECT_PRESENCEBUILDER_H
