//===- Stages.h - a cascade after each pass that rewrites it ----*- C++ -*-===//
// Every pass up to the tiles leaves a cascade that means what it meant; tests
// interpret all of them.
//===----------------------------------------------------------------------===//
#ifndef ATTN_COMPILER_STAGES_H
#define ATTN_COMPILER_STAGES_H

#include "dialect/Attn.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "llvm/Support/Error.h"

namespace attn {

struct Stage {
  std::string pass; ///< as attn-opt names it
  mlir::OwningOpRef<mlir::ModuleOp> module;
  CascadeOp cascade; ///< in `module`
  bool changed;      ///< by the pass
};

/// What the passes of the derivation and attn-partition make of one cascade of
/// a checked module, in order. Fails where a pass does, with its name.
llvm::Expected<std::vector<Stage>> stagesOf(mlir::ModuleOp module,
                                            llvm::StringRef cascade);

} // namespace attn
#endif // ATTN_COMPILER_STAGES_H
