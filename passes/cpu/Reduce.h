//===- Reduce.h - reductions as carried values ------------------*- C++ -*-===//
// A reduction is a state of a few registers, its identity, and one step that
// takes a possibly absent point: built-in or a declared monoid, alike.
//===----------------------------------------------------------------------===//
#ifndef ATTN_PASSES_CPU_REDUCE_H
#define ATTN_PASSES_CPU_REDUCE_H

#include "passes/cpu/Scalars.h"

namespace attn::cpu {

class Reduction {
  using Value = mlir::Value;

public:
  /// Of an einsum that reduces; `point` has the types that its map yields.
  Reduction(CodeBuilder &b, StorageMap &storages, EinsumOp op,
            llvm::ArrayRef<mlir::Type> point, mlir::Type real);

  llvm::SmallVector<Value> identity();
  /// The state after one more point; `coordinate` is that of the reduced rank.
  llvm::SmallVector<Value> combine(mlir::ValueRange state,
                                   llvm::ArrayRef<Scalar> point,
                                   Value coordinate);
  /// What the state means: one scalar a result.
  llvm::SmallVector<Scalar> finish(mlir::ValueRange state);

  /// The same reduction of two sets of points, as one: of kinds that `joins`.
  llvm::SmallVector<Value> join(mlir::ValueRange left, mlir::ValueRange right);
  static bool joins(EinsumOp op);

  /// A monoid's combination of two states.
  llvm::SmallVector<Value> merge(mlir::ValueRange left, mlir::ValueRange right);

private:
  llvm::SmallVector<Value> builtin(mlir::ValueRange state, const Scalar &point,
                                   Value coordinate);

  CodeBuilder &b;
  StorageMap &storages;
  EinsumOp op;
  llvm::SmallVector<mlir::Type> point;
  mlir::Type real;
  MonoidOp monoid; // null: built in
  Reduce kind = Reduce::sum;
};

} // namespace attn::cpu
#endif // ATTN_PASSES_CPU_REDUCE_H
