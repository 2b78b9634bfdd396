//===- CpuFeatures.cpp - what this machine runs ----------------*- C++ -*-===//
// Two tables: where CPUID says that a feature is there (and which state the
// operating system must save for it), and which features a target needs.
//===----------------------------------------------------------------------===//
#include "CpuFeatures.h"

#include "attn/runtime.h"

#include <cstdint>
#include <cstring>
#include <iterator>

#if defined(__x86_64__)
#include <cpuid.h>
#endif
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace {

using Mask = uint64_t;

#if defined(__x86_64__)
enum Reg { A, B, C, D };

/// Register state that XCR0 must enable.
constexpr uint64_t noState = 0, avxState = 0x6, zmmState = 0xe6,
                   tileState = 0x60000;

struct Feature {
  const char *name;
  unsigned leaf, subleaf;
  Reg reg;
  unsigned bit;
  uint64_t state;
};

constexpr Feature features[] = {
    {"sse3", 1, 0, C, 0, noState},
    {"ssse3", 1, 0, C, 9, noState},
    {"cx16", 1, 0, C, 13, noState},
    {"sse4.1", 1, 0, C, 19, noState},
    {"sse4.2", 1, 0, C, 20, noState},
    {"popcnt", 1, 0, C, 23, noState},
    {"sahf", 0x80000001, 0, C, 0, noState},
    {"fma", 1, 0, C, 12, avxState},
    {"movbe", 1, 0, C, 22, noState},
    {"avx", 1, 0, C, 28, avxState},
    {"f16c", 1, 0, C, 29, avxState},
    {"lzcnt", 0x80000001, 0, C, 5, noState},
    {"bmi", 7, 0, B, 3, noState},
    {"avx2", 7, 0, B, 5, avxState},
    {"bmi2", 7, 0, B, 8, noState},
    {"avx512f", 7, 0, B, 16, zmmState},
    {"avx512dq", 7, 0, B, 17, zmmState},
    {"avx512cd", 7, 0, B, 28, zmmState},
    {"avx512bw", 7, 0, B, 30, zmmState},
    {"avx512vl", 7, 0, B, 31, zmmState},
    {"avx512ifma", 7, 0, B, 21, zmmState},
    {"avx512vbmi", 7, 0, C, 1, zmmState},
    {"avx512vbmi2", 7, 0, C, 6, zmmState},
    {"avx512vnni", 7, 0, C, 11, zmmState},
    {"avx512bitalg", 7, 0, C, 12, zmmState},
    {"avx512vpopcntdq", 7, 0, C, 14, zmmState},
    {"avx512fp16", 7, 0, D, 23, zmmState},
    {"avx512bf16", 7, 1, A, 5, zmmState},
    {"avxvnni", 7, 1, A, 4, avxState},
    {"amx-bf16", 7, 0, D, 22, tileState},
    {"amx-tile", 7, 0, D, 24, tileState},
    {"amx-int8", 7, 0, D, 25, tileState},
    {"amx-fp16", 7, 1, A, 21, tileState},
};
static_assert(std::size(features) <= 64, "a bit per feature");

constexpr bool equal(const char *a, const char *b) {
  for (; *a && *a == *b; ++a, ++b)
    ;
  return *a == *b;
}

template <typename... Names> constexpr Mask need(Names... names) {
  Mask mask = 0;
  for (const char *name : {names...})
    for (size_t i = 0; i < std::size(features); ++i)
      if (equal(features[i].name, name))
        mask |= Mask(1) << i;
  return mask;
}

constexpr Mask v2 =
    need("sse3", "ssse3", "cx16", "sse4.1", "sse4.2", "popcnt", "sahf");
constexpr Mask v3 =
    v2 | need("fma", "movbe", "avx", "f16c", "lzcnt", "bmi", "avx2", "bmi2");
constexpr Mask v4 =
    v3 | need("avx512f", "avx512dq", "avx512cd", "avx512bw", "avx512vl");
constexpr Mask fp16 = v4 | need("avx512fp16", "avx512bf16", "avx512vnni",
                                "avx512vbmi", "avx512vbmi2");
constexpr Mask amx = fp16 | need("amx-tile", "amx-bf16", "amx-int8");

struct Target {
  const char *name;
  Mask needs;
};

/// Best first. "avx512fp16" is a target, with what every CPU that has the
/// feature has beside it.
constexpr Target targets[] = {
    {"amx", amx},      {"avx512fp16", fp16}, {"x86-64-v4", v4},
    {"x86-64-v3", v3}, {"x86-64-v2", v2},    {"x86-64", 0},
};

uint64_t enabledState() {
  unsigned regs[4];
  if (!__get_cpuid(1, &regs[A], &regs[B], &regs[C], &regs[D]) ||
      !(regs[C] & (1u << 27))) // OSXSAVE
    return 0;
  uint32_t low, high;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return uint64_t(high) << 32 | low;
}

Mask detect() {
  uint64_t state = enabledState();
  Mask found = 0;
  for (size_t i = 0; i < std::size(features); ++i) {
    const Feature &f = features[i];
    unsigned regs[4] = {0, 0, 0, 0};
    if ((state & f.state) == f.state &&
        __get_cpuid_count(f.leaf, f.subleaf, &regs[A], &regs[B], &regs[C],
                          &regs[D]) &&
        (regs[f.reg] >> f.bit & 1))
      found |= Mask(1) << i;
  }
  return found;
}

bool supports(const char *name) {
  static const Mask found = detect();
  for (const Target &target : targets)
    if (!std::strcmp(target.name, name))
      return (target.needs & ~found) == 0;
  Mask feature = need(name);
  return feature && (feature & ~found) == 0;
}

#else

struct Target {
  const char *name;
};
#if defined(__aarch64__)
constexpr Target targets[] = {{"aarch64"}};
#else
constexpr Target targets[] = {{"generic"}};
#endif

bool supports(const char *name) { return !std::strcmp(targets[0].name, name); }
#endif

} // namespace

bool attn::rt::requestAmx() {
#if defined(__linux__) && defined(__x86_64__)
  constexpr long requestPermission = 0x1023, tileData = 18;
  static const bool granted =
      syscall(SYS_arch_prctl, requestPermission, tileData) == 0;
  return granted;
#else
  return false;
#endif
}

int attn_cpu_supports(const char *name) {
  return name && supports(name) ? 1 : 0;
}

const char *attn_cpu_target(void) {
  for (const Target &target : targets)
    if (supports(target.name))
      return target.name;
  return "generic";
}
