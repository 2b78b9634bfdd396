//===- Pipelines.h - which passes run, in which order -----------*- C++ -*-===//
#ifndef ATTN_COMPILER_PIPELINES_H
#define ATTN_COMPILER_PIPELINES_H

namespace mlir {
class OpPassManager;
}

namespace attn {

/// What every program goes through before anything is done with it. Changes
/// nothing.
void buildChecks(mlir::OpPassManager &passes);

} // namespace attn
#endif // ATTN_COMPILER_PIPELINES_H
