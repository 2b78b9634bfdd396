//===- Ptx.h - modules of kernels as PTX and machine code -------*- C++ -*-===//
#ifndef ATTN_COMPILER_PTX_H
#define ATTN_COMPILER_PTX_H

#include "compiler/targets/GpuTargets.h"
#include "mlir/IR/BuiltinOps.h"
#include "passes/cpu/LowerCascade.h"

namespace attn {

struct DeviceCode {
  std::string llvm; // optimised IR, as text
  std::string ptx;
};

/// Lowers a module of kernels to PTX; `words` are those of the parameters of
/// each kernel.
llvm::Expected<DeviceCode> emitPtx(mlir::ModuleOp kernels,
                                   llvm::ArrayRef<cpu::DeviceKernel> list,
                                   llvm::ArrayRef<unsigned> words,
                                   const GpuTarget &target);

/// Path of NVIDIA's assembler: in $PATH, $CUDA_HOME/bin or /usr/local/cuda/bin.
/// Empty if there is none.
std::string findPtxas();

/// Machine code for `target` by `ptxas`. Warnings that a kernel was serialised
/// go to stderr.
llvm::Expected<std::string> assemble(llvm::StringRef ptxas, llvm::StringRef ptx,
                                     const GpuTarget &target);

} // namespace attn
#endif // ATTN_COMPILER_PTX_H
