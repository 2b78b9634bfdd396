//===- TileMap.h - the map of a tile einsum ---------------------*- C++ -*-===//
// A scalar expression of the kernel as it is evaluated on tiles: without the
// conditions that hold anyway, with the guards of the contractions that it
// reads.
//===----------------------------------------------------------------------===//
#ifndef ATTN_PASSES_SCHEDULE_TILEMAP_H
#define ATTN_PASSES_SCHEDULE_TILEMAP_H

#include "passes/schedule/StreamSteps.h"
#include "passes/schedule/TileProgram.h"

namespace attn {

class TileMap {
public:
  /// `root` is a value of op's map.
  TileMap(TileProgram &program, StreamSteps &steps, EinsumOp op,
          mlir::Value root);

  /// All that the map reads.
  llvm::SmallVector<ReadOp> reads();
  /// The map's value at the coordinates `at`; `point` is what a read gives.
  mlir::Value write(ExprBuilder &e, const Coordinates &at,
                    llvm::function_ref<mlir::Value(ReadOp)> point);

private:
  mlir::Value dropImplied(mlir::Value value);
  llvm::SmallVector<ReadOp> readsOf(mlir::Value value);
  EinsumOp guardedSource(ReadOp read);
  /// A map's own guard; a contraction's is evaluated by its readers.
  bool hasGuard() { return !op.isReduction() && isGuarded(op); }

  TileProgram &p;
  StreamSteps &steps;
  EinsumOp op;
  mlir::Value root;
};

} // namespace attn
#endif // ATTN_PASSES_SCHEDULE_TILEMAP_H
