//===- Panels.h - a tensor laid out for the matrix unit ---------*- C++ -*-===//
// A product's left operand is laid out anew once before the kernel, a block for
// each step of the stream, where it is not bf16 or its memory runs along the
// rank that the product keeps: tiles of 16 columns x 32 reduced points, in the
// order in which products read them. What is not finite is left out where the
// stream is reduced, and named by a flag of its block, for a product would
// spread it to lanes from which the point is absent.
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
  /// Lays out block `item`. `scratch`: 2 KiB of the worker's.
  void emitBlock(TileLowering &t, const Storage &s, Value memory, Value item,
                 Value scratch, Extent extent) const;
  /// The block that holds the point `indices` (i64) of the tensor, which is the
  /// first of one.
  Value blockOf(CodeBuilder &b, llvm::ArrayRef<Value> indices,
                Extent extent) const;
  Value address(CodeBuilder &b, Value memory, Value block) const;
  Value flagAddress(CodeBuilder &b, Value memory, Value block,
                    Extent extent) const;
  /// A block has quads for every 32 columns and every 32 reduced points, a quad
  /// for each piece the tiles of two times 16 columns.
  static constexpr int64_t pieceBytes = 2048;
  /// Of the first piece of columns 32 * block + 16 * half and reduced points
  /// 32 * k, from the start of a block.
  Value tileOffset(CodeBuilder &b, Value block, Value half, Value k) const;

private:
  /// What of the tensor a block has: `rows` of it from the element `origin` on.
  struct Source {
    const Storage &storage;
    Value origin, rows;
    Value rowStride, stride;
    Value isPlain; // the last stride is 1
  };
  Source sourceOf(CodeBuilder &b, const Storage &s, Value item,
                  Extent extent) const;
  void emitRows(TileLowering &t, const Source &from, Value block,
                Value scratch) const;
  void emitTurned(TileLowering &t, const Source &from, Value block, Value flag,
                  Value scratch) const;
  /// The tile in a block that has `column` and the reduced point `depth`.
  Value tileWith(CodeBuilder &b, Value block, Value column, Value depth) const;
  Value hasColumns(CodeBuilder &b, Value column) const;
  void fetch(TileLowering &t, const Source &from, Value row, Value column,
             Value scratch, Value to) const;

  /// Of the tensor's rows.
  int64_t width() const {
    return product.turned ? product.ownColumns : product.ownDepth;
  }
  int64_t blockBytes() const {
    return product.columns * product.depth * 2 * product.pieces;
  }
  /// Of the tensor, in a block.
  int64_t blockRows() const {
    return product.turned ? product.depth : product.columns;
  }
  mlir::Type element() const;
  llvm::ArrayRef<mlir::StringAttr> ranks() const;
  Value blocksOfRows(CodeBuilder &b, Extent extent) const;

  const MatrixProduct &product;
};

} // namespace attn::cpu
#endif // ATTN_PASSES_CPU_MATRIX_PANELS_H
