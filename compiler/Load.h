//===- Load.h - from a file to a checked module -----------------*- C++ -*-===//
#ifndef ATTN_COMPILER_LOAD_H
#define ATTN_COMPILER_LOAD_H

#include "compiler/Options.h"
#include "dialect/Attn.h"
#include "frontends/text/Import.h"
#include "llvm/Support/raw_ostream.h"
#include <memory>

namespace attn {

/// A program in the dialect, with the context and the texts it lives on.
struct Program {
  std::unique_ptr<mlir::MLIRContext> context;
  text::SourceManager sources;
  mlir::OwningOpRef<mlir::ModuleOp> module;
};

/// Imports a text of the .attn language, or parses it as .mlir if `name` ends
/// so, and runs the checks. Diagnostics go to `os`. Null if there are errors.
std::unique_ptr<Program> loadText(llvm::StringRef name, llvm::StringRef text,
                                  const text::ImportOptions &options,
                                  llvm::raw_ostream &os = llvm::errs());

/// The file that the command line names, with its --const and --entry.
std::unique_ptr<Program> loadFile(const Options &options);

/// Was it made for the `cut` of another (partial, merge, finish)?
bool isOfCut(CascadeOp cascade);

/// The cascade that the command line means; null after a message.
CascadeOp chooseCascade(Program &program, const Options &options);

} // namespace attn
#endif // ATTN_COMPILER_LOAD_H
