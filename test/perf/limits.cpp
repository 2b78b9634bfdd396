//===- limits.cpp - the limits of a machine, for Python ---------*- C++ -*-===//
// Rates of all threads together, while all of them run.
//===----------------------------------------------------------------------===//
#include "Limits.h"

#include <atomic>

using namespace bench;

static double together(int threads, double (*rate)()) {
  std::vector<double> rates(threads);
  std::vector<std::thread> team;
  for (double &result : rates)
    team.emplace_back([&result, rate] {
      for (int attempt = 0; attempt < 5; ++attempt)
        result = std::max(result, rate());
    });
  double sum = 0;
  for (int t = 0; t < threads; ++t) {
    team[t].join();
    sum += rates[t];
  }
  return sum;
}

#define EXPORT extern "C" __attribute__((visibility("default")))

/// 0: there is no matrix unit.
EXPORT double attn_limit_matrix(int threads) {
  static const bool granted = requestMatrixUnit();
  return granted ? together(threads, matrixRate) : 0;
}
EXPORT double attn_limit_fma(int threads) { return together(threads, fmaRate); }
EXPORT double attn_limit_exp(int threads) {
  return together(threads, exponentialRate);
}
EXPORT double attn_limit_stream(const char *data, size_t bytes, int threads) {
  return streamRate(data, bytes, threads);
}
