//===- MatrixTest.cpp - products of longer types on a matrix unit *- C++
//-*-===//
// Elements of f32 and f16 are sums of bf16 there: attention against plain loops
// in f64, on data that such sums could spoil.
//===----------------------------------------------------------------------===//
#include "attn/Compiler.h"
#include "attn/runtime.h"
#include "llvm/ADT/StringRef.h"
#include "gtest/gtest.h"
#include <cmath>
#include <limits>
#include <random>

using namespace attn;

namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr int64_t depth = 64;

const char *const program = R"(
cascade causal(Q: TYPE[m,d=64], K: TYPE[n,d], V: TYPE[n,e=64]) -> O: TYPE[m,e]
{
  S[m,n] = sum[d](Q * K) / 8 where n <= m
  O[m,e] = sum[n](softmax[n](S) * V)
}
cascade linear(Q: TYPE[m,d=64], K: TYPE[n,d], V: TYPE[n,e=64]) -> O: TYPE[m,e]
{
  S[m,n] = sum[d](Q * K) where n <= m
  O[m,e] = sum[n](S * V)
}
)";

using Floats = std::vector<float>;

Floats noise(int64_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> uniform(-1, 1);
  Floats values(count);
  for (float &x : values)
    x = uniform(random);
  return values;
}

struct Problem {
  int64_t m;
  Floats Q = noise(m * depth, 1), K = noise(m * depth, 2),
         V = noise(m * depth, 3);
};

/// In f64; what is not finite is treated as floats are, a score of -inf is no
/// point.
std::vector<double> expected(const Problem &p, bool isLinear) {
  std::vector<double> O(p.m * depth);
  for (int64_t m = 0; m < p.m; ++m) {
    std::vector<double> s(m + 1);
    double max = -infinity, sum = 0;
    for (int64_t n = 0; n <= m; ++n) {
      for (int64_t d = 0; d < depth; ++d)
        s[n] += double(p.Q[m * depth + d]) * p.K[n * depth + d];
      s[n] /= isLinear ? 1 : 8;
      max = std::isnan(s[n]) ? s[n] : std::max(max, s[n]);
    }
    for (int64_t n = 0; n <= m; ++n) {
      if (!isLinear && s[n] == -infinity)
        continue;
      double weight = isLinear ? s[n] : std::exp(s[n] - max);
      sum += weight;
      for (int64_t e = 0; e < depth; ++e)
        O[m * depth + e] += weight * p.V[n * depth + e];
    }
    for (int64_t e = 0; e < depth && !isLinear; ++e)
      O[m * depth + e] /= sum == 0 ? 1 : sum;
  }
  return O;
}

struct F32 {
  static constexpr const char *name = "f32";
  static constexpr int bits = 32;
  static constexpr double rounding = 2e-6;
  using Stored = float;
  static Stored stored(float x) { return x; }
  static float value(Stored x) { return x; }
};

struct F16 {
  static constexpr const char *name = "f16";
  static constexpr int bits = 16;
  static constexpr double rounding = 1e-3;
  using Stored = _Float16;
  static Stored stored(float x) { return Stored(x); }
  static float value(Stored x) { return x; }
};

template <typename T> class Matrix : public testing::Test {
protected:
  static Kernel &kernel(const char *entry) {
    static std::map<std::string, Kernel> kernels;
    auto found = kernels.find(entry);
    if (found != kernels.end())
      return found->second;
    std::string text = program;
    for (size_t at; (at = text.find("TYPE")) != std::string::npos;)
      text.replace(at, 4, T::name);
    Compiler::Options options;
    options.entry = entry;
    options.cache = "";
    auto compiled = Compiler(options).compile(text);
    EXPECT_TRUE(bool(compiled)) << compiled.message();
    return kernels.emplace(entry, *compiled).first->second;
  }

  /// `error` is relative to `scale`; 0 asks for the same bits.
  static void check(Problem p, double error, double scale = 1,
                    const char *entry = "causal") {
    using Stored = typename T::Stored;
    std::vector<Stored> data[4];
    Floats *inputs[] = {&p.Q, &p.K, &p.V};
    for (int i = 0; i < 3; ++i)
      for (float &x : *inputs[i]) {
        data[i].push_back(T::stored(x));
        x = T::value(data[i].back());
      }
    auto want = expected(p, llvm::StringRef(entry) == "linear");
    data[3].assign(p.m * depth, T::stored(12344));
    int64_t shape[] = {p.m, depth};
    DLTensor tensors[4];
    std::vector<DLTensor *> pointers;
    for (int i = 0; i < 4; ++i) {
      tensors[i] =
          attn_tensor(data[i].data(), ATTN_DTYPE_FLOAT, T::bits, 2, shape);
      pointers.push_back(&tensors[i]);
    }
    ASSERT_EQ(kernel(entry)(pointers), ATTN_OK) << attn_last_error();
    for (size_t i = 0; i < want.size(); ++i) {
      double got = T::value(data[3][i]);
      if (std::abs(want[i]) > std::numeric_limits<float>::max())
        want[i] = std::copysign(infinity, want[i]);
      if (!std::isfinite(want[i]))
        ASSERT_TRUE(std::isnan(want[i]) ? std::isnan(got) : got == want[i])
            << got << ", not " << want[i] << " at " << i;
      else
        ASSERT_NEAR(got, want[i], error * scale) << i << " of m=" << p.m;
    }
  }
};

using Types = testing::Types<F32, F16>;
TYPED_TEST_SUITE(Matrix, Types);

TYPED_TEST(Matrix, sizes) {
  for (int64_t m : {1, 31, 64, 65, 130, 300})
    this->check({m}, TypeParam::rounding);
}

TYPED_TEST(Matrix, everyPieceHasItsPlace) {
  // Integers of 11 bits and of 20 in the weights; all sums are below 2^24.
  Problem p{150};
  std::mt19937 random(5);
  p.K.assign(p.K.size(), 0);
  p.V.assign(p.V.size(), 0);
  bool isShort = TypeParam::bits == 16;
  for (float &q : p.Q)
    q = int(random() % (isShort ? 63 : 4095)) - (isShort ? 31 : 2047);
  for (int64_t n = 0; n < p.m; ++n)
    for (int i = 0; i < (isShort ? 1 : 4); ++i)
      p.K[n * depth + random() % depth] = int(random() % 127) - 63;
  for (int64_t e = 0; e < depth; ++e)
    for (int i = 0; i < (isShort ? 1 : 8); ++i)
      p.V[random() % p.m * depth + e] = 1;
  this->check(p, 0, 1, "linear");
}

TYPED_TEST(Matrix, dataAtMaskedPoints) {
  Problem p{130};
  for (int64_t i = 0; i < depth; ++i) {
    p.K[129 * depth + i] = std::numeric_limits<float>::quiet_NaN();
    p.V[129 * depth + i] = infinity;
  }
  this->check(p, TypeParam::rounding);
}

TYPED_TEST(Matrix, infiniteScores) {
  // A key that no query sees, and one that takes all.
  Problem p{200};
  for (int64_t m = 0; m < p.m; ++m)
    p.Q[m * depth] = 0.5; // whose smaller pieces are 0
  p.K[0] = p.K[70 * depth] = -infinity;
  this->check(p, TypeParam::rounding);
  p.K[0] = -1;
  p.K[150 * depth + 1] = infinity; // the sign of any query
  this->check(p, TypeParam::rounding);
  // A query that is infinite itself.
  p = {200};
  p.Q[100 * depth + 7] = -infinity;
  this->check(p, TypeParam::rounding);
}

TYPED_TEST(Matrix, infiniteValues) {
  Problem p{200};
  p.V[3 * depth + 5] = infinity;
  p.V[40 * depth + 6] = -infinity;
  p.V[41 * depth + 6] = infinity;
  p.V[90 * depth + 9] = std::numeric_limits<float>::quiet_NaN();
  this->check(p, TypeParam::rounding);
}

TYPED_TEST(Matrix, infiniteWeights) {
  if (TypeParam::bits == 16)
    GTEST_SKIP() << "sums of f16 data stay finite";
  Problem p{100};
  for (int64_t d = 0; d < depth; ++d)
    p.Q[50 * depth + d] = p.K[20 * depth + d] = 1e30f;
  for (float &x : p.V)
    x = std::abs(x) + 0.5f;
  this->check(p, 1e-5, 1e30, "linear");
}

TYPED_TEST(Matrix, magnitudes) {
  if (TypeParam::bits == 16)
    GTEST_SKIP() << "f16 has no such numbers";
  Problem p{130};
  for (float &x : p.Q)
    x *= 1e15f;
  for (float &x : p.K)
    x *= 1e-15f;
  for (float &x : p.V)
    x *= 1e30f;
  this->check(p, TypeParam::rounding, 1e30);
  for (float &x : p.V)
    x = x * 1e-30f * 1e-25f;
  this->check(p, TypeParam::rounding, 1e-25);
}

} // namespace
