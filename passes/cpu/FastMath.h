//===- FastMath.h - f32 functions without calls -----------------*- C++ -*-===//
#ifndef ATTN_PASSES_CPU_FASTMATH_H
#define ATTN_PASSES_CPU_FASTMATH_H

#include "dialect/Attn.h"
#include "passes/cpu/Builder.h"

namespace attn::cpu {

/// `fn` of an f32, or of a vector of them, by a polynomial: to about 1e-7 of
/// the value, right at infinities and NaN. Null if there is none for `fn`.
mlir::Value emitFastMath(CodeBuilder &b, Fn fn, mlir::Value x);

/// 2^x to about 1e-4 of the value, for what is then rounded to 16 bits: a
/// vector of 16 f32 on a CPU with AVX-512.
mlir::Value emitCoarseExp2(CodeBuilder &b, mlir::Value x);

} // namespace attn::cpu
#endif // ATTN_PASSES_CPU_FASTMATH_H
