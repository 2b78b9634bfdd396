//===- Shift.h - what a shift of a running maximum changes ------*- C++ -*-===//
// Proves that a kernel's results are the same whatever finite number a stream's
// running maximum is, by following what a shift of that state does: values
// stay, move by a multiple of the shift, or scale by its exponential.
//===----------------------------------------------------------------------===//
#ifndef ATTN_PASSES_CPU_MATRIX_SHIFT_H
#define ATTN_PASSES_CPU_MATRIX_SHIFT_H

#include "passes/cpu/matrix/Roles.h"

namespace attn::cpu {

/// Are the results of the kernel the same whatever state `state`, the maximum
/// that `maximum` carries, is?
bool isFreeOfShift(const MatrixRoles &roles, unsigned state,
                   tile::EinsumOp maximum);

} // namespace attn::cpu
#endif // ATTN_PASSES_CPU_MATRIX_SHIFT_H
