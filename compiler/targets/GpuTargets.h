//===- GpuTargets.h - the GPUs that code can be made for --------*- C++ -*-===//
#ifndef ATTN_COMPILER_TARGETS_GPUTARGETS_H
#define ATTN_COMPILER_TARGETS_GPUTARGETS_H

#include "passes/cpu/Builder.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include "llvm/Target/TargetMachine.h"

namespace attn {

/// Points of a tile along the streamed rank and along the rows.
struct GpuTile {
  int64_t stream, lanes;
};

/// One row an architecture: what LLVM and ptxas call it, and what is there.
struct GpuTarget {
  llvm::StringLiteral name, arch, features; // "cuda:sm_90a", "sm_90a", "+ptx83"
  unsigned sharedBytes;                     // a block can have
  bool hopper;                              // wgmma, TMA, setmaxnreg
  llvm::ArrayRef<GpuTile> tiles;            // to choose from, the best first

  cpu::CpuTarget forLowering() const;
};

/// Does --target ask for a GPU?
bool isGpuTarget(llvm::StringRef name);

/// The row of "cuda:ARCH"; "cuda" is the GPU of this machine.
llvm::Expected<const GpuTarget *> findGpuTarget(llvm::StringRef name);

llvm::Expected<std::unique_ptr<llvm::TargetMachine>>
makeTargetMachine(const GpuTarget &target);

} // namespace attn
#endif // ATTN_COMPILER_TARGETS_GPUTARGETS_H
