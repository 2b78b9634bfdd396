//===- CutState.h - what a cut cascade carries ------------------*- C++ -*-===//
// The state of a piece of the cut rank is what the online rule carries: every
// reduction over the rank, its late factors left out (HOIST), if two of them
// can be repaired to each other's statistics and merged (ONLINE, MERGE).
//===----------------------------------------------------------------------===//
#ifndef ATTN_PASSES_DERIVE_CUTSTATE_H
#define ATTN_PASSES_DERIVE_CUTSTATE_H

#include "passes/derive/Form.h"
#include "passes/derive/Presence.h"
#include "llvm/ADT/DenseSet.h"

namespace attn {

/// One tensor of the state: a component of a reduction, or whether it has had
/// any point (`flag`).
struct Component {
  EinsumOp op;
  unsigned result;
  bool flag;
  std::string name;
  Ranks space;
  mlir::Type element;
};

class CutState : public Presence {
public:
  /// `source` is `original` normalised.
  CutState(CascadeOp original, CascadeOp source);

  /// Finds the components, or says what has no state that merges.
  mlir::LogicalResult find();
  mlir::LogicalResult fail(const llvm::Twine &why);

  bool hasCut(mlir::Value tensor) const {
    return mlir::cast<NamedTensorType>(tensor.getType()).rankIndex(rank) >= 0;
  }
  bool isReduction(mlir::Operation *op) const;
  /// A reduction over the rank, or what is computed of one without the rank.
  bool isLate(mlir::Value tensor);
  /// Of what a reduction combines.
  const Form &formOf(EinsumOp op) {
    return forms.of(op.getMapYield().getOperand(0));
  }
  /// A clone of `value` without late factors.
  mlir::Value rebuild(ExprBuilder &e, EinsumOp op, mlir::Value value,
                      Coordinates &at) override;

  CascadeOp original, source;
  mlir::StringAttr rank;
  std::vector<Component> components;

private:
  mlir::LogicalResult checkMerges(EinsumOp op);
  llvm::DenseSet<mlir::StringAttr> presenceRanks(EinsumOp op,
                                                 mlir::Value value);
  EinsumOp mapOf(ReadOp read, EinsumOp op) override;
  bool isAlwaysThere(ReadOp read) override;

  FormAnalysis forms;
  llvm::DenseMap<mlir::Operation *, bool> late;
};

} // namespace attn
#endif // ATTN_PASSES_DERIVE_CUTSTATE_H
