//===- Online.h - one pass over a stream ------------------------*- C++ -*-===//
#ifndef ATTN_PASSES_DERIVE_ONLINE_H
#define ATTN_PASSES_DERIVE_ONLINE_H

#include "passes/derive/Streams.h"

namespace attn {

/// Points of the streamed rank that are one step: an attribute of the cascade
/// while it is derived, else the default.
constexpr llvm::StringLiteral kStreamTileName = "attn.stream_tile";
constexpr int64_t kStreamTile = 64;

} // namespace attn
#endif // ATTN_PASSES_DERIVE_ONLINE_H
