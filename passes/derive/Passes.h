//===- Passes.h - passes that derive algorithms -----------------*- C++ -*-===//
#ifndef ATTN_PASSES_DERIVE_PASSES_H
#define ATTN_PASSES_DERIVE_PASSES_H

#include "dialect/Attn.h"
#include "mlir/Pass/Pass.h"

namespace attn {
#define GEN_PASS_DECL
#include "passes/derive/Passes.h.inc"
#define GEN_PASS_REGISTRATION
#include "passes/derive/Passes.h.inc"
} // namespace attn
#endif // ATTN_PASSES_DERIVE_PASSES_H
