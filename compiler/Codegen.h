//===- Codegen.h - from cascades to one LLVM module -------------*- C++ -*-===//
// Code of all cascades of a module for each target asked for, the tables of
// attn/abi.h that describe it, and the typed entry points.
//===----------------------------------------------------------------------===//
#ifndef ATTN_COMPILER_CODEGEN_H
#define ATTN_COMPILER_CODEGEN_H

#include "compiler/targets/GpuTargets.h"
#include "compiler/targets/Targets.h"
#include "mlir/IR/BuiltinOps.h"
#include "passes/cpu/LowerCascade.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"
#include "llvm/Support/CommandLine.h"
#include <map>

namespace attn {

struct CodegenOptions {
  /// Best first; all of one architecture.
  std::vector<const Target *> targets;
  /// What a target lowers instead of the cascades that are given: they may be
  /// scheduled for another one.
  std::map<const Target *, mlir::ModuleOp> scheduled;
  /// Who emits kernels as a whole; null: their definitions are emitted.
  std::function<std::unique_ptr<cpu::KernelLowering>(const cpu::CpuTarget &)>
      kernels;
  /// Kernels of some kind want denormals flushed (attn_entry_flags).
  uint32_t entryFlags = 0;
  /// Kernels run on this GPU; `targets` has one row, for the host.
  const GpuTarget *gpu = nullptr;
  /// Machine code for the GPU is made if NVIDIA's assembler is found.
  bool assemble = true;
};

struct Generated {
  std::unique_ptr<llvm::LLVMContext> context;
  std::unique_ptr<llvm::Module> module;
  std::string manifest; // JSON
  // Of kernels for GPUs.
  std::string deviceLlvm, ptx, cubin;
};

/// The C identifier of a cascade or port: primes are no part of those, and
/// words of C++ get an underscore.
std::string symbolName(llvm::StringRef name);

struct Lowered {
  mlir::OwningOpRef<mlir::ModuleOp> module;
  /// The workspace of each cascade as a formula of its extents.
  std::vector<std::string> workspace;
  /// Kernels for GPUs, and the words of their parameters.
  mlir::OwningOpRef<mlir::ModuleOp> device;
  std::vector<cpu::DeviceKernel> kernels;
  std::vector<unsigned> words;
  /// Of each cascade (attn_entry_version).
  std::vector<unsigned> slots;
};

/// The functions of all cascades in func, scf, arith, math and llvm, for
/// `--emit tile` and for tests.
llvm::Expected<Lowered> lowerCascades(mlir::ModuleOp cascades,
                                      const CodegenOptions &options);

/// The whole way to LLVM IR, not optimised. Diagnostics go to the context; the
/// error only says that there were some.
llvm::Expected<Generated> generate(mlir::ModuleOp cascades,
                                   const CodegenOptions &options);

/// What a CPU's functions need of LLVM.
void optimise(llvm::Module &module, llvm::TargetMachine &machine);

/// The O2 pipeline, for kernels that call the device library.
void optimiseForDevice(llvm::Module &module, llvm::TargetMachine &machine);

/// While it lives, machine code of `module` is made without strength reduction
/// of loops if it is for vectors of 512 bits: half of the time, for code that
/// is as fast, and faster beside a matrix unit. With 16 registers it pays.
class CodegenScope {
public:
  explicit CodegenScope(const llvm::Module &module);
  ~CodegenScope();
  CodegenScope(const CodegenScope &) = delete;

private:
  llvm::cl::opt<bool> *option = nullptr;
};

/// The command that compiled code is attributed to: "attnc 0.1.0".
llvm::StringRef compilerVersion();

} // namespace attn
#endif // ATTN_COMPILER_CODEGEN_H
