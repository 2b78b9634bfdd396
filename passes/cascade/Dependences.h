//===- Dependences.h - which definitions need which -------------*- C++ -*-===//
// The graph of definitions of a cascade and its strongly connected components:
// a component with a cycle is a recurrence.
//===----------------------------------------------------------------------===//
#ifndef ATTN_PASSES_CASCADE_DEPENDENCES_H
#define ATTN_PASSES_CASCADE_DEPENDENCES_H

#include "dialect/Attn.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/SmallVector.h"

namespace attn {

class Dependences {
public:
  explicit Dependences(CascadeOp cascade);

  /// Components that hold a cycle, each in the order of the body.
  llvm::ArrayRef<llvm::SmallVector<mlir::Operation *>> getCycles() const {
    return cycles;
  }
  /// Number of the cycle that a definition is in, or -1.
  int cycleOf(mlir::Operation *definition) const;
  int cycleOf(mlir::Value tensor) const;
  /// Does the read's tensor depend on the definition that reads it?
  bool isInOwnCycle(ReadOp read) const;

private:
  llvm::SmallVector<llvm::SmallVector<mlir::Operation *>> cycles;
  llvm::DenseMap<mlir::Operation *, int> number;
};

/// Marks the definitions of every recurrence with `attn.scc` and
/// `attn.iterate` (see AttnCheckRecurrences), as far as an order is found.
/// `diagnose`: reports what is wrong, and fails.
llvm::LogicalResult markRecurrences(CascadeOp cascade, bool diagnose);

/// The einsum, equations or order that an operation inside it belongs to.
mlir::Operation *definitionOf(mlir::Operation *op);

/// Tensors that a definition reads, with the reads or operands that do.
void forEachUseOfTensor(mlir::Operation *definition,
                        llvm::function_ref<void(mlir::OpOperand &)> callback);

} // namespace attn
#endif // ATTN_PASSES_CASCADE_DEPENDENCES_H
