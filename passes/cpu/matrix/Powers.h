//===- Powers.h - 2^x in bf16, two vectors at a time ------------*- C++ -*-===//
// Beside a matrix unit most operations on f32 run at half their rate, and a
// polynomial for 2^x has six of them. What is rounded to bf16 anyway is made in
// words of 16 bits, two vectors at a time: x in fixed point, 8 bits for the
// exponent and 8 for the fraction f, plus what 2^f is more than 1 + f from a
// table of 64 bytes, are the result's bits and one more. The relative error is
// 2.0e-3 in the mean square and 5.9e-3 at most; that of rounding alone
// is 1.7e-3 and 3.9e-3.
//===----------------------------------------------------------------------===//
#ifndef ATTN_PASSES_CPU_MATRIX_POWERS_H
#define ATTN_PASSES_CPU_MATRIX_POWERS_H

#include "passes/cpu/Builder.h"

namespace attn::cpu {

/// Constants of emitPowerPair, kept in registers; made outside of loops.
struct PowerConstants {
  mlir::Value magicBits, order, table, upperBytes, upperHalves;
  explicit PowerConstants(CodeBuilder &b);
};

/// x of 2^x: a vector of 16 f32, and its points that are there (null: all).
struct PowerPoint {
  mlir::Value x, present;
};
/// Of two vectors of 16 lanes; what is absent is -0.
struct PowerPair {
  mlir::Value words;     // bf16, the first in the lower halves; 16 x i32
  mlir::Value even, odd; // the same as f32
};

/// 2^x of two vectors of f32; 0 below 2^-126. From 2^128 on it is a NaN or as
/// large, but 0 where x is a NaN or 2^15 and more: `seen` (16 x i32), which has
/// been through all pairs, tells these.
PowerPair emitPowerPair(CodeBuilder &b, const PowerConstants &constants,
                        const PowerPoint &even, const PowerPoint &odd,
                        mlir::Value &seen);
/// Before the first pair; `ints`: 16 x i32.
mlir::Value startOfSeen(CodeBuilder &b, mlir::Type ints);
/// `value`, or a NaN where `seen` tells of one.
mlir::Value markedBySeen(CodeBuilder &b, mlir::Value value, mlir::Value seen);

} // namespace attn::cpu
#endif // ATTN_PASSES_CPU_MATRIX_POWERS_H
