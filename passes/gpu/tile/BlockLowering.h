//===- BlockLowering.h - a tile kernel by the threads of a block -*- C++ -*-==//
#ifndef ATTN_PASSES_GPU_TILE_BLOCKLOWERING_H
#define ATTN_PASSES_GPU_TILE_BLOCKLOWERING_H

#include "passes/cpu/tile/Buffers.h"
#include "passes/cpu/tile/TileRegion.h"

namespace attn::gpu {

class BlockLowering {
  using Value = mlir::Value;
  using Values = llvm::SmallVector<Value>;

public:
  BlockLowering(cpu::CodeBuilder &b, cpu::TileSurroundings &outside,
                tile::KernelOp kernel, cpu::TileBuffers &buffers, Value memory);

  /// One grid point; `coordinates` are i64.
  void emitPoint(mlir::ValueRange coordinates);

private:
  void emitBlock(mlir::Block &block);
  void emitLoad(tile::LoadOp op);
  void emitStore(tile::StoreOp op);
  void emitEinsum(tile::EinsumOp op);
  void emitStream(tile::StreamOp op);

  /// Runs `body` for each element, its coordinates given; then a barrier.
  void elements(llvm::ArrayRef<Value> sizes,
                llvm::function_ref<void(llvm::ArrayRef<Value>)> body);
  void barrier();
  cpu::Scalar element(const cpu::Tile &tile, llvm::ArrayRef<Value> at);
  void setElement(const cpu::Tile &tile, llvm::ArrayRef<Value> at,
                  cpu::Scalar value);
  void copy(const cpu::Tile &from, const cpu::Tile &to);
  /// Indices that a load's or store's region yields, and whether all are there.
  Values indicesAt(mlir::Region &region, llvm::ArrayRef<Value> at,
                   Value &present);
  Value inside(const cpu::Storage &s, Values &indices, Value present);
  Value bound(Value scalar);
  mlir::Type realOf(mlir::TypeRange types);
  Value combine(Reduce kind, Value sum, cpu::Scalar point);

  cpu::CodeBuilder &b;
  cpu::TileSurroundings &outside;
  tile::KernelOp kernel;
  cpu::TileBuffers &buffers;
  Value memory, thread, threads;
  cpu::TileRegion scalars;
  Value full; // inside a stream: this step is in its full part
  llvm::DenseMap<Value, cpu::Tile> tiles;
};

} // namespace attn::gpu
#endif // ATTN_PASSES_GPU_TILE_BLOCKLOWERING_H
