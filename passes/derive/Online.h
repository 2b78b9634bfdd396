//===- Online.h - one pass over a stream ------------------------*- C++ -*-===//
#ifndef ATTN_PASSES_DERIVE_ONLINE_H
#define ATTN_PASSES_DERIVE_ONLINE_H

#include "passes/derive/Streams.h"

namespace attn {

/// Points of the streamed rank that are one step.
constexpr int64_t kStreamTile = 64;

} // namespace attn
#endif // ATTN_PASSES_DERIVE_ONLINE_H
