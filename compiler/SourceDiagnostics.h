//===- SourceDiagnostics.h - what passes say, shown in the text -*- C++ -*-===//
#ifndef ATTN_COMPILER_SOURCEDIAGNOSTICS_H
#define ATTN_COMPILER_SOURCEDIAGNOSTICS_H

#include "frontends/text/Diagnostics.h"
#include "mlir/IR/Diagnostics.h"

namespace attn {

/// While it lives, diagnostics of MLIR are rendered like those of the front
/// end: file, line, column, caret. A note that begins with "hint: " is the hint
/// of what it is attached to.
class SourceDiagnostics {
public:
  SourceDiagnostics(mlir::MLIRContext &context,
                    const text::SourceManager &sources, llvm::raw_ostream &os);

private:
  text::SourceRange rangeOf(mlir::Location location) const;
  void render(mlir::Diagnostic &diagnostic);

  const text::SourceManager &sources;
  llvm::raw_ostream &os;
  mlir::ScopedDiagnosticHandler handler;
};

} // namespace attn
#endif // ATTN_COMPILER_SOURCEDIAGNOSTICS_H
