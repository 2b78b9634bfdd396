//===- Grid.h - grid points of a kernel on a matrix unit --------*- C++ -*-===//
// A work item is a row of some points, whose steps are one pipeline. Operands
// that many points read do not stay in the second cache when there are too many
// of them: then items have more points, and each takes a part of the stream in
// turn before any goes on to the next part.
//===----------------------------------------------------------------------===//
#ifndef ATTN_PASSES_CPU_MATRIX_GRID_H
#define ATTN_PASSES_CPU_MATRIX_GRID_H

#include "passes/cpu/matrix/Stream.h"

namespace attn::cpu {

class MatrixGrid {
  using Value = mlir::Value;
  using Values = llvm::SmallVector<Value>;
  using Extent = llvm::function_ref<Value(mlir::StringAttr)>;

public:
  MatrixGrid(tile::KernelOp kernel, const MatrixRoles &roles);

  /// Work items.
  Value items(CodeBuilder &b, Extent extent);
  /// A worker's memory.
  Value scratchBytes(CodeBuilder &b, Extent extent);
  /// Items [begin, end). `panels`: memory of the operands laid out
  /// anew, by product.
  void emit(CodeBuilder &b, TileSurroundings &outside, Value begin, Value end,
            Value scratch, llvm::ArrayRef<Value> panels);

private:
  TileBuffers buffers();
  /// Bytes that the products of a step read from tensors.
  int64_t stepBytes();
  bool areOperandsShared();
  /// Do points take parts of the stream in turn?
  Value isParted(CodeBuilder &b, Extent extent);
  /// How many points an item has.
  Value points(CodeBuilder &b, Extent extent);

  tile::KernelOp kernel;
  const MatrixRoles &roles;
};

} // namespace attn::cpu
#endif // ATTN_PASSES_CPU_MATRIX_GRID_H
