//===- causal.cpp - causal attention against the FMA peak -------*- C++ -*-===//
//
// Times the two cascades of causal.attn at 1k, 4k and 16k keys and prints their
// share of the f32 FMA peak of the machine, measured right before. Work counts
// the visible pairs only: 2 (d + e) flops each.  Usage: causal LIBRARY
//
//===----------------------------------------------------------------------===//

#include "Bench.h"

using namespace bench;

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
      Bytes data[4];
      DLTensor tensors[4], *pointers[4];
      for (int i = 0; i < 4; ++i) {
        data[i] = randomTensor(heads * keys * depth, isHalf, i + 1);
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
