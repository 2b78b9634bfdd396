//===- Reduce.h - reductions of values in registers -------------*- C++ -*-===//
#ifndef ATTN_PASSES_GPU_HOPPER_REDUCE_H
#define ATTN_PASSES_GPU_HOPPER_REDUCE_H

#include "passes/cpu/Scalars.h"

namespace attn::gpu {

/// One step of a built-in monoid on present values of one type.
mlir::Value combine(cpu::CodeBuilder &b, Reduce kind, mlir::Value x,
                    mlir::Value y);

/// A thread's points, combined; `element` is the type of the result.
mlir::Value reducePoints(cpu::CodeBuilder &b, Reduce kind,
                         llvm::ArrayRef<cpu::Scalar> points,
                         mlir::Type element);

/// Over the four threads that share a lane of the tile.
mlir::Value reduceAcross(cpu::CodeBuilder &b, Reduce kind, mlir::Value value);

/// Never -inf: `v == -inf ? c : v`, positive multiples of it, and the choice
/// between constants and such.
bool isAboveMinusInfinity(mlir::Value value);

/// Are the two the same pure code of the same values?
bool isSame(mlir::Value x, mlir::Value y, int depth = 8);

/// Is `value` known to be 0 wherever `present` is false? So it is if `present`
/// says x != -inf, and `value` is an exponential of something that falls to
/// -inf with x.
bool isZeroWhenAbsent(mlir::Value value, mlir::Value present);

} // namespace attn::gpu
#endif // ATTN_PASSES_GPU_HOPPER_REDUCE_H
