//===- TileCopy.h - tile loads and stores -----------------------*- C++ -*-===//
// Indices that are linear in the tile's coordinates, each in one of them, make
// a box of the tile lie in the tensor: it is copied row by row, in vectors
// where the tensor's memory runs along the tile's rows, or block by block
// through a transposition where it runs along another rank. Where any other
// indices place rows whose memory runs along the tile's (pages, selections,
// distances), rows are copied, or left where they are and followed by their
// addresses. Any other index is computed element by element.
//===----------------------------------------------------------------------===//
#ifndef ATTN_PASSES_CPU_TILE_TILECOPY_H
#define ATTN_PASSES_CPU_TILE_TILECOPY_H

#include "passes/cpu/tile/Index.h"
#include "passes/cpu/tile/Lowering.h"

namespace attn::cpu {

class TileCopy {
  using Type = mlir::Type;
  using Value = mlir::Value;
  using Values = TileLowering::Values;

public:
  TileCopy(TileLowering &t, const Storage &s, Tile tile, mlir::Region &indices,
           bool isLoad)
      : t(t), b(t.b), s(s), tile(std::move(tile)), indices(indices),
        isLoad(isLoad), tensor(s.strides.size()) {
    analyse();
  }

  /// A load whose tile has the tensor's codes, if it lies as the tensor does.
  void keepCodes();
  void emitLoad(Value result, bool viewable);
  void emitStore();

private:
  void analyse();
  bool lineUp() const {
    return isBox ? inner && *inner + 1 == axes() : isByRows(indices);
  }
  /// The region's indices at a point of the tile, i64; `present` that they are.
  Values indicesAt(mlir::ValueRange coordinates, Value &present);
  void locate();
  void emitBox(llvm::ArrayRef<Value> low, llvm::ArrayRef<Value> high);
  void emitRows(llvm::ArrayRef<Value> low, llvm::ArrayRef<Value> high);
  void emitTransposed(llvm::ArrayRef<Value> low, llvm::ArrayRef<Value> high);
  void emitPoints(llvm::ArrayRef<Value> low, llvm::ArrayRef<Value> high);
  void transferPoint(Value inTile, llvm::ArrayRef<Value> index);
  void emitGather();
  Value isInside(llvm::ArrayRef<Value> indices);
  void emitRowCopies();
  void emitAddresses(Value stay);
  void loadByRows(tile::LoadOp load);
  /// One element, or a vector of them along the last axis of both.
  void transfer(Value tileOffset, Value tensorOffset, bool vector);
  Value tensorOffset(llvm::ArrayRef<Value> at);
  Value tileOffset(llvm::ArrayRef<Value> at) {
    return TileLowering::offset(b, at, tile.strides);
  }
  Value equal(Value x, int64_t y) {
    return b.createOrFold<mlir::arith::CmpIOp>(mlir::arith::CmpIPredicate::eq,
                                               x, b.i64(y));
  }

  Value rawLoad(Value offset, bool vector);
  void rawStore(Value raw, Value offset);
  Value zeroInTile();
  Value fromTile(Value raw);
  Value toTile(Value value);
  void storeCode(Value value, Value present, Value offset);
  size_t axes() const { return tile.sizes.size(); }
  Type computeType() const { return tile.type.getElementType(); }

  TileLowering &t;
  CodeBuilder &b;
  const Storage &s;
  Tile tile;
  mlir::Region &indices;
  bool isLoad;
  size_t tensor; // ranks of the tensor

  bool isBox = true;           // else: element by element
  std::optional<size_t> inner; // the tile's axis along the tensor's last rank
  llvm::SmallVector<llvm::SmallVector<int64_t>> factors; // by index, by axis

  // Where the tile lies, after locate().
  Value origin; // offset of the tile's first point in the tensor
  Values steps; // elements between neighbours, by axis
  Values low, high;
  Value inside; // i1: no point is outside
};

} // namespace attn::cpu
#endif // ATTN_PASSES_CPU_TILE_TILECOPY_H
