//===- DeviceLibrary.h - what kernels call ----------------------*- C++ -*-===//
#ifndef ATTN_PASSES_GPU_DEVICELIBRARY_H
#define ATTN_PASSES_GPU_DEVICELIBRARY_H

#include "llvm/IR/Module.h"
#include "llvm/Support/Error.h"

namespace attn::gpu {

/// Makes a module of kernels whole: intrinsics that GPUs have no instruction
/// for become calls, and all that is called is linked in (device/Device.cpp).
llvm::Error linkDeviceLibrary(llvm::Module &module);

} // namespace attn::gpu
#endif // ATTN_PASSES_GPU_DEVICELIBRARY_H
