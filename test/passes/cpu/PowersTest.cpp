//===- PowersTest.cpp - weights in bf16 beside a matrix unit ----*- C++ -*-===//
// Steps whose points are all there make weights in pairs of 16 bits
// (passes/cpu/matrix/Powers.h): softmax of known scores against f64, and scores
// that such words cannot hold.
//===----------------------------------------------------------------------===//
#include "attn/Compiler.h"
#include "attn/runtime.h"
#include "gtest/gtest.h"
#include <cmath>
#include <cstring>
#include <limits>
#include <random>

using namespace attn;

namespace {

constexpr int64_t queries = 40, keys = 400, depth = 64;
constexpr float infinity = std::numeric_limits<float>::infinity();

const char *const program = R"(
cascade attention(Q: bf16[m,d=64], K: bf16[n,d], V: bf16[n,e=64]) -> O: bf16[m,e]
{
  O[m,e] = sum[n](softmax[n](sum[d](Q * K)) * V)
}
)";

uint16_t rounded(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, 4);
  return std::isnan(x) ? 0x7fc0 : (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}

float valueOf(uint16_t code) {
  uint32_t bits = uint32_t(code) << 16;
  float x;
  std::memcpy(&x, &bits, 4);
  return x;
}

/// The first two elements of queries and keys alone make scores.
struct Problem {
  std::vector<uint16_t> Q = std::vector<uint16_t>(queries * depth),
                        K = std::vector<uint16_t>(keys * depth),
                        V = std::vector<uint16_t>(keys * depth),
                        O = std::vector<uint16_t>(queries * depth, 0x4641);

  Problem() {
    for (int64_t m = 0; m < queries; ++m)
      Q[m * depth] = rounded(1);
  }
  uint16_t &key(int64_t n, int64_t d = 0) { return K[n * depth + d]; }

  void run() {
    static Kernel kernel = [] {
      Compiler::Options options;
      options.cache = "";
      auto compiled = Compiler(options).compile(program);
      EXPECT_TRUE(bool(compiled)) << compiled.message();
      return *compiled;
    }();
    int64_t shapes[2][2] = {{queries, depth}, {keys, depth}};
    auto tensor = [&](std::vector<uint16_t> &data, int64_t *shape) {
      return attn_tensor(data.data(), ATTN_DTYPE_BFLOAT, 16, 2, shape);
    };
    DLTensor q = tensor(Q, shapes[0]), k = tensor(K, shapes[1]),
             v = tensor(V, shapes[1]), o = tensor(O, shapes[0]);
    ASSERT_EQ(kernel({&q, &k, &v, &o}), ATTN_OK) << attn_last_error();
  }

  double weight(int64_t m, int64_t n) const {
    double max = -infinity, sum = 0, own = 0;
    auto score = [&](int64_t at) {
      return double(valueOf(Q[m * depth])) * valueOf(K[at * depth]) +
             double(valueOf(Q[m * depth + 1])) * valueOf(K[at * depth + 1]);
    };
    for (int64_t i = 0; i < keys; ++i)
      max = std::max(max, score(i));
    for (int64_t i = 0; i < keys; ++i) {
      double x = std::exp(score(i) - max);
      sum += x;
      own = i == n ? x : own;
    }
    return own / sum;
  }

  /// V shows the weights of `depth` keys from `first` on.
  void show(int64_t first) {
    std::fill(V.begin(), V.end(), 0);
    for (int64_t e = 0; e < depth; ++e)
      V[(first + e) * depth + e] = rounded(1);
    run();
  }
};

TEST(Powers, errorsAreThoseOfBf16) {
  Problem p;
  std::mt19937 random(3);
  std::uniform_real_distribution<float> uniform(-8, 0);
  for (int64_t n = 0; n < keys; ++n)
    for (int64_t d = 0; d < 2; ++d)
      p.key(n, d) = rounded(uniform(random));
  for (int64_t m = 0; m < queries; ++m)
    p.Q[m * depth + 1] = rounded(m / 64.f);
  p.show(200);
  double squares = 0, most = 0;
  for (int64_t m = 0; m < queries; ++m)
    for (int64_t e = 0; e < depth; ++e) {
      double want = p.weight(m, 200 + e),
             error = valueOf(p.O[m * depth + e]) / want - 1;
      squares += error * error;
      most = std::max(most, std::abs(error));
    }
  // Of the weights 2.0e-3 and 5.9e-3, of rounding results 1.7e-3 and 3.9e-3.
  EXPECT_LT(std::sqrt(squares / (queries * depth)), 2.8e-3);
  EXPECT_LT(most, 1.05e-2);
}

TEST(Powers, onlyOneKeyCounts) {
  // Whatever its place, its weight is 1.
  for (int64_t n : {0, 127, 128, 200, 399}) {
    Problem p;
    p.key(n) = rounded(100.3f);
    for (int64_t e = 0; e < depth; ++e)
      p.V[n * depth + e] = rounded(1 + e / 64.f);
    p.run();
    for (int64_t m = 0; m < queries; ++m)
      for (int64_t e = 0; e < depth; ++e)
        ASSERT_EQ(p.O[m * depth + e], p.V[n * depth + e]) << n;
  }
}

TEST(Powers, scoresFarAway) {
  // Above the first ones by more than an exponent bears, by more than a word,
  // by more than a sum with a word's places; far below; infinitely below.
  for (float score : {60.f, 130.f, 300.f, 4e4f, 3e5f, 1e30f, -60.f, -130.f,
                      -300.f, -4e4f, -1e30f, -infinity}) {
    Problem p;
    p.key(300) = rounded(score);
    p.show(290);
    for (int64_t e = 0; e < depth; ++e)
      EXPECT_NEAR(valueOf(p.O[7 * depth + e]), p.weight(7, 290 + e),
                  1e-2 * p.weight(7, 290 + e) + 1e-37)
          << score << " at " << e;
  }
}

TEST(Powers, whatIsNoNumberStaysOne) {
  for (uint16_t code : {0x7fc0, 0xffc0, 0x7fff, 0xffff, 0x7f81, 0x7f80}) {
    Problem p;
    p.key(300) = code;
    p.show(290);
    for (uint16_t o : p.O)
      ASSERT_TRUE(std::isnan(valueOf(o))) << code;
    // In one query alone.
    Problem one;
    one.Q[9 * depth] = code;
    one.key(250) = rounded(2);
    one.show(290);
    for (int64_t m = 0; m < queries; ++m)
      ASSERT_EQ(std::isnan(valueOf(one.O[m * depth])), m == 9) << m;
  }
}

} // namespace
