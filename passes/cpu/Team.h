//===- Team.h - threads that share work on a GPU ----------------*- C++ -*-===//
#ifndef ATTN_PASSES_CPU_TEAM_H
#define ATTN_PASSES_CPU_TEAM_H

#include "passes/cpu/Builder.h"

namespace attn::cpu {

/// Threads of a block that share the points of a unit; i64.
struct Team {
  mlir::Value thread, threads;
};
/// All threads of the block have come here, and see what others have stored.
void emitBlockBarrier(CodeBuilder &b);
/// A special register of a GPU's thread ("tid.x", ...), as i64.
mlir::Value emitSpecialRegister(CodeBuilder &b, llvm::StringRef name);
/// The calling block.
Team emitTeam(CodeBuilder &b);

/// Threads of a warp.
constexpr int64_t warpLanes = 32;
/// The value (an integer or a real of at most 64 bits) of the lane whose number
/// differs in the bit `distance`. All lanes of the warp come here.
mlir::Value emitButterfly(CodeBuilder &b, mlir::Value value, int distance);

} // namespace attn::cpu
#endif // ATTN_PASSES_CPU_TEAM_H
