//===- Array.h - dense arrays of exact values -------------------*- C++ -*-===//
// What goes into the interpreter and comes out of it: a shape, a storage type,
// and values wider than any storage type (f64 or i64), so that results can be
// compared before they are rounded.
//===----------------------------------------------------------------------===//
#ifndef ATTN_DIALECT_INTERPRETER_ARRAY_H
#define ATTN_DIALECT_INTERPRETER_ARRAY_H

#include "dialect/Functions.h"
#include "llvm/Support/Error.h"

namespace attn {

struct Array {
  llvm::SmallVector<int64_t> shape;
  mlir::Type element;            ///< null: not given (a scalar's default)
  std::vector<double> reals;     ///< of float elements, row major
  std::vector<int64_t> integers; ///< of integer and bool elements
  std::vector<uint8_t> present;  ///< one byte a point; empty: all present

  bool isReal() const { return mlir::isa<mlir::FloatType>(element); }
  /// Number of points of `shape`.
  int64_t size() const;
  static Array real(llvm::ArrayRef<int64_t> shape, mlir::Type element,
                    std::vector<double> values);
  static Array integer(llvm::ArrayRef<int64_t> shape, mlir::Type element,
                       std::vector<int64_t> values);
  /// The values rounded, or truncated and saturated, to `type`.
  Array convertedTo(mlir::Type type) const;
};

/// A present scalar (a real or an integer) as storage type `storage` holds it:
/// rounded to nearest even; to integer truncated and saturated, NaN giving 0.
ScalarValue storeAs(mlir::Type storage, bool isReal, ScalarValue value);

llvm::Error makeError(const llvm::Twine &message);

} // namespace attn
#endif // ATTN_DIALECT_INTERPRETER_ARRAY_H
