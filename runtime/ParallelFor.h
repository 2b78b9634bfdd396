//===- ParallelFor.h - work items over the pool ----------------*- C++ -*-===//
// The `parallel_for` that compiled code calls.
//===----------------------------------------------------------------------===//
#ifndef ATTN_RUNTIME_PARALLELFOR_H
#define ATTN_RUNTIME_PARALLELFOR_H

#include "attn/abi.h"

namespace attn::rt {

/// See attn_invocation::parallel_for. Reads `workers`, `scratch` and `context`
/// of the invocation only, so compiled code may pass a copy of it with more
/// behind. From inside a body it runs on the calling worker.
void parallelFor(const attn_invocation *invocation, int64_t items,
                 int64_t grain, attn_kernel_body body);

} // namespace attn::rt

#endif // ATTN_RUNTIME_PARALLELFOR_H
