//===- Oracle.h - how far a compiled program may be off ---------*- C++ -*-===//
// The oracle rule: the error of compiled code against f64 is at most twice that
// of a naive evaluation in low precision, plus an epsilon. The naive evaluation
// is the program itself, interpreted with every map rounded to f32, every term
// of a sum disturbed by two ulps (in place of the rounding of partial sums),
// and weights of 16-bit values rounded to their type, which LANGUAGE section
// 10 permits.
//
// A point may differ by  2 E + u |x| + 32 v X + t,  where E is the largest
// error of the naive evaluation in the output, u the roundoff of its type, v
// that of the type computed in, X the largest value of the output and t the
// smallest normal number of the type. NaN and infinities must agree wherever
// the naive evaluation agrees with f64.
//===----------------------------------------------------------------------===//
#ifndef ATTN_TEST_FUZZ_ORACLE_H
#define ATTN_TEST_FUZZ_ORACLE_H

#include "dialect/interpreter/Interpreter.h"

namespace attn::fuzz {

/// A copy of `module` whose interpretation has errors of low precision.
mlir::OwningOpRef<mlir::ModuleOp> makeNaive(mlir::ModuleOp module);

enum class Precision {
  Compiled, ///< computed in f32, or f64 where the program says so
  Exact     ///< computed in f64, as between stages of the compiler
};

/// Empty, or where and how `got` differs from `want` by more than is allowed.
/// `naive` is asked only if the plain rounding errors do not explain it.
std::string difference(const Array &got, const Array &want, Precision precision,
                       llvm::function_ref<const Array *()> naive);

} // namespace attn::fuzz
#endif // ATTN_TEST_FUZZ_ORACLE_H
