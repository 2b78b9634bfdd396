//===- Backend.h - from a checked program to native code --------*- C++ -*-===//
#ifndef ATTN_COMPILER_BACKEND_H
#define ATTN_COMPILER_BACKEND_H

#include "compiler/Jit.h"
#include "compiler/Load.h"

namespace attn {

/// Does --target name something that can be compiled for (and with `run`, run
/// on this machine)? An exit code after a message on stderr, or ExitOk.
int checkTarget(llvm::StringRef target, bool run);

/// Targets (separated by commas, best first) and the emitters of kernels.
llvm::Expected<CodegenOptions> codegenOptions(llvm::StringRef target);

/// Copies of the program's cascades: with the algorithm derived, and with its
/// kernels scheduled as tile programs, ready to be lowered.
llvm::Expected<mlir::OwningOpRef<mlir::ModuleOp>> derive(Program &program);
llvm::Expected<mlir::OwningOpRef<mlir::ModuleOp>>
schedule(Program &program, llvm::StringRef target);

/// LLVM IR of all cascades, not optimised, and for GPUs PTX and (`assemble`)
/// machine code. Diagnostics go to `os`.
llvm::Expected<Generated> generateCode(Program &program, llvm::StringRef target,
                                       llvm::raw_ostream &os = llvm::errs(),
                                       bool assemble = true);

/// Code of all cascades in this process. Diagnostics go to `os`.
llvm::Expected<std::unique_ptr<Jit>>
jitCompile(Program &program, llvm::StringRef target,
           llvm::raw_ostream &os = llvm::errs());

} // namespace attn
#endif // ATTN_COMPILER_BACKEND_H
