//===- Formats.h - storage types in memory and in registers -----*- C++ -*-===//
// A format says how many bits an element takes, which raw type moves it, and
// how raw bits become a compute value (f32, f64, i32, i64, i1) and back.
// Storing rounds to nearest even; integers wrap (casts have saturated before).
//===----------------------------------------------------------------------===//
#ifndef ATTN_PASSES_CPU_FORMATS_H
#define ATTN_PASSES_CPU_FORMATS_H

#include "passes/cpu/Builder.h"

namespace attn::cpu {

/// Bits an element takes in memory (4 for i4, 8 for bool).
unsigned storedBits(mlir::Type element);
/// What a load or store moves: i8 for bool, i4, ui8 and f8; i16 for bf16, and
/// for f16 without conversion instructions; else the type itself.
mlir::Type rawType(const CpuTarget &target, mlir::Type element);

/// Raw bits as a value of `to`; floats widen from f32 to f64 where asked.
mlir::Value decode(CodeBuilder &b, mlir::Type element, mlir::Value raw,
                   mlir::Type to);
/// A value (f32, f64, i32, i64, i1) as raw bits of `element`.
mlir::Value encode(CodeBuilder &b, mlir::Type element, mlir::Value value);

/// `value` rounded to the float type `element`, in the type it had.
mlir::Value roundThrough(CodeBuilder &b, mlir::Type element, mlir::Value value);
/// A real truncated and saturated to an integer type, NaN 0; as i32 or i64.
mlir::Value saturate(CodeBuilder &b, mlir::Type element, mlir::Value value);
/// An integer wrapped to the width of `element`; i1, i32 or i64.
mlir::Value wrap(CodeBuilder &b, mlir::Type element, mlir::Value value);

/// What an absent point of an output is stored as: 0, -1, false.
mlir::Value absentFill(CodeBuilder &b, mlir::Type element);

} // namespace attn::cpu
#endif // ATTN_PASSES_CPU_FORMATS_H
