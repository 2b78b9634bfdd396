//===- Compare.h - results against what they should be ----------*- C++ -*-===//
// The oracle rule for low precision: integers and bools agree exactly, NaN and
// infinities stand in the same places, and the error of a real is at most a
// few roundings of its storage type and of the type computed in.
//===----------------------------------------------------------------------===//
#ifndef ATTN_COMPILER_COMPARE_H
#define ATTN_COMPILER_COMPARE_H

#include "dialect/interpreter/Array.h"

namespace attn {

/// Allowed is `relative` * |want| + `scaled` * the largest finite |want|.
struct Tolerance {
  double relative, scaled;
};

/// Of exact evaluation in f64 against f64.
Tolerance exactTolerance();
/// Of compiled code: what is stored is `output`, the inputs are of `inputs`
/// (products may be rounded to the narrowest of them).
Tolerance oracleTolerance(mlir::Type output, llvm::ArrayRef<mlir::Type> inputs);

struct Comparison {
  double worst = 0;    ///< largest |got - want| over finite points
  std::string problem; ///< empty: `got` passes
};
Comparison compare(const Array &got, const Array &want, Tolerance tolerance);

} // namespace attn
#endif // ATTN_COMPILER_COMPARE_H
