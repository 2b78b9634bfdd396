//===- TileEinsums.h - einsums of a kernel on tiles -------------*- C++ -*-===//
// Definitions of the kernel, on demand: what remains of an einsum's ranks is
// its tile, what it reads comes before it.
//===----------------------------------------------------------------------===//
#ifndef ATTN_PASSES_SCHEDULE_TILEEINSUMS_H
#define ATTN_PASSES_SCHEDULE_TILEEINSUMS_H

#include "passes/schedule/StreamSteps.h"
#include "passes/schedule/TileLoads.h"

namespace attn {

class TileEinsums {
public:
  TileEinsums(TileProgram &program, StreamSteps &steps);

  /// The tile of a tensor that the kernel defines.
  mlir::Value tileOf(mlir::Value tensor, Phase phase);

private:
  mlir::Value nextOf(EquationsOp state);
  /// `root`, a value of op's map, over op's space, reduced over `reduced` from
  /// `init` on, which may be null.
  mlir::Value emit(EinsumOp op, mlir::Value root, RankRef reduced,
                   mlir::Value init, Phase phase);
  mlir::Value operand(ReadOp read, EinsumOp reader, Phase phase);

  TileProgram &p;
  StreamSteps &steps;
  TileLoads loads;
  llvm::DenseMap<mlir::Value, unsigned> stateIndex;
  llvm::DenseMap<std::pair<mlir::Value, int>, mlir::Value> tiles; // by phase
};

} // namespace attn
#endif // ATTN_PASSES_SCHEDULE_TILEEINSUMS_H
