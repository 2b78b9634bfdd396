//===- Products.h - real products in a region -------------------*- C++ -*-===//
#ifndef ATTN_PASSES_DERIVE_PRODUCTS_H
#define ATTN_PASSES_DERIVE_PRODUCTS_H

#include "dialect/Attn.h"

namespace attn {

/// A real product or quotient.
bool isProduct(mlir::Value value);

/// What a value multiplies, from left to right, whatever the conditions; with
/// what it divides by, if `divisors`.
llvm::SmallVector<mlir::Value> factorsOf(mlir::Value value,
                                         bool divisors = false);

} // namespace attn
#endif // ATTN_PASSES_DERIVE_PRODUCTS_H
