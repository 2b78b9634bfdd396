//===- Assembly.h - instructions that LLVM is not to look into --*- C++ -*-===//
#ifndef ATTN_PASSES_CPU_ASSEMBLY_H
#define ATTN_PASSES_CPU_ASSEMBLY_H

#include "passes/cpu/Builder.h"

namespace attn::cpu {

/// Instructions in AT&T syntax whose only effect is their result, with LLVM's
/// constraints.
mlir::Value assembly(CodeBuilder &b, llvm::StringRef text,
                     llvm::StringRef constraints, mlir::Type result,
                     mlir::ValueRange operands);

} // namespace attn::cpu
#endif // ATTN_PASSES_CPU_ASSEMBLY_H
