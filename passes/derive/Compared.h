//===- Compared.h - results that must be computed once ----------*- C++ -*-===//
// What is computed again may differ in its last bits: sums run in different
// orders, products are rounded or not. That is no error of arithmetic
// that ends in small differences, but
//
//   count[s](0 where S[s] >= S)
//
// asks of point s = n whether one number is at least itself. Where values of
// one result are compared with each other, there is one of each.
//===----------------------------------------------------------------------===//
#ifndef ATTN_PASSES_DERIVE_COMPARED_H
#define ATTN_PASSES_DERIVE_COMPARED_H

#include "dialect/Attn.h"
#include "llvm/ADT/DenseSet.h"

namespace attn {

/// Real reductions and computed maps whose values at two different points some comparison may
/// meet. (A comparison with an extremum of them is of results that streams
/// compute alike, and not counted.)
llvm::DenseSet<mlir::Operation *> comparedWithThemselves(CascadeOp cascade);

} // namespace attn
#endif // ATTN_PASSES_DERIVE_COMPARED_H
