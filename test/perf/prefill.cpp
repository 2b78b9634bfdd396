//===- prefill.cpp - bf16 attention against the machine's limits -*- C++ -*-==//
//
// One thread. The limits of a pair of query and key are the time of its
// products at the rate of the matrix unit and the time of its exponential; both
// are measured right before and after each run. A virtual machine's matrix unit
// has slow spells, of a quarter of its rate: a run beside a reading below three
// quarters of the best one of the process does not count (a core that was idle
// is a fifth faster for a moment). Prints nanoseconds a visible pair, and the
// sum and the larger one of the limits as shares of it.
// Usage: prefill LIBRARY [CASCADE] [KEYS]
//
//===----------------------------------------------------------------------===//

#include "Limits.h"

using namespace bench;

namespace {

struct Limits {
  double matrix, exponential;
};

/// Of the best reading: the matrix unit has a slow spell.
constexpr double slow = 0.75;

Limits readLimits() {
  Limits limits{0, 0};
  for (int attempt = 0; attempt < 3; ++attempt) {
    limits.matrix = std::max(limits.matrix, matrixRate());
    limits.exponential = std::max(limits.exponential, exponentialRate());
  }
  return limits;
}

struct Case {
  const char *name;
  int64_t depth;
  bool causal;
};

} // namespace

int main(int argc, char **argv) {
  attn_library *library = nullptr;
  if (argc < 2 || attn_library_open(argv[1], &library) != ATTN_OK) {
    std::fprintf(stderr, "prefill: %s\n",
                 argc < 2 ? "usage: prefill LIBRARY [CASCADE] [KEYS]"
                          : attn_last_error());
    return 2;
  }
  if (!requestMatrixUnit()) {
    std::fprintf(stderr, "prefill: this machine has no matrix unit\n");
    return 4;
  }
  attn_context *one = attn_context_create(1);
  Limits best{0, 0};
  auto read = [&] {
    Limits now = readLimits();
    best = {std::max(best.matrix, now.matrix),
            std::max(best.exponential, now.exponential)};
    return now;
  };
  // Until a slow spell is over, if it is soon.
  for (int i = 0; i < 40 || (best.matrix < 1.5e12 && i < 2000); ++i)
    read();
  std::printf("%-10s %6s %9s %9s %6s %6s %8s\n", "case", "keys", "best ns",
              "median", "sum", "max", "accepted");
  for (const Case &c :
       {Case{"dense64", 64, false}, Case{"causal64", 64, true},
        Case{"dense128", 128, false}, Case{"causal128", 128, true}})
    for (int64_t keys : {2048, 8192}) {
      if ((argc > 2 && std::strcmp(argv[2], c.name)) ||
          (argc > 3 && std::atol(argv[3]) != keys))
        continue;
      const attn_entry_desc *entry = attn_library_find(library, c.name);
      int64_t heads = keys == 2048 ? 2 : 1,
              shape[4] = {1, heads, keys, c.depth};
      Bytes data[4];
      DLTensor tensors[4], *pointers[4];
      for (int i = 0; i < 4; ++i) {
        data[i] = randomTensor(heads * keys * c.depth, true, i + 1);
        tensors[i] =
            attn_tensor(data[i].data(), ATTN_DTYPE_BFLOAT, 16, 4, shape);
        pointers[i] = &tensors[i];
      }
      double pairs = double(heads) * keys * (c.causal ? (keys + 1) / 2. : keys);
      struct Run {
        double time, matrix, exponential, slowest;
      };
      std::vector<Run> runs;
      size_t quiet = 0;
      for (double start = cpuSeconds();
           quiet < 15 && cpuSeconds() - start < 6;) {
        Limits before = read();
        double begin = cpuSeconds();
        if (!entry || attn_invoke(one, entry, pointers) != ATTN_OK) {
          std::fprintf(stderr, "prefill: %s\n", attn_last_error());
          return 1;
        }
        double time = cpuSeconds() - begin;
        Limits after = read();
        runs.push_back({time, std::max(before.matrix, after.matrix),
                        std::max(before.exponential, after.exponential),
                        std::min(before.matrix, after.matrix)});
        quiet += runs.back().slowest >= slow * best.matrix;
      }
      std::vector<double> times, sums, larger;
      for (const Run &run : runs) {
        if (run.slowest < slow * best.matrix)
          continue;
        double time = run.time / pairs * 1e9;
        double matrix = 4.0 * c.depth / run.matrix * 1e9;
        double exponential = 1e9 / run.exponential;
        times.push_back(time);
        sums.push_back((matrix + exponential) / time);
        larger.push_back(std::max(matrix, exponential) / time);
      }
      if (times.empty()) {
        std::printf("%-10s %6ld: the matrix unit was slow all the time\n",
                    c.name, long(keys));
        continue;
      }
      auto median = [](std::vector<double> &values) {
        std::sort(values.begin(), values.end());
        return values[values.size() / 2];
      };
      double middle = median(times);
      std::printf("%-10s %6ld %9.3f %9.3f %5.0f%% %5.0f%% %4zu/%zu\n", c.name,
                  long(keys), times.front(), middle, 100 * median(sums),
                  100 * median(larger), times.size(), runs.size());
    }
  std::printf("limits: matrix unit %.2f TFLOP/s, exponentials %.1f G/s\n",
              best.matrix / 1e12, best.exponential / 1e9);
  attn_context_destroy(one);
  attn_library_close(library);
  return 0;
}
