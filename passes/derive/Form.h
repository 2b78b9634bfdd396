//===- Form.h - how a map depends on unfinished reductions ------*- C++ -*-===//
// The online rule's conditions, on the map. In a stream over rank r, a *late*
// tensor is a statistic over r that is still growing. A value f(x, M) of a
// point x and late statistics M has a form:
//
//   Free    M does not occur
//   Late    a late tensor itself
//   Shift   f(x, M) = g(x) + sum of c_i M_i
//   Scale   f(x, M) = g(x) * product of E_j(Shift_j) * product of Shift_k
//                     * product of late factors
//
// where E turns sums into products (exp, exp2, c^x). A Scale is repaired:
// f(x, M') = f(x, M) * h(M, M') with h = product of E_j(c_i (M'_i - M_i))
// (ONLINE), a factor Shift_k moves the sum by a multiple of the sum without it
// (ONLINE-LINEAR), and late factors leave a sum altogether (HOIST).
//===----------------------------------------------------------------------===//
#ifndef ATTN_PASSES_DERIVE_FORM_H
#define ATTN_PASSES_DERIVE_FORM_H

#include "passes/Expr.h"
#include "llvm/ADT/SetVector.h"
#include <functional>
#include <map>

namespace attn {

/// c * M, one term of a Shift.
struct ShiftTerm {
  double coefficient;
  mlir::Value tensor;
  bool operator==(const ShiftTerm &) const = default;

  /// c * (M now - M before), 0 where M stands still: infinities do, too.
  mlir::Value moved(ExprBuilder &e, mlir::Value before, mlir::Value now) const;
};

/// E(shift): `map` is the function's application, its last operand the shift.
struct Exponential {
  MapOp map;
  llvm::SmallVector<ShiftTerm> shift;
  bool operator==(const Exponential &other) const;

  /// E of another value.
  mlir::Value of(ExprBuilder &e, mlir::Value value) const;
};

/// A late tensor multiplied in, divided by, one that clears the value where it
/// is present, or one without which no point is present.
struct LateFactor {
  enum Kind { Multiplies, Divides, Clears, Requires } kind;
  mlir::Value tensor;
  bool operator==(const LateFactor &) const = default;
};

/// A factor x + sum of c_i M_i of a product: the value in its region.
struct ShiftFactor {
  mlir::Value value;
  llvm::SmallVector<ShiftTerm> shift;
  bool operator==(const ShiftFactor &) const = default;
};

struct Form {
  enum Kind { Free, Late, Shift, Scale, Other } kind = Free;
  llvm::SmallVector<ShiftTerm> shift;
  llvm::SmallVector<Exponential> exponentials;
  llvm::SmallVector<LateFactor> factors;
  llvm::SmallVector<ShiftFactor> shifts; // at most two
  std::string why;                       // of Other

  static Form other(std::string why) { return {Other, {}, {}, {}, {}, why}; }
  bool hasLate() const { return kind != Free; }
  /// The terms of all shifts: what moves as statistics do.
  llvm::SmallVector<ShiftTerm> terms() const;
};

/// A rank of the tensor that the results of `op` lack; null: they keep all.
mlir::StringAttr rankNotKept(EinsumOp op, mlir::Value tensor);

/// Which tensors are late and which are points of the stream.
struct StreamTensors {
  std::function<bool(mlir::Value)> isLate;
  std::function<EinsumOp(mlir::Value)> pointOf; // null if it is none
};

/// Forms of values in regions, through reads of points.
class FormAnalysis {
public:
  explicit FormAnalysis(StreamTensors tensors) : tensors(std::move(tensors)) {}
  const Form &of(mlir::Value value);
  /// The same, of what a sum adds up: a late value is a factor of 1.
  Form ofSummand(mlir::Value value);

private:
  bool readsLate(EinsumOp point);
  Form compute(mlir::Value value);
  Form computeMap(MapOp map);
  Form product(const Form &a, mlir::Value x, const Form &b, mlir::Value y);
  std::optional<Form> asScale(const Form &form, mlir::Value value);

  StreamTensors tensors;
  std::map<void *, Form> cache;
};

} // namespace attn
#endif // ATTN_PASSES_DERIVE_FORM_H
