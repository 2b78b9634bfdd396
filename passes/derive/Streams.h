//===- Streams.h - which reductions stream together -------------*- C++ -*-===//
// Partition of a cascade into kernels: reductions over one rank whose maps can
// be repaired as earlier reductions over it change, with all that is computed
// a point of the stream on the way.
//===----------------------------------------------------------------------===//
#ifndef ATTN_PASSES_DERIVE_STREAMS_H
#define ATTN_PASSES_DERIVE_STREAMS_H

#include "passes/derive/Form.h"

namespace attn {

struct Stream {
  mlir::StringAttr rank;
  /// Ranks that every accumulator keeps.
  Ranks rows;
  /// Reductions over `rank` in one pass, each after those that it depends on.
  llvm::SetVector<EinsumOp> reductions;
  /// Einsums with the streamed rank in their space, recomputed a tile.
  llvm::SetVector<EinsumOp> points;
  /// Maps over rows that depend on the reductions and that points read.
  llvm::SetVector<EinsumOp> late;

  bool isMember(EinsumOp op) const;
  bool isLate(mlir::Value tensor) const;
  bool isPoint(mlir::Value tensor) const;
  /// For the analysis of forms; refers to this stream.
  StreamTensors tensors() const;
};

/// The form of what a reduction of a stream combines.
Form summandForm(FormAnalysis &forms, EinsumOp op);

/// Streams of the cascade, producers before consumers. What is in none runs
/// alone.
llvm::SmallVector<Stream> findStreams(CascadeOp cascade);

} // namespace attn
#endif // ATTN_PASSES_DERIVE_STREAMS_H
