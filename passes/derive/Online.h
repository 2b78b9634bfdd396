//===- Online.h - one pass over a stream ------------------------*- C++ -*-===//
#ifndef ATTN_PASSES_DERIVE_ONLINE_H
#define ATTN_PASSES_DERIVE_ONLINE_H

#include "passes/derive/Streams.h"

namespace attn {

/// Points of the streamed rank that are one step.
constexpr int64_t kStreamTile = 64;

/// Rewrites one stream as a kernel: the streamed rank n becomes (n1, n0), n1
/// iterative, and every reduction a recurrence over n1 that repairs what it has
/// accumulated when a late statistic moves.
void deriveOnline(CascadeOp cascade, const Stream &stream);

} // namespace attn
#endif // ATTN_PASSES_DERIVE_ONLINE_H
