//===- Npy.h - NumPy .npy files ---------------------------------*- C++ -*-===//
// Reads every real, integer and bool dtype, C and Fortran order, either byte
// order, format versions 1 to 3; whatever is wrong with a file is an error.
//===----------------------------------------------------------------------===//
#ifndef ATTN_DIALECT_INTERPRETER_NPY_H
#define ATTN_DIALECT_INTERPRETER_NPY_H

#include "dialect/interpreter/Array.h"

namespace attn {

llvm::Expected<Array> parseNpy(llvm::StringRef bytes, mlir::MLIRContext *ctx);
llvm::Expected<Array> readNpy(llvm::StringRef path, mlir::MLIRContext *ctx);

/// Values are rounded to the element type; bf16, f16 and f8 are stored as f32,
/// i4 as i8.
std::string formatNpy(const Array &array);
/// Replaces the file at once or leaves the old one.
llvm::Error writeNpy(llvm::StringRef path, const Array &array);

} // namespace attn
#endif // ATTN_DIALECT_INTERPRETER_NPY_H
