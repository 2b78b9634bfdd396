//===- Intrinsics.h - intrinsics and memory of blocks -----------*- C++ -*-===//
#ifndef ATTN_PASSES_GPU_INTRINSICS_H
#define ATTN_PASSES_GPU_INTRINSICS_H

#include "passes/cpu/Team.h"

namespace attn::gpu {

using cpu::intrinsic;

/// Where the kernel's dynamic shared memory begins (i32).
constexpr unsigned sharedSpace = 3;
mlir::Value sharedMemory(cpu::CodeBuilder &b);

} // namespace attn::gpu
#endif // ATTN_PASSES_GPU_INTRINSICS_H
