//===- GqaTest.cpp - grouped causal attention, as written -------*- C++ -*-===//
#include "Harness.h"

using namespace attn::test;

namespace {
struct Shape {
  int64_t b, h, m, d, g, n, e;
};

void check(const Shape &s, Compiled &compiled) {
  auto q = noise(s.b * s.h * s.m * s.d, 1), k = noise(s.b * s.g * s.n * s.d, 2),
       v = noise(s.b * s.g * s.n * s.e, 3);
  for (auto *values : {&q, &k, &v})
    for (float &x : *values)
      x = roundBf16(x);
  Tensor Q = Tensor::bf16({s.b, s.h, s.m, s.d}, q),
         K = Tensor::bf16({s.b, s.g, s.n, s.d}, k),
         V = Tensor::bf16({s.b, s.g, s.n, s.e}, v),
         O = Tensor::bf16({s.b, s.h, s.m, s.e},
                          std::vector<float>(s.b * s.h * s.m * s.e, 77));
  ASSERT_EQ(compiled.run("gqa", {&Q, &K, &V, &O}), 0);
  int64_t y = s.g ? (s.h + s.g - 1) / s.g : 0;
  size_t i = 0;
  for (int64_t b = 0; b < s.b; ++b)
    for (int64_t h = 0; h < s.h; ++h)
      for (int64_t m = 0; m < s.m; ++m) {
        std::vector<double> p;
        double best = -INFINITY, sum = 0;
        const float *key = &k[(b * s.g + h / y) * s.n * s.d];
        for (int64_t n = 0; n < s.n && n <= m; ++n) {
          double dot = 0;
          for (int64_t d = 0; d < s.d; ++d)
            dot += double(q[((b * s.h + h) * s.m + m) * s.d + d]) *
                   key[n * s.d + d];
          p.push_back(dot);
          best = std::max(best, dot);
        }
        for (double &x : p)
          sum += x = std::exp(x - best);
        for (int64_t e = 0; e < s.e; ++e, ++i) {
          double out = 0;
          for (size_t n = 0; n < p.size(); ++n)
            out += p[n] / sum * v[((b * s.g + h / y) * s.n + n) * s.e + e];
          ASSERT_NEAR(O.bf16At(i), out, 0.004 * std::abs(out) + 1e-5);
        }
      }
}
} // namespace

TEST(Gqa, MatchesReference) {
  Compiled compiled(readTest("dialect/cascade.mlir"));
  ASSERT_TRUE(compiled.jit);
  check({1, 4, 8, 16, 2, 8, 16}, compiled);
  check({2, 6, 7, 13, 3, 11, 5}, compiled);
  check({1, 1, 1, 1, 1, 1, 1}, compiled);
  check({2, 4, 5, 3, 2, 0, 3}, compiled);
  check({0, 4, 5, 3, 2, 2, 3}, compiled);
}

TEST(Gqa, EveryTargetThisMachineRuns) {
  for (const attn::Target &target : attn::cpuTargets()) {
    if (!attn_cpu_supports(target.name.data()))
      continue;
    SCOPED_TRACE(target.name.str());
    Compiled compiled(readTest("dialect/cascade.mlir"), target.name);
    ASSERT_TRUE(compiled.jit);
    check({1, 4, 9, 24, 2, 9, 17}, compiled);
  }
}
