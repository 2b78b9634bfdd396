//===- Pipelines.h - which passes run, in which order -----------*- C++ -*-===//
#ifndef ATTN_COMPILER_PIPELINES_H
#define ATTN_COMPILER_PIPELINES_H

namespace mlir {
class OpPassManager;
}

namespace attn {

/// What every program goes through before anything is done with it. Changes
/// no meaning; marks recurrences with the order in which they are walked, and
/// adds the cascades that a `cut` asks for.
void buildChecks(mlir::OpPassManager &passes);

/// From the text's cascades to the algorithm, still cascades: what runs in one
/// pass stands in kernels.
void buildDerivation(mlir::OpPassManager &passes);

/// From derived cascades to tile programs, what the back ends lower.
void buildSchedule(mlir::OpPassManager &passes);

} // namespace attn
#endif // ATTN_COMPILER_PIPELINES_H
