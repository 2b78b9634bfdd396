//===- Loops.h - loops of kernels -------------------------------*- C++ -*-===//
#ifndef ATTN_PASSES_GPU_LOOPS_H
#define ATTN_PASSES_GPU_LOOPS_H

#include "passes/cpu/Builder.h"

namespace attn::gpu {

using Values = llvm::SmallVector<mlir::Value>;

/// for (i32 i = low; i < high; i += step), with carried values.
Values forLoop(cpu::CodeBuilder &b, mlir::Value low, mlir::Value high,
               int64_t step, mlir::ValueRange init,
               llvm::function_ref<Values(mlir::Value, mlir::ValueRange)> body);

/// while (test(carried, found)) carried = body(carried, found), where `found`
/// is what the test learnt.
Values
whileLoop(cpu::CodeBuilder &b, mlir::ValueRange init,
          llvm::function_ref<mlir::Value(mlir::ValueRange, Values &)> test,
          llvm::function_ref<Values(mlir::ValueRange, mlir::ValueRange)> body);

} // namespace attn::gpu
#endif // ATTN_PASSES_GPU_LOOPS_H
