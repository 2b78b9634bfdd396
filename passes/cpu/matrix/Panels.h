//===- Panels.h - a tensor laid out for the matrix unit ---------*- C++ -*-===//
// Where the memory of a product's left operand runs along the rank that the
// product keeps, the tensor is turned once before the kernel: for each step of
// the stream, tiles of 16 columns x 32 reduced points. What is not finite is
// left out there and named by a flag of its block, for a product would spread
// it to lanes from which the point is absent.
//===----------------------------------------------------------------------===//
#ifndef ATTN_PASSES_CPU_MATRIX_PANELS_H
#define ATTN_PASSES_CPU_MATRIX_PANELS_H

#include "passes/cpu/matrix/Roles.h"
#include "passes/cpu/tile/Lowering.h"

namespace attn::cpu {

class Panels {
  using Value = mlir::Value;
  using Extent = llvm::function_ref<Value(mlir::StringAttr)>;

public:
  explicit Panels(const MatrixProduct &product) : product(product) {}

  /// Bytes of all blocks, one of zeros, and their flags.
  Value bytes(CodeBuilder &b, Extent extent) const;
  /// Work items: a block each.
  Value items(CodeBuilder &b, Extent extent) const;
  /// Lays out block `item`. `scratch`: 1 KiB of the worker's.
  void emitTurn(TileLowering &t, const Storage &s, Value memory, Value item,
                Value scratch, Extent extent) const;
  /// The block that holds the point `indices` (i64) of the tensor, which is the
  /// first of one.
  Value blockOf(CodeBuilder &b, llvm::ArrayRef<Value> indices,
                Extent extent) const;
  Value address(CodeBuilder &b, Value memory, Value block) const;
  Value flagAddress(CodeBuilder &b, Value memory, Value block,
                    Extent extent) const;

private:
  int64_t blockBytes() const { return product.columns * product.depth * 2; }
  llvm::ArrayRef<mlir::StringAttr> ranks() const;
  Value blocksOfRows(CodeBuilder &b, Extent extent) const;

  const MatrixProduct &product;
};

} // namespace attn::cpu
#endif // ATTN_PASSES_CPU_MATRIX_PANELS_H
