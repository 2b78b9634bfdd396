//===- Targets.h - the CPUs that code can be made for -----------*- C++ -*-===//
// One row a target: what LLVM calls it, and what the lowering may use. The
// runtime decides by the same names what a machine runs.
//===----------------------------------------------------------------------===//
#ifndef ATTN_COMPILER_TARGETS_H
#define ATTN_COMPILER_TARGETS_H

#include "passes/cpu/Builder.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include "llvm/Target/TargetMachine.h"

namespace attn {

struct Target {
  llvm::StringLiteral name, triple, cpu, tune, features;
  unsigned vectorFloats, vectorRegisters;
  bool halfInstructions, fma, avx512, avx512bf16, avx512vnni, amx;
  /// Of one core, nominal, for rooflines: operations a cycle in f32 vectors and
  /// in the widest bf16 instruction, clock in GHz, memory in GB/s.
  unsigned vectorFlops, matrixFlops;
  double gigahertz, gigabytes;

  cpu::CpuTarget forLowering() const;
};

/// All CPU targets, best first within an architecture.
llvm::ArrayRef<Target> cpuTargets();

/// The row of that name; `native` and the empty name are this machine's best.
/// An error lists the names there are.
llvm::Expected<const Target *> findTarget(llvm::StringRef name);

/// A machine for the architecture of `target`; CPU and features are attributes
/// of functions.
llvm::Expected<std::unique_ptr<llvm::TargetMachine>>
makeTargetMachine(const Target &target);

/// A machine of an architecture whose code generator is initialised.
llvm::Expected<std::unique_ptr<llvm::TargetMachine>>
createTargetMachine(llvm::StringRef triple, llvm::StringRef cpu,
                    llvm::StringRef features,
                    const llvm::TargetOptions &options);

} // namespace attn
#endif // ATTN_COMPILER_TARGETS_H
