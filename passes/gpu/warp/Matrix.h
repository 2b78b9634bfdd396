//===- Matrix.h - matrix instructions of a warp -----------------*- C++ -*-===//
// What GPUs have from sm_80 on: copies that threads leave behind, 8 x 8
// matrices out of shared memory, products of 16 x 16 and 16 x 8. Addresses in
// shared memory are i32.
//===----------------------------------------------------------------------===//
#ifndef ATTN_PASSES_GPU_WARP_MATRIX_H
#define ATTN_PASSES_GPU_WARP_MATRIX_H

#include "passes/cpu/Builder.h"

namespace attn::gpu {

/// 16 bytes from `source` (!llvm.ptr), or zeros where `present` (i1) is false,
/// as a part of the thread's open group of copies.
void copyRow(cpu::CodeBuilder &b, mlir::Value address, mlir::Value source,
             mlir::Value present);
/// Ends the group.
void commitCopies(cpu::CodeBuilder &b);
/// Until at most `pending` groups of the thread are under way.
void waitCopies(cpu::CodeBuilder &b, int pending);

/// Four matrices of 16-bit elements (i32 each), rows of 16 bytes at `address` +
/// `offset`; thread 8 i + j has row j of matrix i.
llvm::SmallVector<mlir::Value> loadMatrices(cpu::CodeBuilder &b,
                                            mlir::Value address, int64_t offset,
                                            bool transposed);

/// sum[16 x 8] + A[16 x 16] B[16 x 8], `element` bf16 or f16.
llvm::SmallVector<mlir::Value> multiplyAdd(cpu::CodeBuilder &b,
                                           mlir::Type element,
                                           llvm::ArrayRef<mlir::Value> a,
                                           llvm::ArrayRef<mlir::Value> bm,
                                           llvm::ArrayRef<mlir::Value> sum);

} // namespace attn::gpu
#endif // ATTN_PASSES_GPU_WARP_MATRIX_H
