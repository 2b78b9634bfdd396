//===- Denormals.h - floating-point mode around kernels --------*- C++ -*-===//
// Kernels run in one known mode whatever the caller's: round to nearest, no
// traps, and denormals flushed where the code asks for it (a denormal result
// of scalef costs 80 times a normal one). The caller's mode comes back after.
//===----------------------------------------------------------------------===//
#ifndef ATTN_RUNTIME_DENORMALS_H
#define ATTN_RUNTIME_DENORMALS_H

#include <cstdint>

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace attn::rt {

using FpMode = std::uint64_t;

#if defined(__x86_64__)
inline FpMode fpMode() { return _mm_getcsr(); }
inline void setFpMode(FpMode mode) { _mm_setcsr(static_cast<unsigned>(mode)); }
/// All exceptions masked, nearest; with FTZ (bit 15) and DAZ (bit 6) on demand.
inline FpMode kernelFpMode(bool flush) {
  return 0x1f80u | (flush ? 0x8040 : 0);
}
#elif defined(__aarch64__)
inline FpMode fpMode() {
  FpMode mode;
  asm volatile("mrs %0, fpcr" : "=r"(mode));
  return mode;
}
inline void setFpMode(FpMode mode) { asm volatile("msr fpcr, %0" ::"r"(mode)); }
inline FpMode kernelFpMode(bool flush) { return flush ? FpMode(1) << 24 : 0; }
#else
inline FpMode fpMode() { return 0; }
inline void setFpMode(FpMode) {}
inline FpMode kernelFpMode(bool) { return 0; }
#endif

/// Sets a mode and restores the former one.
class FpScope {
public:
  explicit FpScope(FpMode mode) : saved(fpMode()) { setFpMode(mode); }
  ~FpScope() { setFpMode(saved); }
  FpScope(const FpScope &) = delete;
  FpScope &operator=(const FpScope &) = delete;

private:
  FpMode saved;
};

} // namespace attn::rt

#endif // ATTN_RUNTIME_DENORMALS_H
