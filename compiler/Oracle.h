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
// the naive evaluation agrees with f64. Integers and bools agree exactly.
//===----------------------------------------------------------------------===//
#ifndef ATTN_COMPILER_ORACLE_H
#define ATTN_COMPILER_ORACLE_H

#include "dialect/interpreter/Interpreter.h"

namespace attn {

/// A copy of `module` whose interpretation has errors of low precision.
mlir::OwningOpRef<mlir::ModuleOp> makeNaive(mlir::ModuleOp module);

enum class Precision {
  Compiled, ///< computed in f32, or in f64 where an operand is f64
  Double,   ///< compiled, and all of it is f64
  Exact     ///< evaluated in f64, as by the interpreter
};

struct Comparison {
  double worst = 0;    ///< largest |got - want| over finite points
  double ratio = 0;    ///< largest error over what was allowed there
  std::string problem; ///< empty: `got` passes; else where and how it does not
};

/// `naive` is asked only if the plain rounding errors do not explain a
/// difference, and may give null. `slack` is allowed besides, as a share of X.
Comparison compare(const Array &got, const Array &want, Precision precision,
                   llvm::function_ref<const Array *()> naive, double slack = 0);

/// The rule for one call of a cascade as a front end emits it.
class Oracle {
public:
  /// `inputs` must outlive the oracle.
  Oracle(CascadeOp cascade, llvm::ArrayRef<Array> inputs,
         const InterpretOptions &options);

  /// Output number `output`; `want` is it in f64. Not `exact`: compiled.
  Comparison compare(unsigned output, const Array &got, const Array &want,
                     bool exact = false, double slack = 0);

private:
  const Array *naive(unsigned output);

  CascadeOp cascade;
  llvm::ArrayRef<Array> inputs;
  InterpretOptions options;
  /// Naive results, on demand; none if the naive evaluation fails.
  std::optional<std::vector<Array>> rough;
};

} // namespace attn
#endif // ATTN_COMPILER_ORACLE_H
