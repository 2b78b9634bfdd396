//===- Functions.h - scalar functions: types, meaning, facts ----*- C++ -*-===//
// One row a function (Functions.def). Folding, the interpreter and the laws all
// ask here; nothing else knows what a function means.
//===----------------------------------------------------------------------===//
#ifndef ATTN_DIALECT_FUNCTIONS_H
#define ATTN_DIALECT_FUNCTIONS_H

#include "dialect/Attn.h"

namespace attn {

enum class FnTyping {
  Arith,      // reals, or integers of one width, to the same
  Real,       // reals to a real
  Integer,    // integers of one width to the same
  Compare,    // two of one type to bool
  Logic,      // bools to bool
  RealToBool, // real to bool
  RealToInt,  // real to i32
  IntToReal,  // integers to a real
};
enum class Homomorphism { None, AddToMul, MulToAdd };
enum class Monotone { No, Up, Down };

struct FnInfo {
  Fn fn;
  llvm::StringLiteral name;
  int arity;
  FnTyping typing;
  Homomorphism homomorphism;
  Monotone monotone;
};

const FnInfo &info(Fn fn);
/// Result type, or null with `why` set if the operand types do not fit.
mlir::Type inferFnType(Fn fn, mlir::TypeRange operands, std::string &why);

/// A present scalar: a real, an integer or a bool, as its type says.
union ScalarValue {
  double real;
  int64_t integer; // sign-extended from the type's width; bool is 0 or 1
};

/// The value of a strict function on present operands of type `type` (that of
/// the operands; all of one type except the random functions). Empty where the
/// language says absent (integer division by 0). `and`, `or` on present bools.
std::optional<ScalarValue> evaluateFn(Fn fn, mlir::Type type,
                                      llvm::ArrayRef<ScalarValue> operands);
/// The same without a type: functions of one or two reals, and of integers of
/// `width` bits (`b` is ignored by functions of one operand).
std::optional<ScalarValue> evaluateReal(Fn fn, double a, double b);
std::optional<ScalarValue> evaluateInteger(Fn fn, unsigned width, int64_t a,
                                           int64_t b);

/// Rounds a real to a storage type (to nearest even), held in f64. Integer
/// types truncate and saturate, NaN gives 0.
double roundTo(mlir::Type storage, double value);
int64_t saturateTo(mlir::Type storage, double value);
/// Wraps an integer to the width of `storage` (unsigned types zero-extend).
int64_t wrapTo(mlir::Type storage, int64_t value);

} // namespace attn
#endif // ATTN_DIALECT_FUNCTIONS_H
