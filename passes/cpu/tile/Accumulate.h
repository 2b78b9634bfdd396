//===- Accumulate.h - one more point of a reduction -------------*- C++ -*-===//
#ifndef ATTN_PASSES_CPU_TILE_ACCUMULATE_H
#define ATTN_PASSES_CPU_TILE_ACCUMULATE_H

#include "passes/cpu/Storage.h"

namespace attn::cpu {

/// `sum`, a scalar or a vector of lanes, combined with a point that is present.
/// A product is added in one operation where the target has it.
mlir::Value accumulate(CodeBuilder &b, Reduce kind, mlir::Value sum,
                       mlir::Value point);

} // namespace attn::cpu
#endif // ATTN_PASSES_CPU_TILE_ACCUMULATE_H
