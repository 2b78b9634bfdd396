//===- Cuda.h - calls of entries compiled for GPUs -------------*- C++ -*-===//
#ifndef ATTN_RUNTIME_CUDA_H
#define ATTN_RUNTIME_CUDA_H

#include "Checks.h"

namespace attn::rt {

/// Puts the work of a checked call into the stream of the context.
int runCuda(const Call &call, const attn_context &context,
            const attn_entry_version &version);

} // namespace attn::rt

#endif // ATTN_RUNTIME_CUDA_H
