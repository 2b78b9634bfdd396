//===- Team.h - threads of a GPU and how they share work --------*- C++ -*-===//
#ifndef ATTN_PASSES_CPU_TEAM_H
#define ATTN_PASSES_CPU_TEAM_H

#include "passes/cpu/Builder.h"

namespace attn::cpu {

/// "tid.x", "ctaid.x", ... as i32.
mlir::Value specialRegister(CodeBuilder &b, llvm::StringRef name);

/// Threads of a block that share the points of a unit; i64.
struct Team {
  mlir::Value thread, threads;
};
/// The calling block.
Team emitTeam(CodeBuilder &b);
/// All threads of the block have come here, and see what others have stored.
void emitBarrier(CodeBuilder &b);

/// Kernels of a stream that overlap (sm_90 on). The next one may start where
/// there is room; until the one before has ended and its stores are seen.
void emitStartNext(CodeBuilder &b);
void emitAwaitPrevious(CodeBuilder &b);

/// Threads of a warp. All of them come to the operations below.
constexpr int64_t warpLanes = 32;
/// The value (i32) that `lane` of the warp has (null: the first), and so known
/// to be the same for the warp.
mlir::Value broadcast(CodeBuilder &b, mlir::Value value, mlir::Value lane = {});
/// The value (an integer or a real of at most 64 bits) of the lane whose number
/// differs in the bit `distance`.
mlir::Value emitButterfly(CodeBuilder &b, mlir::Value value, int distance);

} // namespace attn::cpu
#endif // ATTN_PASSES_CPU_TEAM_H
