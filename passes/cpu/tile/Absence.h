//===- Absence.h - what an absent point's value implies ---------*- C++ -*-===//
// Presence costs a comparison and a selection a point. It is told by the value
// -inf where it can be, and not looked at where an absent point would add
// nothing anyway. The questions are asked of emitted code.
//===----------------------------------------------------------------------===//
#ifndef ATTN_PASSES_CPU_TILE_ABSENCE_H
#define ATTN_PASSES_CPU_TILE_ABSENCE_H

#include "passes/cpu/Storage.h"

namespace attn::cpu {

bool isMinusInfinity(mlir::Value value);
/// x, if `present` is x != -inf.
mlir::Value aboveMinusInfinity(mlir::Value present);
/// x where x != -inf and q both hold, told by its value alone: -inf where q
/// fails. (An absent point may have any value.)
Scalar tellByValue(CodeBuilder &b, Scalar scalar);
/// v, if `value` is v times a positive constant.
std::pair<mlir::Value, double> positiveMultiple(mlir::Value value);
/// Is 2^exponent 0 where `present` is false? `isAbove`: the value is never -inf
/// where the point is one of a row that has any.
bool fallsWhenAbsent(mlir::Value exponent, mlir::Value present,
                     llvm::function_ref<bool(mlir::Value)> isAbove);
/// `flag` without what is always true (`c and q or (not c) and q` is q, `q or
/// q` too); null: true.
mlir::Value simplifiedFlag(mlir::Value flag);

/// Tests of x c against -inf are made of x in all of `code`, 0 < c <= 1: nobody
/// may need the products otherwise.
void testUnscaled(mlir::Operation *code);

} // namespace attn::cpu
#endif // ATTN_PASSES_CPU_TILE_ABSENCE_H
