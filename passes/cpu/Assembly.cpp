//===- Assembly.cpp - instructions that LLVM is not to look into *- C++ -*-===//
#include "passes/cpu/Assembly.h"

using namespace mlir;
using namespace attn;

Value cpu::assembly(cpu::CodeBuilder &b, StringRef text, StringRef constraints,
                    Type result, ValueRange operands) {
  return LLVM::InlineAsmOp::create(
             b, result, operands, text, constraints,
             /*has_side_effects=*/false, /*is_align_stack=*/false,
             LLVM::TailCallKind::None,
             LLVM::AsmDialectAttr::get(b.getContext(),
                                       LLVM::AsmDialect::AD_ATT),
             ArrayAttr())
      .getResult(0);
}
