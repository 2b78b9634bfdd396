//===- Intrinsics.h - operations that only GPUs have ------------*- C++ -*-===//
#ifndef ATTN_PASSES_GPU_INTRINSICS_H
#define ATTN_PASSES_GPU_INTRINSICS_H

#include "passes/cpu/Builder.h"

namespace attn::gpu {

/// An LLVM intrinsic; null result type: none.
mlir::Value intrinsic(cpu::CodeBuilder &b, llvm::StringRef name,
                      mlir::Type result, mlir::ValueRange operands);
/// "tid.x", "ctaid.x", ... as i32.
mlir::Value specialRegister(cpu::CodeBuilder &b, llvm::StringRef name);
/// The value (i32) that `lane` of the warp has (null: the first), and so known
/// to be the same for the warp.
mlir::Value broadcast(cpu::CodeBuilder &b, mlir::Value value,
                      mlir::Value lane = {});
/// Where the kernel's dynamic shared memory begins (i32).
constexpr unsigned sharedSpace = 3;
mlir::Value sharedMemory(cpu::CodeBuilder &b);
/// All threads of the block.
void emitBarrier(cpu::CodeBuilder &b);

} // namespace attn::gpu
#endif // ATTN_PASSES_GPU_INTRINSICS_H
