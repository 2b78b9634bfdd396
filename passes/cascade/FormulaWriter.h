//===- FormulaWriter.h - presence formulas as scalars -----------*- C++ -*-===//
#ifndef ATTN_PASSES_CASCADE_FORMULAWRITER_H
#define ATTN_PASSES_CASCADE_FORMULAWRITER_H

#include "dialect/Presence.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/IRMapping.h"

namespace attn {

/// The value of `op`, folded, or that of an equal operation before it.
mlir::Value unique(mlir::Operation *op, mlir::OpBuilder &b);

/// Writes formulas of one definition at a place. Null stands for true.
class FormulaWriter {
public:
  using Formula = PresenceFormulas::Formula;
  /// The formula of a node at coordinates; those of erased ranks are null.
  using CallFn = llvm::function_ref<mlir::Value(
      const PresenceNode *node, llvm::ArrayRef<mlir::Value> at)>;

  FormulaWriter(mlir::OpBuilder &b, mlir::Location loc, CallFn call)
      : b(b), loc(loc), call(call) {}

  mlir::Value write(Formula formula);

  /// Where values of the definition's region stand, and its coordinates by
  /// position.
  mlir::IRMapping values;
  llvm::SmallVector<mlir::Value> positions;

private:
  mlir::Value join(Formula formula);
  mlir::Value isDefined(Formula formula);
  mlir::Value isInExtent(Formula formula);
  mlir::Value equals(Formula formula);
  mlir::Value callOf(Formula formula);

  mlir::Value copy(mlir::Value value);
  mlir::Value term(const PresenceTerm &term);
  mlir::Value zeroOf(mlir::Value value);
  mlir::Value extentOf(mlir::StringAttr rank);
  mlir::Value converted(mlir::Value value, mlir::Type type);
  mlir::Value index(ExtentAttr extent);
  mlir::Value index(mlir::AffineExpr expr, ExtentAttr extent);
  mlir::Value map(Fn fn, mlir::ValueRange operands);

  mlir::OpBuilder &b;
  mlir::Location loc;
  CallFn call;
};

} // namespace attn
#endif // ATTN_PASSES_CASCADE_FORMULAWRITER_H
