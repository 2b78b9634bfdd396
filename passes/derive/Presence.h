//===- Presence.h - where the points of a reduction are ---------*- C++ -*-===//
#ifndef ATTN_PASSES_DERIVE_PRESENCE_H
#define ATTN_PASSES_DERIVE_PRESENCE_H

#include "passes/Expr.h"

namespace attn {

/// True where a value is present.
mlir::Value isPresent(ExprBuilder &e, mlir::Value x);

/// Presence of the values in a region, as bools at other coordinates. Whoever
/// clones the region says how.
class Presence {
public:
  virtual ~Presence() = default;

  /// A bool that is present exactly where `value` is; null: everywhere.
  mlir::Value presence(ExprBuilder &e, EinsumOp op, mlir::Value value,
                       Coordinates &at);
  /// The same, but absent where `value` is 0 for want of an operand, too: what
  /// a row of such points is scaled by may be anything, 0 / 0 among it.
  mlir::Value contributes(ExprBuilder &e, EinsumOp op, mlir::Value value,
                          Coordinates &at);
  /// There may be points that are present and do not contribute.
  bool mayBeCleared(EinsumOp op, mlir::Value value);

protected:
  /// A clone of `value` at the coordinates.
  virtual mlir::Value rebuild(ExprBuilder &e, EinsumOp op, mlir::Value value,
                              Coordinates &at) = 0;
  /// What is read is there, whatever the coordinates are.
  virtual bool isAlwaysThere(ReadOp read) = 0;
  /// The map that is read; null: none that is known to be read at its own
  /// point.
  virtual EinsumOp mapOf(ReadOp read, EinsumOp op) = 0;
  /// The map that is read is a tensor of its own, whose presence is read.
  virtual bool isWritten(ReadOp) { return false; }

private:
  /// Where presence is written; a shared operand is asked for once.
  struct Site {
    ExprBuilder &e;
    Coordinates &at;
    llvm::DenseMap<mlir::Value, mlir::Value> present{}, contributing{};
    llvm::DenseMap<mlir::Value, bool> cleared{};
  };
  mlir::Value presence(Site &site, EinsumOp op, mlir::Value value);
  mlir::Value contributes(Site &site, EinsumOp op, mlir::Value value);
  mlir::Value computePresence(Site &site, EinsumOp op, mlir::Value value);
  mlir::Value computeContributes(Site &site, EinsumOp op, mlir::Value value);
  bool mayBeCleared(EinsumOp op, mlir::Value value,
                    llvm::DenseMap<mlir::Value, bool> &known);
};

} // namespace attn
#endif // ATTN_PASSES_DERIVE_PRESENCE_H
