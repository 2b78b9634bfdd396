//===- Passes.h - passes that schedule kernels ------------------*- C++ -*-===//
#ifndef ATTN_PASSES_SCHEDULE_PASSES_H
#define ATTN_PASSES_SCHEDULE_PASSES_H

#include "dialect/tile/Tile.h"
#include "mlir/Pass/Pass.h"

namespace attn {
#define GEN_PASS_DECL
#include "passes/schedule/Passes.h.inc"
#define GEN_PASS_REGISTRATION
#include "passes/schedule/Passes.h.inc"
} // namespace attn
#endif // ATTN_PASSES_SCHEDULE_PASSES_H
