//===- prefill.cpp - bf16 attention against the machine's limits -*- C++ -*-==//
//
// One thread. The limits of a pair of query and key are the time of its
// products at the rate of the matrix unit and the time of its exponential; both
// are measured right before and after each run. A virtual machine's matrix unit
// has slow spells, of a quarter of its rate: a run beside a reading below nine
// tenths of the best one of the process does not count. Prints nanoseconds a
// visible pair, and the sum and the larger one of the limits as shares of it.
// Usage: prefill LIBRARY [CASCADE] [KEYS]
//
//===----------------------------------------------------------------------===//

#include "Bench.h"

#include <ctime>
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

using namespace bench;

namespace {

/// Of this thread on a CPU: other processes do not count.
double cpuSeconds() {
  timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return t.tv_sec + 1e-9 * t.tv_nsec;
}

struct alignas(64) TileConfig {
  uint8_t palette = 1, start = 0, reserved[14] = {};
  uint16_t bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

/// Flops a second of products of 2 x 2 tiles of random data.
double matrixRate() {
  alignas(64) static uint16_t data[4][512];
  static const bool filled = [] {
    std::mt19937 random(3);
    std::normal_distribution<float> normal;
    for (auto &tile : data)
      for (uint16_t &x : tile) {
        float value = normal(random);
        uint32_t bits;
        std::memcpy(&bits, &value, 4);
        x = bits >> 16;
      }
    return true;
  }();
  (void)filled;
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
}

/// Exponentials a second: polynomial of degree 3 and scalef.
double exponentialRate() {
  alignas(64) static float data[1024];
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
}

struct Limits {
  double matrix, exponential;
};

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
  if (syscall(SYS_arch_prctl, 0x1023, 18)) {
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
      std::vector<char> data[4];
      DLTensor tensors[4], *pointers[4];
      for (int i = 0; i < 4; ++i) {
        data[i] = randomTensor(heads * keys * c.depth, true);
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
        quiet += runs.back().slowest >= 0.9 * best.matrix;
      }
      std::vector<double> times, sums, larger;
      for (const Run &run : runs) {
        if (run.slowest < 0.9 * best.matrix)
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
