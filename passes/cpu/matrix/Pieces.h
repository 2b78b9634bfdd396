//===- Pieces.h - elements as sums of bf16 ----------------------*- C++ -*-===//
// A matrix unit multiplies bf16 and adds in f32. An element of a longer type is
// the exact sum of its pieces, each with 8 bits of the significand, and a
// product of two elements the sum of the products of their pieces. Those that
// are left out are 2^-24 of the product in the mean and 2^-21 at most (f32), in
// sums of d terms less than what rounding them one by one does. The unit takes
// denormals as 0: of an element below 2^-110 the last bits are lost.
//===----------------------------------------------------------------------===//
#ifndef ATTN_PASSES_CPU_MATRIX_PIECES_H
#define ATTN_PASSES_CPU_MATRIX_PIECES_H

#include "passes/cpu/Builder.h"

namespace attn::cpu {

/// How many bf16 an element is the sum of; 0 where it is no such sum.
int64_t piecesOf(mlir::Type element);

/// A product of two pieces, counted from the largest one.
struct Term {
  int64_t left, right;
};
/// The products that make one of elements with `pieces` each; those that share
/// a right piece are neighbours.
llvm::SmallVector<Term> termsOf(int64_t pieces);

/// Pieces as i32, in the upper halves, the lower ones 0. All have the sign of
/// `x`, and none is 0 where `x` is not: a product with what is infinite is
/// infinite by every piece. `x`: f32, in lanes or not.
llvm::SmallVector<mlir::Value> alikePieces(CodeBuilder &b, mlir::Value x,
                                           int64_t pieces);
/// The same by fewer operations, the first piece rounded to nearest: smaller
/// ones have any sign, and are 0 where `x` is not finite.
llvm::SmallVector<mlir::Value> roundedPieces(CodeBuilder &b, mlir::Value x,
                                             int64_t pieces);
/// Two vectors of pieces in one of pairs, the first in the lower halves.
mlir::Value pairOf(CodeBuilder &b, mlir::Value even, mlir::Value odd);
/// roundedPieces of two vectors of f32, in pairs; a single one is rounded to
/// nearest, ties away from 0.
llvm::SmallVector<mlir::Value> packPair(CodeBuilder &b, mlir::Value even,
                                        mlir::Value odd, int64_t pieces);

} // namespace attn::cpu
#endif // ATTN_PASSES_CPU_MATRIX_PIECES_H
