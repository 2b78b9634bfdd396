//===- Bench.h - clocks, limits and data of the benchmarks ------*- C++ -*-===//
#ifndef ATTN_TEST_PERF_BENCH_H
#define ATTN_TEST_PERF_BENCH_H

#include "attn/runtime.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <new>
#include <random>
#include <thread>
#include <vector>

namespace bench {

inline double seconds() {
  using namespace std::chrono;
  return duration<double>(steady_clock::now().time_since_epoch()).count();
}

/// Sixteen independent chains of vector FMAs; the result keeps them alive.
inline float fmaChains(long steps) {
  typedef float Vector __attribute__((vector_size(64)));
  Vector sums[16], a, b;
  for (int lane = 0; lane < 16; ++lane) {
    a[lane] = 0.999f + 1e-4f * lane;
    b[lane] = 1e-3f * lane;
  }
  for (int i = 0; i < 16; ++i)
    sums[i] = b * float(i);
  for (long step = 0; step < steps; ++step)
    for (int i = 0; i < 16; ++i)
      sums[i] = sums[i] * a + b;
  for (int i = 1; i < 16; ++i)
    sums[0] += sums[i];
  return sums[0][3];
}

/// Flops per second of all threads together, best of some tries.
inline double fmaPeak(int threads) {
  const long steps = 4'000'000;
  double best = 0;
  for (int attempt = 0; attempt < 5; ++attempt) {
    volatile float keep = 0;
    double start = seconds();
    std::vector<std::thread> team;
    for (int t = 0; t < threads; ++t)
      team.emplace_back([&] { keep = keep + fmaChains(steps); });
    for (std::thread &thread : team)
      thread.join();
    best =
        std::max(best, 2.0 * 16 * 16 * steps * threads / (seconds() - start));
  }
  return best;
}

/// Tensors start at cache lines, as frameworks have them.
template <typename T> struct LineAllocator {
  using value_type = T;
  T *allocate(size_t count) {
    return static_cast<T *>(
        ::operator new(count * sizeof(T), std::align_val_t(64)));
  }
  void deallocate(T *pointer, size_t) {
    ::operator delete(pointer, std::align_val_t(64));
  }
  bool operator==(const LineAllocator &) const { return true; }
};
using Bytes = std::vector<char, LineAllocator<char>>;

/// Random values of N(0,1) in f32 or, by dropping bits, bf16. Tensors of one
/// call have seeds of their own: a query that is also a key stands out.
inline Bytes randomTensor(int64_t count, bool isHalf, unsigned seed = 1) {
  Bytes bytes(count * (isHalf ? 2 : 4));
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  for (int64_t i = 0; i < count; ++i) {
    float value = normal(generator);
    char raw[4];
    std::memcpy(raw, &value, 4);
    std::memcpy(&bytes[i * (isHalf ? 2 : 4)], isHalf ? raw + 2 : raw,
                isHalf ? 2 : 4);
  }
  return bytes;
}

} // namespace bench
#endif // ATTN_TEST_PERF_BENCH_H
