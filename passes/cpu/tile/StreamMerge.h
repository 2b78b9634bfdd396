//===- StreamMerge.h - two states of a stream become one --------*- C++ -*-===//
// A stream carries reductions over its points. A step brings what a state has
// had in terms of the other new states (the repair), and adds its own points:
//   a' = repair_a(old states, new states) op points
// so the states s and t of two parts of the points are, together,
//   repair_a(s, new states) op repair_a(t, new states).
// The statistics come first; they need no repair.
//===----------------------------------------------------------------------===//
#ifndef ATTN_PASSES_CPU_TILE_STREAMMERGE_H
#define ATTN_PASSES_CPU_TILE_STREAMMERGE_H

#include "dialect/tile/Tile.h"

namespace attn {

class StreamMerge {
public:
  /// Nothing if the states of the stream are no such reductions.
  static std::optional<StreamMerge> of(tile::StreamOp stream);

  struct State {
    unsigned number; // among the stream's states
    Reduce kind;
    /// What a step starts from: the state itself, or the last one of `repair`.
    mlir::Value start;
    llvm::SmallVector<tile::EinsumOp> repair;
  };
  /// In the order in which they are merged.
  std::vector<State> states;

private:
  bool collect(mlir::Value value, State &state, bool &readsNew);

  tile::StreamOp stream;
  llvm::SmallVector<mlir::Value> merged; // new states that are known
};

} // namespace attn
#endif // ATTN_PASSES_CPU_TILE_STREAMMERGE_H
