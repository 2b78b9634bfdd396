//===- Lowering.h - the code of one tile kernel -----------------*- C++ -*-===//
// Shared by the emitters of loads, stores, einsums and streams: where each tile
// is, which scalars are known, and loops over tiles.
//===----------------------------------------------------------------------===//
#ifndef ATTN_PASSES_CPU_TILE_LOWERING_H
#define ATTN_PASSES_CPU_TILE_LOWERING_H

#include "passes/cpu/tile/Buffers.h"
#include "passes/cpu/tile/TileRegion.h"

namespace attn::cpu {

class TileLowering {
  using Value = mlir::Value;

public:
  using Values = llvm::SmallVector<Value>;

  TileLowering(CodeBuilder &b, TileSurroundings &outside, tile::KernelOp kernel,
               TileBuffers &buffers, Value scratch);

  /// One grid point; `coordinates` are i64.
  void bindPoint(mlir::ValueRange coordinates);
  void emitPoint(mlir::ValueRange coordinates);
  void emit(mlir::Operation &op);

  /// Not null: part `number` of `count` of the steps of the kernel's streams.
  struct Part {
    Value number, count;
  };
  const Part *part = nullptr;
  CodeBuilder &b;
  TileSurroundings &outside;
  tile::KernelOp kernel;
  /// Scalars of the kernel's and the streams' bodies.
  TileRegion scalars;
  /// Inside a stream: i1, this step is in its full part. Else null.
  Value full;
  /// Its loop; null outside.
  mlir::Operation *streamLoop = nullptr;

  const Tile &tile(Value value) const { return tiles.find(value)->second; }
  void setTile(Value value, Tile tile) { tiles[value] = std::move(tile); }
  /// The buffer of `value`, as planned.
  Tile buffer(Value value) const { return buffers.tile(b, value, scratch); }

  int64_t lanes() const { return b.target.vectorFloats; }
  mlir::VectorType vectorOf(mlir::Type element) const {
    return mlir::VectorType::get({lanes()}, element);
  }
  /// 0, 1, 2... in the lanes.
  Value iota(mlir::Type element);

  /// scf.for with a step; the body gets the counter and the carried values.
  using Body = llvm::function_ref<Values(Value, mlir::ValueRange)>;
  Values loop(Value low, Value high, int64_t step, mlir::ValueRange carried,
              Body body);
  void loop(Value low, Value high, int64_t step,
            llvm::function_ref<void(Value)> body);
  /// One that vectors need not be made of, as it is short or rare.
  Values scalarLoop(Value low, Value high, mlir::ValueRange carried, Body body);
  /// Loops over the first `axes` sizes; the body gets the coordinates.
  void nest(llvm::ArrayRef<Value> low, llvm::ArrayRef<Value> high,
            llvm::function_ref<void(llvm::ArrayRef<Value>)> body);

  // Memory of tiles: vectors are aligned like their elements.
  static Value offset(CodeBuilder &b, llvm::ArrayRef<Value> at,
                      llvm::ArrayRef<Value> strides);
  Value load(mlir::Type type, Value base, Value offset);
  void store(Value value, Value base, Value offset);

  /// Fills `tile` (sizes rounded up to whole vectors) with a scalar; for masked
  /// tiles, all elements become absent or present.
  void fill(const Tile &tile, Value scalar, bool present);
  /// Gives mask bytes to a tile that is known to be whole.
  void settleMask(Tile &tile);
  void copyTile(const Tile &from, const Tile &to);

  void emitBlock(mlir::Block &block);

  // What the next step of a stream reads is asked for, see Asking.cpp.
  bool isAskedFor(const Tile &tile) const;
  /// Asks for `each` rows in a loop's turn, of `turns`.
  void ask(Value turn, int64_t turns, int64_t each);
  /// Rows that no loop asks for yet.
  int64_t unasked() const { return asking.rows - asking.asked; }
  /// The loops that `emit` makes ask for a row in every turn.
  void askMeanwhile(llvm::function_ref<void()> emit);

  /// Memory of the function that code goes to, in whole lines.
  Value takeMemory(mlir::Type element, int64_t count);
  /// What `stream` yields becomes its states.
  void moveStates(tile::StreamOp stream);
  /// The states of a stream are where they start.
  void startStates(tile::StreamOp stream);
  /// Results of a stream that has ended.
  void finishStates(tile::StreamOp stream);
  /// A loop bound as i64; an absent one is 0.
  Value integer(Value scalar);
  /// A bool as i1; an absent one is false.
  Value holds(Value scalar);

  /// Buffers of this kernel in other memory; returns the memory before.
  Value useScratch(Value other) { return std::exchange(scratch, other); }

private:
  void emitStream(tile::StreamOp stream);
  void emitStep(mlir::Block &body);
  void askForRow(Value row);
  void fillBytes(const Tile &tile, Value base, Value scalar);

  TileBuffers &buffers;
  Value scratch;
  llvm::DenseMap<Value, Tile> tiles;

  struct Asking {
    llvm::SmallVector<Tile, 0> tiles;
    int64_t rows = 0, asked = 0; // of each
  } asking;
  bool asksMeanwhile = false; // the next loop
  int64_t askedMeanwhile = 0;
};

/// `mayView`: the tensor's own memory may serve as the tile's.
void emitTileLoad(TileLowering &lowering, tile::LoadOp op, bool mayView = true);
void emitTileStore(TileLowering &lowering, tile::StoreOp op);
void emitTileEinsum(TileLowering &lowering, tile::EinsumOp op);

/// As many vectors as each has lanes: lane j of row i becomes lane i of row j,
/// in log2 steps of two-row shuffles.
void transpose(CodeBuilder &b, llvm::MutableArrayRef<mlir::Value> rows);

/// f64 if a tile among `values` is, else f32.
mlir::Type realOf(mlir::MLIRContext *ctx, mlir::TypeRange types);

} // namespace attn::cpu
#endif // ATTN_PASSES_CPU_TILE_LOWERING_H
