//===- Limits.h - what a core of this machine can do at most ----*- C++ -*-===//
//
// Rates of one thread for a few milliseconds: products on the matrix unit, f32
// products and sums, exponentials, bytes read from memory. Time is that of the
// thread on its core, but for memory.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_TEST_PERF_LIMITS_H
#define ATTN_TEST_PERF_LIMITS_H

#include "Bench.h"

#include <atomic>
#include <ctime>
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace bench {

/// Of this thread on a CPU: other processes do not count.
inline double cpuSeconds() {
  timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return t.tv_sec + 1e-9 * t.tv_nsec;
}

/// The process may use the matrix unit, if there is one.
inline bool requestMatrixUnit() {
#ifdef __AMX_BF16__
  return syscall(SYS_arch_prctl, 0x1023, 18) == 0;
#else
  return false;
#endif
}

/// Flops a second of products of 2 x 2 tiles of random data.
inline double matrixRate() {
#ifdef __AMX_BF16__
  struct alignas(64) TileConfig {
    uint8_t palette = 1, start = 0, reserved[14] = {};
    uint16_t bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
    uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
  };
  alignas(64) uint16_t data[4][512];
  Bytes values = randomTensor(4 * 512, true);
  std::memcpy(data, values.data(), sizeof data);
  TileConfig config;
  _tile_loadconfig(&config);
  _tile_loadd(4, data[0], 64);
  _tile_loadd(5, data[1], 64);
  _tile_loadd(6, data[2], 64);
  _tile_loadd(7, data[3], 64);
  const int steps = 20'000;
  double start = cpuSeconds();
  for (int step = 0; step < steps; ++step) {
    if (step % 64 == 0) {
      _tile_zero(0);
      _tile_zero(1);
      _tile_zero(2);
      _tile_zero(3);
    }
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  double time = cpuSeconds() - start;
  _tile_release();
  return 4.0 * steps * 2 * 16 * 16 * 32 / time;
#else
  return 0;
#endif
}

/// Exponentials a second: polynomial of degree 3 and scalef.
inline double exponentialRate() {
#ifdef __AVX512F__
  alignas(64) float data[1024];
  for (int i = 0; i < 1024; ++i)
    data[i] = -0.01f * i;
  __m512 sums[4] = {};
  const int rounds = 600;
  double start = cpuSeconds();
  for (int round = 0; round < rounds; ++round)
    for (int i = 0; i < 1024; i += 64)
      for (int j = 0; j < 4; ++j) {
        __m512 x = _mm512_load_ps(data + i + 16 * j);
        __m512 r = _mm512_reduce_ps(x, 0x09);
        __m512 p = _mm512_set1_ps(0.0780245227f);
        p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.226067155f));
        p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.69583354f));
        p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.999925219f));
        sums[j] = _mm512_add_ps(sums[j], _mm512_scalef_ps(p, x));
      }
  double time = cpuSeconds() - start;
  volatile float keep = _mm512_reduce_add_ps(_mm512_add_ps(
      _mm512_add_ps(sums[0], sums[1]), _mm512_add_ps(sums[2], sums[3])));
  (void)keep;
  return rounds * 1024.0 / time;
#else
  return 0;
#endif
}

/// Flops a second of f32 vectors.
inline double fmaRate() {
  const long steps = 200'000;
  double start = cpuSeconds();
  volatile float keep = fmaChains(steps);
  (void)keep;
  return 2.0 * 16 * 16 * steps / (cpuSeconds() - start);
}

inline uint64_t sumOfLines(const char *data, size_t bytes) {
  typedef uint64_t Vector __attribute__((vector_size(64)));
  Vector sums[8] = {};
  auto *lines = reinterpret_cast<const Vector *>(data);
  for (size_t i = 0; i + 8 <= bytes / 64; i += 8)
    for (size_t j = 0; j < 8; ++j)
      sums[j] += lines[i + j];
  for (int j = 1; j < 8; ++j)
    sums[0] += sums[j];
  return sums[0][0] + sums[0][5];
}

/// One thread does not wait for others: its time on a core is its time.
inline double secondsOf(int threads) {
  return threads == 1 ? cpuSeconds() : seconds();
}

/// Bytes a second that `threads` read of memory once, a part each.
inline double streamRate(const char *data, size_t bytes, int threads) {
  std::atomic<uint64_t> keep{0};
  std::vector<std::thread> team;
  size_t part = bytes / threads / 512 * 512;
  double start = secondsOf(threads);
  for (int t = 1; t < threads; ++t)
    team.emplace_back([&, t] { keep += sumOfLines(data + t * part, part); });
  keep += sumOfLines(data, part);
  for (std::thread &thread : team)
    thread.join();
  return double(part) * threads / (secondsOf(threads) - start);
}

} // namespace bench
#endif // ATTN_TEST_PERF_LIMITS_H
