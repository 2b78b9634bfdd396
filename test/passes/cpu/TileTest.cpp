//===- TileTest.cpp - tile kernels against plain loops ----------*- C++ -*-===//
#include "Harness.h"
#include <limits>

using namespace attn;
using namespace attn::test;

namespace {

std::string replaceAll(std::string text, llvm::StringRef from,
                       llvm::StringRef to) {
  for (size_t at = 0; (at = text.find(from, at)) != std::string::npos;
       at += to.size())
    text.replace(at, from.size(), to);
  return text;
}

struct Problem {
  int64_t b, h, m, d, e;
};

/// Softmax attention over keys n <= m in f64; -inf scores are no points.
std::vector<double> causal(const Problem &p, const std::vector<float> &Q,
                           const std::vector<float> &K,
                           const std::vector<float> &V) {
  std::vector<double> O(p.b * p.h * p.m * p.e);
  for (int64_t bh = 0; bh < p.b * p.h; ++bh)
    for (int64_t m = 0; m < p.m; ++m) {
      std::vector<double> s(m + 1);
      double max = -std::numeric_limits<double>::infinity(), sum = 0;
      for (int64_t n = 0; n <= m; ++n) {
        for (int64_t d = 0; d < p.d; ++d)
          s[n] +=
              double(Q[(bh * p.m + m) * p.d + d]) * K[(bh * p.m + n) * p.d + d];
        s[n] *= 0.125;
        max = std::isnan(s[n]) ? s[n] : std::max(max, s[n]);
      }
      for (int64_t n = 0; n <= m; ++n) {
        if (std::isinf(s[n]) && s[n] < 0)
          continue;
        double weight = std::exp(s[n] - max);
        sum += weight;
        for (int64_t e = 0; e < p.e; ++e)
          O[(bh * p.m + m) * p.e + e] += weight * V[(bh * p.m + n) * p.e + e];
      }
      for (int64_t e = 0; e < p.e; ++e)
        O[(bh * p.m + m) * p.e + e] /= sum == 0 ? 1 : sum;
    }
  return O;
}

class TileCausal : public testing::TestWithParam<const char *> {
protected:
  Compiled f32{replaceAll(readTest("dialect/tile/stream.mlir"), "bf16", "f32"),
               GetParam()};
  Compiled bf16{readTest("dialect/tile/stream.mlir"), GetParam()};

  void check(const Problem &p, std::vector<float> Q, std::vector<float> K,
             std::vector<float> V) {
    std::vector<double> expected = causal(p, Q, K, V);
    Tensor q = Tensor::f32({p.b, p.h, p.m, p.d}, Q);
    Tensor k = Tensor::f32({p.b, p.h, p.m, p.d}, K);
    Tensor v = Tensor::f32({p.b, p.h, p.m, p.e}, V);
    Tensor o = Tensor::f32({p.b, p.h, p.m, p.e},
                           std::vector<float>(expected.size(), 12345));
    ASSERT_EQ(f32.run("causal", {&q, &k, &v, &o}), 0);
    for (size_t i = 0; i < expected.size(); ++i) {
      double got = o.data<float>()[i];
      if (std::isnan(expected[i]))
        ASSERT_TRUE(std::isnan(got)) << i;
      else
        ASSERT_NEAR(got, expected[i], 3e-6)
            << i << " of m=" << p.m << " d=" << p.d << " e=" << p.e;
    }
    auto round = [](std::vector<float> values) {
      for (float &x : values)
        x = roundBf16(x);
      return values;
    };
    expected = causal(p, round(Q), round(K), round(V));
    q = Tensor::bf16({p.b, p.h, p.m, p.d}, Q);
    k = Tensor::bf16({p.b, p.h, p.m, p.d}, K);
    v = Tensor::bf16({p.b, p.h, p.m, p.e}, V);
    o = Tensor::bf16({p.b, p.h, p.m, p.e},
                     std::vector<float>(expected.size(), 12345));
    ASSERT_EQ(bf16.run("causal", {&q, &k, &v, &o}), 0);
    for (size_t i = 0; i < expected.size(); ++i) {
      if (std::isnan(expected[i]))
        ASSERT_TRUE(std::isnan(o.bf16At(i))) << i;
      else
        ASSERT_NEAR(o.bf16At(i), expected[i],
                    4.1e-3 * std::abs(expected[i]) + 1e-5)
            << i;
    }
  }
  void check(const Problem &p) {
    int64_t rows = p.b * p.h * p.m;
    check(p, noise(rows * p.d, 1), noise(rows * p.d, 2), noise(rows * p.e, 3));
  }
};

TEST_P(TileCausal, sizes) {
  for (int64_t m : {1, 13, 64, 65, 200})
    for (int64_t d : {7, 64, 128})
      check({1, 2, m, d, d});
  check({2, 1, 100, 64, 31});
  check({1, 1, 128, 16, 48});
}

TEST_P(TileCausal, dataAtMaskedPoints) {
  // Keys and values beyond every query but the last are NaN and infinite.
  Problem p{1, 1, 130, 64, 64};
  auto Q = noise(130 * 64, 1), K = noise(130 * 64, 2), V = noise(130 * 64, 3);
  for (int64_t i = 0; i < 64; ++i) {
    K[129 * 64 + i] = std::numeric_limits<float>::quiet_NaN();
    V[129 * 64 + i] = std::numeric_limits<float>::infinity();
  }
  check(p, Q, K, V);
}

TEST_P(TileCausal, infiniteScores) {
  // Key 70 scores -inf with queries whose first component is positive, +inf
  // with the others.
  Problem p{1, 1, 200, 64, 64};
  auto Q = noise(200 * 64, 1), K = noise(200 * 64, 2), V = noise(200 * 64, 3);
  for (int64_t m = 0; m < 200; ++m)
    Q[m * 64] = 0.5f;
  K[70 * 64] = -std::numeric_limits<float>::infinity();
  K[0] = -std::numeric_limits<float>::infinity();
  check(p, Q, K, V);
}

INSTANTIATE_TEST_SUITE_P(Targets, TileCausal,
                         testing::Values("x86-64-v4", "x86-64-v3", "x86-64"));

} // namespace
