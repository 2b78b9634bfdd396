//===- Manifest.h - what a compiled library says of itself ------*- C++ -*-===//
// The JSON manifest (also inside the library) and the C header, both from the
// cascades' signatures.
//===----------------------------------------------------------------------===//
#ifndef ATTN_COMPILER_MANIFEST_H
#define ATTN_COMPILER_MANIFEST_H

#include "compiler/Codegen.h"

namespace attn {

/// `workspace` has the formula of each cascade, in order.
std::string writeManifest(mlir::ModuleOp cascades,
                          const CodegenOptions &options,
                          llvm::ArrayRef<std::string> workspace);

/// The C header. `stem` names the include guard, `source` (may be empty) is
/// the text the library was compiled from.
std::string writeHeader(mlir::ModuleOp cascades, llvm::StringRef stem,
                        llvm::StringRef source);

} // namespace attn
#endif // ATTN_COMPILER_MANIFEST_H
