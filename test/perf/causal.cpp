//===- causal.cpp - causal attention against the FMA peak -------*- C++ -*-===//
//
// Times the two cascades of causal.attn at 1k, 4k and 16k keys and prints their
// share of the f32 FMA peak of the machine, measured right before. Work counts
// the visible pairs only: 2 (d + e) flops each.  Usage: causal LIBRARY
//
//===----------------------------------------------------------------------===//

#include "attn/runtime.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <random>
#include <thread>
#include <vector>

namespace {

double seconds() {
  using namespace std::chrono;
  return duration<double>(steady_clock::now().time_since_epoch()).count();
}

/// Sixteen independent chains of vector FMAs; the result keeps them alive.
float fmaChains(long steps) {
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
double fmaPeak(int threads) {
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

/// Random values of N(0,1) in f32 or, by dropping bits, bf16.
std::vector<char> randomTensor(int64_t count, bool isHalf) {
  std::vector<char> bytes(count * (isHalf ? 2 : 4));
  std::mt19937 generator(1);
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

} // namespace

int main(int argc, char **argv) {
  attn_library *library = nullptr;
  if (argc != 2 || attn_library_open(argv[1], &library) != ATTN_OK) {
    std::fprintf(stderr, "causal: %s\n",
                 argc == 2 ? attn_last_error() : "usage: causal LIBRARY");
    return 2;
  }
  const int threads = attn_context_threads(nullptr);
  const int64_t heads = 4, depth = 128;
  double peak = fmaPeak(threads);
  std::printf("f32 FMA peak, %d threads: %.0f GFLOP/s\n", threads, peak / 1e9);
  std::printf("%-12s %6s %10s %10s %6s\n", "causal", "keys", "ms", "GFLOP/s",
              "share");
  for (const char *name : {"causal_f32", "causal_bf16"}) {
    const attn_entry_desc *entry = attn_library_find(library, name);
    if (!entry) {
      std::fprintf(stderr, "causal: %s\n", attn_last_error());
      return 1;
    }
    const bool isHalf = std::strcmp(name, "causal_bf16") == 0;
    for (int64_t keys : {1024, 4096, 16384}) {
      int64_t shape[4] = {1, heads, keys, depth};
      std::vector<char> data[4];
      DLTensor tensors[4], *pointers[4];
      for (int i = 0; i < 4; ++i) {
        data[i] = randomTensor(heads * keys * depth, isHalf);
        tensors[i] = attn_tensor(data[i].data(),
                                 isHalf ? ATTN_DTYPE_BFLOAT : ATTN_DTYPE_FLOAT,
                                 isHalf ? 16 : 32, 4, shape);
        pointers[i] = &tensors[i];
      }
      double best = 1e30, spent = 0;
      for (int run = 0; run < 2 || (run < 20 && spent < 3); ++run) {
        double start = seconds();
        if (attn_invoke(nullptr, entry, pointers) != ATTN_OK) {
          std::fprintf(stderr, "causal: %s\n", attn_last_error());
          return 1;
        }
        double time = seconds() - start;
        best = std::min(best, time);
        spent += time;
      }
      double flops = 2.0 * 2 * depth * heads * keys * (keys + 1) / 2;
      std::printf("%-12s %6ld %10.2f %10.1f %5.0f%%\n", name,
                  static_cast<long>(keys), best * 1e3, flops / best / 1e9,
                  100 * flops / best / peak);
    }
  }
  attn_library_close(library);
  return 0;
}
