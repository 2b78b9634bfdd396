//===- TileLoads.h - tiles of tensors in memory -----------------*- C++ -*-===//
// A read of a tensor in memory is a load of the ranks that its indices depend
// on. Equal loads are one; what does not move with the stream is loaded once,
// before it.
//===----------------------------------------------------------------------===//
#ifndef ATTN_PASSES_SCHEDULE_TILELOADS_H
#define ATTN_PASSES_SCHEDULE_TILELOADS_H

#include "passes/schedule/TileProgram.h"
#include "llvm/ADT/StringMap.h"

namespace attn {

class TileLoads {
public:
  explicit TileLoads(TileProgram &program) : p(program) {}

  /// The tile that `read`, on the way to a point of `reader`, is a point of.
  mlir::Value load(ReadOp read, EinsumOp reader, Phase phase);

private:
  Ranks orderOf(ReadOp read, EinsumOp reader);
  bool movesWithStream(ReadOp read);
  std::string keyOf(ReadOp read, RankRef order, Phase phase);
  void writeIndices(tile::LoadOp load, ReadOp read, RankRef order, Phase phase);

  TileProgram &p;
  llvm::StringMap<mlir::Value> loads; // by key
};

} // namespace attn
#endif // ATTN_PASSES_SCHEDULE_TILELOADS_H
