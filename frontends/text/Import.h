//===- Import.h - from .attn text to the attn dialect -----------*- C++ -*-===//
//
// The whole front end in one call: parses, resolves, inlines definitions and
// calls, infers types and emits one attn.cascade per cascade of the file, with
// attn.monoid symbols beside them. Says nothing about accesses that need a
// proof: passes do, on the result.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_FRONTENDS_TEXT_IMPORT_H
#define ATTN_FRONTENDS_TEXT_IMPORT_H

#include "frontends/text/Diagnostics.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/OwningOpRef.h"
#include "llvm/ADT/StringMap.h"

namespace attn::text {

struct ImportOptions {
  /// Values of const scalars by name, as written on a command line.
  llvm::StringMap<std::string> consts;
  /// The only cascade to import; empty: all.
  std::string entry;
  /// Ports of 16-bit reals (bf16, f16) are of f32; nothing else changes.
  bool widePorts = false;
};

/// Imports `text` under the name `fileName`, and adds it and the prelude to
/// `sources`, which `diagnostics` must refer to. Null if there are errors.
/// Loads the dialects it needs into `context`.
mlir::OwningOpRef<mlir::ModuleOp>
importSource(mlir::MLIRContext &context, SourceManager &sources,
             llvm::StringRef fileName, llvm::StringRef text,
             const ImportOptions &options, Diagnostics &diagnostics);

} // namespace attn::text

#endif // ATTN_FRONTENDS_TEXT_IMPORT_H
