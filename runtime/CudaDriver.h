//===- CudaDriver.h - the driver of NVIDIA GPUs ----------------*- C++ -*-===//
// libcuda is found at run time; its few functions and constants that are used
// are declared here, so that building needs no CUDA.
//===----------------------------------------------------------------------===//
#ifndef ATTN_RUNTIME_CUDADRIVER_H
#define ATTN_RUNTIME_CUDADRIVER_H

#include <cstddef>
#include <cstdint>

namespace attn::rt {

using CuResult = int;
using CuHandle = void *;
using CuAddress = uint64_t;

enum : int {
  cuComputeMajor = 75, // CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR
  cuComputeMinor = 76,
  cuMultiprocessors = 16,
  cuMaxSharedOptin = 97,
  cuLaunchEarly = 6, // CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION
  cuFunctionSharedSize = 8 // CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
};

/// CUlaunchAttribute.
struct CuLaunchAttribute {
  int id;
  alignas(8) union {
    int value;
    char bytes[64];
  };
};

/// CUlaunchConfig.
struct CuLaunch {
  unsigned grid[3], block[3], sharedBytes;
  CuHandle stream;
  CuLaunchAttribute *attributes;
  unsigned numAttributes;
};

// name in the table, symbol in the library, parameters
#define ATTN_CUDA_FUNCTIONS(F)                                                 \
  F(init, "cuInit", (unsigned))                                                \
  F(getVersion, "cuDriverGetVersion", (int *))                                 \
  F(deviceGetCount, "cuDeviceGetCount", (int *))                               \
  F(deviceGet, "cuDeviceGet", (int *, int))                                    \
  F(deviceGetAttribute, "cuDeviceGetAttribute", (int *, int, int))             \
  F(primaryRetain, "cuDevicePrimaryCtxRetain", (CuHandle *, int))              \
  F(push, "cuCtxPushCurrent_v2", (CuHandle))                                   \
  F(pop, "cuCtxPopCurrent_v2", (CuHandle *))                                   \
  F(synchronize, "cuCtxSynchronize", ())                                       \
  F(loadModule, "cuModuleLoadData", (CuHandle *, const void *))                \
  F(getFunction, "cuModuleGetFunction", (CuHandle *, CuHandle, const char *))  \
  F(setFunction, "cuFuncSetAttribute", (CuHandle, int, int))                   \
  F(alloc, "cuMemAlloc_v2", (CuAddress *, size_t))                             \
  F(free, "cuMemFree_v2", (CuAddress))                                         \
  F(copy, "cuMemcpy", (CuAddress, CuAddress, size_t))                          \
  F(launch, "cuLaunchKernelEx",                                                \
    (const CuLaunch *, CuHandle, void **, void **))                            \
  F(encodeMap, "cuTensorMapEncodeTiled",                                       \
    (void *, int, uint32_t, void *, const uint64_t *, const uint64_t *,        \
     const uint32_t *, const uint32_t *, int, int, int, int))                  \
  F(errorName, "cuGetErrorName", (CuResult, const char **))                    \
  F(errorText, "cuGetErrorString", (CuResult, const char **))

struct CudaDriver {
#define ATTN_CUDA_DECLARE(name, symbol, parameters)                            \
  CuResult(*name) parameters = nullptr;
  ATTN_CUDA_FUNCTIONS(ATTN_CUDA_DECLARE)
#undef ATTN_CUDA_DECLARE
  /// Kernels may start under the ones before them, in captured graphs, too
  /// (CUDA 12.3).
  bool startsEarly = false;
  /// "CUDA_ERROR_OUT_OF_MEMORY: out of memory"
  void describe(CuResult result, char *text, size_t size) const;
};

/// What is known of one GPU.
struct CudaDevice {
  int handle = 0, major = 0, minor = 0, multiprocessors = 0, shared = 0;
  CuHandle context = nullptr; // the primary one, as PyTorch and cudart use
  char target[16] = "";       // "sm_90a"
};

/// The driver, or null with a message set (ATTN_ERROR_TARGET).
const CudaDriver *cudaDriver();
/// A device, or null with a message set. It stays where it is.
const CudaDevice *cudaDevice(int number);

} // namespace attn::rt

#endif // ATTN_RUNTIME_CUDADRIVER_H
