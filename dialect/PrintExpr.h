//===- PrintExpr.h - region values as the source writes them ----*- C++ -*-===//
// Text of index expressions and conditions for diagnostics: coordinates by the
// names of their ranks, tensors by theirs.
//===----------------------------------------------------------------------===//
#ifndef ATTN_DIALECT_PRINTEXPR_H
#define ATTN_DIALECT_PRINTEXPR_H

#include "dialect/Attn.h"
#include <string>

namespace attn {

/// Name of a tensor: of its port, of its result, or "?".
llvm::StringRef tensorName(mlir::Value tensor);
/// Rank of a coordinate argument of an einsum or order, or "?".
llvm::StringRef coordinateName(mlir::BlockArgument argument);
/// `n - j`, or `n-j` if `dense`; values nested too deeply print as `..`.
std::string printExpr(mlir::Value value, bool dense = false);
/// `K[b,g,n-j,d]`; an index that is the determined coordinate of its own rank
/// prints as that rank.
std::string printAccess(ReadOp read);
/// `|n|` and sums, products, quotients of extents.
std::string printExtent(ExtentAttr extent);

} // namespace attn
#endif // ATTN_DIALECT_PRINTEXPR_H
