//===- Digits.h - numbers as digits of 8 bits -------------------*- C++ -*-===//
// For matrix units that multiply bytes: an i32 is four signed digits, and its
// product with a code the sum of four. All vectors have 64 bytes, of which 16
// are a quarter.
//===----------------------------------------------------------------------===//
#ifndef ATTN_PASSES_CPU_TILE_DIGITS_H
#define ATTN_PASSES_CPU_TILE_DIGITS_H

#include "passes/cpu/Builder.h"

namespace attn::cpu::digits {

using Values = llvm::SmallVector<mlir::Value>;

/// Of sixteen numbers, as bytes: a quarter has the lowest digits of four, then
/// their next ones, and so on. No number is above 2^30.
mlir::Value split(CodeBuilder &b, mlir::Value numbers);
/// The f32 that i32 sums of digits stand for; the lowest ones first.
mlir::Value join(CodeBuilder &b, llvm::ArrayRef<mlir::Value> sums);

/// Of each quarter, runs of `size` bytes of `x` and `y` in turns, from their
/// first halves or their last.
mlir::Value interleave(CodeBuilder &b, mlir::Value x, mlir::Value y,
                       int64_t size, bool last);
/// In each quarter, word i of vector j becomes word j of vector i, of four.
Values turnWords(CodeBuilder &b, llvm::ArrayRef<mlir::Value> x);
/// Quarter i of vector j becomes quarter j of vector i, of four.
Values turnQuarters(CodeBuilder &b, llvm::ArrayRef<mlir::Value> x);

} // namespace attn::cpu::digits
#endif // ATTN_PASSES_CPU_TILE_DIGITS_H
