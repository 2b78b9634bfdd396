//===- Amx.h - the matrix instructions of x86 -------------------*- C++ -*-===//
// Tiles are 16 rows of 64 bytes: 16 x 16 f32 or i32, 16 x 32 bf16, 16 x 64 i8,
// or of a right operand 16 pairs (i8: fours) of rows x 16 columns.
//===----------------------------------------------------------------------===//
#ifndef ATTN_PASSES_CPU_MATRIX_AMX_H
#define ATTN_PASSES_CPU_MATRIX_AMX_H

#include "passes/cpu/Builder.h"

namespace attn::cpu::amx {

/// Rows of a tile, and what a product of two of them reduces (bf16).
constexpr int64_t tileRows = 16, tileDepth = 32, tileBytes = 1024;

mlir::Type tileType(CodeBuilder &b);
/// A tile at `pointer`, rows `stride` bytes (i64) apart. `once`: it will not be
/// read again soon, and shall not push anything out of the cache.
mlir::Value load(CodeBuilder &b, mlir::Value pointer, mlir::Value stride,
                 bool once = false);
void store(CodeBuilder &b, mlir::Value tile, mlir::Value pointer,
           mlir::Value stride);
mlir::Value zero(CodeBuilder &b);
/// sum + x * y, of bf16; y in pairs of rows.
mlir::Value multiply(CodeBuilder &b, mlir::Value sum, mlir::Value x,
                     mlir::Value y);
/// The same of i8, signed; y in fours of rows.
mlir::Value multiplyBytes(CodeBuilder &b, mlir::Value sum, mlir::Value x,
                          mlir::Value y);

} // namespace attn::cpu::amx
#endif // ATTN_PASSES_CPU_MATRIX_AMX_H
