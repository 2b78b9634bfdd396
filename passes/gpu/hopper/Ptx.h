//===- Ptx.h - instructions that LLVM has no operation for ------*- C++ -*-===//
// Matrix products of a warpgroup, the copy engine, barriers in shared memory.
// Addresses in shared memory are i32.
//===----------------------------------------------------------------------===//
#ifndef ATTN_PASSES_GPU_HOPPER_PTX_H
#define ATTN_PASSES_GPU_HOPPER_PTX_H

#include "passes/gpu/Intrinsics.h"
#include "passes/gpu/Loops.h"

namespace attn::gpu {

/// One asm block; `results` may be empty.
Values inlineAsm(cpu::CodeBuilder &b, llvm::StringRef text,
                 llvm::StringRef constraints, mlir::TypeRange results,
                 mlir::ValueRange operands, bool sideEffects = true);

// Barriers with a phase.
void barrierInit(cpu::CodeBuilder &b, mlir::Value address, int count);
/// What was initialised is seen by the copy engine.
void barrierInitFence(cpu::CodeBuilder &b);
void barrierExpect(cpu::CodeBuilder &b, mlir::Value address, mlir::Value bytes);
/// By the threads where `condition` (i1) holds.
void barrierArrive(cpu::CodeBuilder &b, mlir::Value address,
                   mlir::Value condition);
/// Until the phase of that parity (i32) is over.
void barrierWait(cpu::CodeBuilder &b, mlir::Value address, mlir::Value parity);

/// A box at `coordinates` (i32, from the last axis) into shared memory.
void copyBox(cpu::CodeBuilder &b, mlir::Value address, mlir::Value map,
             mlir::ValueRange coordinates, mlir::Value barrier);

/// A box out of shared memory, as a part of the thread's open group of stores.
void storeBox(cpu::CodeBuilder &b, mlir::Value address, mlir::Value map,
              mlir::ValueRange coordinates);
/// Ends the group of stores.
void commitStores(cpu::CodeBuilder &b);
/// Until the thread's stores have read their memory; or are done.
void waitStores(cpu::CodeBuilder &b, bool done = false);
/// What the thread wrote to shared memory is seen by the copy engine and wgmma
/// (once a barrier is behind it).
void sharedFence(cpu::CodeBuilder &b);
void prefetchMap(cpu::CodeBuilder &b, mlir::Value map);

// Words (i32) of shared memory.
void storeWord(cpu::CodeBuilder &b, mlir::Value address, mlir::Value word);
/// Where `condition` (i1) holds; no branch.
void storeWordIf(cpu::CodeBuilder &b, mlir::Value condition,
                 mlir::Value address, mlir::Value word);
mlir::Value loadWord(cpu::CodeBuilder &b, mlir::Value address);
/// Four 8 x 8 matrices of 16-bit elements, as accumulators lie in pairs; a
/// thread has the address of a row.
void storeMatrices(cpu::CodeBuilder &b, mlir::Value address,
                   mlir::ValueRange pairs);

void setRegisters(cpu::CodeBuilder &b, int count, bool more);

/// A matrix in shared memory as wgmma reads it: panels of 64 columns, rows of
/// 128 bytes, swizzled. `transposed`: the reduced rank is that of the rows.
struct SharedMatrix {
  mlir::Value address;
  int64_t rows;
  bool transposed;
};

/// Starts D[64 x columns] (+)= A B over `depth`, for one warpgroup, as a group.
/// `a`: the first 64 rows of interest are those from `aRow` (a multiple of 8);
/// or, if `fragments` is not empty, A's values packed in pairs (i32). Without
/// `sum` the product starts from 0. The result is not to be touched but by
/// `waitProducts`.
///
/// `some` tells how much of the depth there is: both of the low bits of
/// `halves` (i32) are set, or one: half of it, of the fragments the first ones;
/// or none.
struct SomeDepth {
  mlir::Value halves;
  mlir::Value zeros; // i32, where 128 bytes of them are
};
Values startProduct(cpu::CodeBuilder &b, mlir::Type element, int64_t columns,
                    int64_t depth, const SharedMatrix *a, mlir::Value aRow,
                    llvm::ArrayRef<mlir::Value> fragments,
                    const SharedMatrix &bm, llvm::ArrayRef<mlir::Value> sum,
                    std::optional<SomeDepth> some = {});
/// Until at most `pending` groups run; `values` (f32) of ended ones, for use.
Values waitProducts(cpu::CodeBuilder &b, int pending,
                    llvm::ArrayRef<mlir::Value> values);

/// Nothing behind this runs before the values (f32) are there: ptxas moves
/// waits up to where nothing of their own holds them.
void keepBehind(cpu::CodeBuilder &b, llvm::ArrayRef<mlir::Value> values);

/// Two f32 rounded to bf16 or f16, `low` in the low half of an i32.
mlir::Value packPair(cpu::CodeBuilder &b, mlir::Type element, mlir::Value low,
                     mlir::Value high);

} // namespace attn::gpu
#endif // ATTN_PASSES_GPU_HOPPER_PTX_H
