//===- Buffers.h - where the tiles of a kernel live -------------*- C++ -*-===//
// One buffer a tile value, except that a value computed point by point from a
// dead one takes its place: carried accumulators are then updated in place.
//===----------------------------------------------------------------------===//
#ifndef ATTN_PASSES_CPU_TILE_BUFFERS_H
#define ATTN_PASSES_CPU_TILE_BUFFERS_H

#include "dialect/tile/Tile.h"
#include "passes/cpu/Builder.h"

namespace attn::cpu {

/// A tile in memory.
struct Tile {
  tile::TileType type;
  mlir::Type element; // in memory: f32, f64, i32, i64; i8 for bool
  /// Not null: memory has codes of this type, decoded when they are read.
  mlir::Type codes = {};
  /// Not null: how many elements further the next step of a stream reads; of a
  /// tile that has `rows`, how many entries of that table.
  mlir::Value ahead = {};
  mlir::Value base;
  /// Not null: a table of the addresses (i64) of rows, which lie anywhere; the
  /// tile has two axes.
  mlir::Value rows = {};
  llvm::SmallVector<mlir::Value> sizes, strides; // i64, in elements
  mlir::Value mask;  // a byte an element, strides as above; null: unmasked
  mlir::Value whole; // i1: every element is present, mask bytes are not valid

  bool isMasked() const { return mask != nullptr; }
  int64_t fixedSize(size_t axis) const { return type.getSizes()[axis]; }
};

class TileBuffers {
public:
  /// `mayTake`: an einsum may be computed in place of one of its operands.
  using Permission = std::function<bool(tile::EinsumOp)>;
  explicit TileBuffers(tile::KernelOp kernel, Permission mayTake = {});

  /// Emits sizes and offsets; the total in bytes.
  mlir::Value
  emitLayout(CodeBuilder &b,
             llvm::function_ref<mlir::Value(mlir::StringAttr)> extent);
  /// The tile of a value, after emitLayout. Not for the results of views.
  Tile tile(CodeBuilder &b, mlir::Value value, mlir::Value scratch) const;
  /// Bytes of its elements, whole lines, after emitLayout.
  mlir::Value bytes(CodeBuilder &b, mlir::Value value) const;
  bool shareBuffer(mlir::Value a, mlir::Value b) const {
    return bufferOf.lookup(a) == bufferOf.lookup(b);
  }
  /// Where operand `i` of the stream's yield waits while the states move,
  /// because it lies in the buffer of another state.
  std::optional<Tile> waitingRoom(CodeBuilder &b, tile::StreamOp stream,
                                  unsigned i, mlir::Value scratch) const;

private:
  struct Buffer {
    tile::TileType type;
    bool masked = false;
    bool hasRows = false;
    mlir::Value offset = {}, maskOffset = {}, rowsOffset = {}; // bytes
    llvm::SmallVector<mlir::Value> sizes = {}, strides = {};
  };

  void assign(mlir::Block &block);
  void assignStream(tile::StreamOp stream);
  Tile tile(CodeBuilder &b, tile::TileType type, unsigned buffer,
            mlir::Value scratch) const;
  void take(mlir::Value value, unsigned buffer);
  unsigned fresh(mlir::Value value);
  void layout(CodeBuilder &b, Buffer &buffer, mlir::Value &end,
              llvm::function_ref<mlir::Value(mlir::StringAttr)> extent);

  Permission mayTake;
  std::vector<Buffer> buffers;
  llvm::DenseMap<mlir::Value, unsigned> bufferOf;
  llvm::DenseMap<std::pair<mlir::Operation *, unsigned>, unsigned> waiting;
};

/// What an element of a tile takes in memory.
mlir::Type tileMemoryType(mlir::Type element);

/// A load may show the tensor itself instead of a copy.
bool mayBeView(tile::LoadOp load, mlir::Type stored);
/// Each row of the tile may be where the tensor has it: only einsums read the
/// tile, and they can follow addresses.
bool mayLieByRows(tile::LoadOp load);
/// Only einsums read it, each element about once.
bool isReadOnce(tile::LoadOp load);
/// It may keep the tensor's codes: each is decoded about once, in registers.
bool mayKeepCodes(tile::LoadOp load, mlir::Type stored);

} // namespace attn::cpu
#endif // ATTN_PASSES_CPU_TILE_BUFFERS_H
