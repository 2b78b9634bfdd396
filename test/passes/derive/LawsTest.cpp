//===- LawsTest.cpp - each law on random values -------------------------===//
// The identities of Laws.def, on random rows with infinities, empty sets, one
// point, and cuts at any place: what a law makes of a row equals what the row
// says. A law without a property here fails.
//===----------------------------------------------------------------------===//
#include <cmath>
#include <functional>
#include <gtest/gtest.h>
#include <limits>
#include <map>
#include <random>
#include <string>
#include <vector>

namespace {

constexpr double inf = std::numeric_limits<double>::infinity();

/// One row: scores and values of its points, some points absent.
struct Row {
  std::vector<double> x, v;
  std::vector<bool> present;
  size_t size() const { return x.size(); }
};

class Random {
public:
  explicit Random(unsigned seed) : engine(seed) {}
  double normal() { return std::normal_distribution<double>()(engine); }
  size_t below(size_t n) {
    return std::uniform_int_distribution<size_t>(0, n - 1)(engine);
  }
  bool chance(double p) { return std::bernoulli_distribution(p)(engine); }

  /// Rows of length 0, 1, primes and more; `infinite`: some scores are -inf.
  Row row(bool infinite = false) {
    constexpr size_t lengths[] = {0, 1, 2, 7, 64, 131};
    Row row;
    double absent = chance(0.2) ? 1.0 : chance(0.5) ? 0.3 : 0.0;
    for (size_t i = 0, n = lengths[below(6)]; i < n; ++i) {
      row.x.push_back(infinite && chance(0.2) ? -inf : 3 * normal());
      row.v.push_back(normal());
      row.present.push_back(!chance(absent));
    }
    return row;
  }
  /// Ends of pieces that cover `size` points, empty ones among them.
  std::vector<size_t> cuts(size_t size) {
    std::vector<size_t> ends;
    for (size_t at = 0; at < size || ends.empty();)
      ends.push_back(at = std::min(size, at + below(size / 2 + 2)));
    return ends;
  }

private:
  std::mt19937 engine;
};

void expectNear(double got, double want) {
  if (std::isinf(want) || std::isnan(want)) {
    EXPECT_EQ(std::isnan(got), std::isnan(want));
    if (std::isinf(want)) {
      EXPECT_EQ(got, want);
    }
    return;
  }
  EXPECT_NEAR(got, want, 1e-10 * std::max(1.0, std::abs(want)));
}

/// sum of f over the present points from `begin` to `end`.
double sum(const Row &row, size_t begin, size_t end,
           const std::function<double(size_t)> &f) {
  double total = 0;
  for (size_t i = begin; i < end; ++i)
    if (row.present[i])
      total += f(i);
  return total;
}
double sum(const Row &row, const std::function<double(size_t)> &f) {
  return sum(row, 0, row.size(), f);
}
double max(const Row &row, size_t begin, size_t end) {
  double most = -inf;
  for (size_t i = begin; i < end; ++i)
    if (row.present[i])
      most = std::max(most, row.x[i]);
  return most;
}
double finite(double m) { return m == -inf ? 0 : m; }
/// h of exp: 1 between equal states, empty ones among them.
double repair(double before, double now) {
  return before == now ? 1 : std::exp(before - now);
}

//===----------------------------------------------------------------------===//
// Properties
//===----------------------------------------------------------------------===//

void hoist(Random &random) {
  Row row = random.row();
  double c = random.normal(), l = random.normal();
  expectNear(sum(row, [&](size_t i) { return c * row.x[i]; }),
             c * sum(row, [&](size_t i) { return row.x[i]; }));
  // A division by a sum that is 0 leaves a row without points 0.
  bool any = sum(row, [](size_t) { return 1.0; }) > 0;
  double s = any ? l : 0;
  expectNear(sum(row, [&](size_t i) { return row.x[i] / s; }),
             any ? sum(row, [&](size_t i) { return row.x[i]; }) / s : 0);
}

void online(Random &random) {
  Row row = random.row(/*infinite=*/true);
  double m = -inf, a = 0;
  size_t begin = 0;
  for (size_t end : random.cuts(row.size())) {
    double now = std::max(m, max(row, begin, end));
    a = a * repair(m, now) + sum(row, begin, end, [&](size_t i) {
          return std::exp(row.x[i] - finite(now)) * row.v[i];
        });
    m = now;
    begin = end;
  }
  expectNear(a, sum(row, [&](size_t i) {
               return std::exp(row.x[i] - finite(max(row, 0, row.size()))) *
                      row.v[i];
             }));
}

/// sum (x - a)^2 v and its lower moments, a the running mean.
void onlineLinear(Random &random) {
  Row row = random.row();
  double count = 0, total = 0, a = 0, m0 = 0, m1 = 0, m2 = 0;
  size_t begin = 0;
  for (size_t end : random.cuts(row.size())) {
    count += sum(row, begin, end, [](size_t) { return 1.0; });
    total += sum(row, begin, end, [&](size_t i) { return row.x[i]; });
    double now = total / count; // NaN while there is nothing
    double move = a - now;
    if (!(std::abs(move) < inf))
      move = 0;
    m2 += 2 * move * m1 + move * move * m0;
    m1 += move * m0;
    auto part = [&](int power) {
      return sum(row, begin, end, [&](size_t i) {
        return std::pow(row.x[i] - now, power) * row.v[i];
      });
    };
    m0 += part(0);
    m1 += part(1);
    m2 += part(2);
    if (count > 0)
      a = now;
    begin = end;
  }
  double mean = total / count;
  expectNear(m1,
             sum(row, [&](size_t i) { return (row.x[i] - mean) * row.v[i]; }));
  expectNear(m2, sum(row, [&](size_t i) {
               return (row.x[i] - mean) * (row.x[i] - mean) * row.v[i];
             }));
}

/// Pairs (v, u) as points c = v |u| + u, absent ones among them, either extent
/// 0.
void fubini(Random &random) {
  size_t n = random.below(8), m = random.below(8);
  std::vector<double> x(n * m);
  std::vector<bool> present(n * m);
  for (size_t c = 0; c < n * m; ++c) {
    x[c] = random.chance(0.1) ? -inf : random.normal();
    present[c] = random.chance(0.8);
  }
  double total = 0, most = -inf;
  for (size_t u = 0; u < m; ++u)
    for (size_t v = 0; v < n; ++v)
      if (present[v * m + u]) {
        total += std::exp(x[v * m + u]) * double(v + 1) / double(u + 1);
        most = std::max(most, x[v * m + u]);
      }
  double joint = 0, jointMost = -inf;
  for (size_t c = 0; c < n * m; ++c)
    if (present[c]) {
      joint += std::exp(x[c]) * double(c / m + 1) / double(c % m + 1);
      jointMost = std::max(jointMost, x[c]);
    }
  expectNear(joint, total);
  expectNear(jointMost, most);
}

/// Rows first, then their results; rows without points among them.
void nest(Random &random) {
  double whole = 0, most = -inf, rows = 0, rowMost = -inf;
  for (size_t m = 0, n = random.below(6); m < n; ++m) {
    Row row = random.row();
    double top = finite(max(row, 0, row.size()));
    double own = sum(row, [&](size_t i) { return std::exp(row.x[i] - top); });
    for (size_t i = 0; i < row.size(); ++i)
      if (row.present[i]) {
        whole += std::exp(row.x[i] - top);
        most = std::max(most, row.x[i]);
      }
    rows += own;
    rowMost = std::max(rowMost, max(row, 0, row.size()));
  }
  expectNear(rows, whole);
  expectNear(rowMost, most);
}

/// Steps in a loop and one after the other, from none to a few.
void unroll(Random &random) {
  double a = random.normal(), b = random.normal(), z = random.normal();
  auto f = [&](double x) { return a * x + b; };
  double loop[5] = {z};
  for (int k = 1; k < 5; ++k)
    loop[k] = f(loop[k - 1]);
  expectNear(loop[1], f(z));
  expectNear(loop[2], f(f(z)));
  expectNear(loop[4], f(f(f(f(z)))));
}

/// The diagonal of a product of matrices, computed alone.
void demand(Random &random) {
  size_t n = random.below(6), depth = random.below(4);
  std::vector<double> q(n * depth), k(n * depth), product(n * n);
  for (size_t i = 0; i < n * depth; ++i) {
    q[i] = random.normal();
    k[i] = random.normal();
  }
  for (size_t i = 0; i < n; ++i)
    for (size_t j = 0; j < n; ++j)
      for (size_t d = 0; d < depth; ++d)
        product[i * n + j] += q[i * depth + d] * k[j * depth + d];
  for (size_t i = 0; i < n; ++i) {
    double own = 0;
    for (size_t d = 0; d < depth; ++d)
      own += q[i * depth + d] * k[i * depth + d];
    expectNear(own, product[i * n + i]);
  }
}

void onlineShift(Random &random) {
  Row row = random.row();
  double a = 0, m = -inf;
  size_t begin = 0;
  for (size_t end : random.cuts(row.size())) {
    double now = a + random.normal();
    m = std::max(m + (a - now), max(row, begin, end) - now);
    a = now;
    begin = end;
  }
  expectNear(m, max(row, 0, row.size()) - a);
}

void separate(Random &random) {
  Row row = random.row();
  double c = random.normal(), d = random.normal();
  expectNear(sum(row, [&](size_t i) { return (c * row.x[i] + d) * row.v[i]; }),
             c * sum(row, [&](size_t i) { return row.x[i] * row.v[i]; }) +
                 d * sum(row, [&](size_t i) { return row.v[i]; }));
}

void product(Random &random) {
  Row row = random.row();
  double s = 0, m = -inf;
  for (size_t i = 0; i < row.size(); ++i)
    if (row.present[i]) {
      s += row.x[i];
      m = std::max(m, row.x[i]);
    }
  expectNear(s, sum(row, [&](size_t i) { return row.x[i]; }));
  expectNear(m, max(row, 0, row.size()));
}

/// States of any two pieces, in either order.
void merge(Random &random) {
  Row row = random.row(/*infinite=*/true);
  size_t cut = random.below(row.size() + 1);
  auto state = [&](size_t begin, size_t end) {
    double m = max(row, begin, end);
    return std::pair(m, sum(row, begin, end, [&](size_t i) {
                       return std::exp(row.x[i] - finite(m)) * row.v[i];
                     }));
  };
  auto [m1, a1] = state(0, cut);
  auto [m2, a2] = state(cut, row.size());
  auto [m, a] = state(0, row.size());
  double most = std::max(m1, m2);
  expectNear(most, m);
  expectNear(a1 * repair(m1, most) + a2 * repair(m2, most), a);
}

/// sum[n](sum[f](a b) v) in both orders; conditions on n go with b, those on
/// the result stay outside; a quotient of the result meets no sum of nothing.
void reassoc(Random &random) {
  Row row = random.row();
  size_t features = random.below(5); // none, too
  std::vector<double> a(features);
  std::vector<std::vector<double>> b(features);
  for (size_t f = 0; f < features; ++f) {
    a[f] = random.normal();
    for (size_t i = 0; i < row.size(); ++i)
      b[f].push_back(random.normal());
  }
  double score = sum(row, [&](size_t i) {
    double s = 0;
    for (size_t f = 0; f < features; ++f)
      s += a[f] * b[f][i];
    return s * row.v[i];
  });
  double state = 0;
  for (size_t f = 0; f < features; ++f)
    state += a[f] * sum(row, [&](size_t i) { return b[f][i] * row.v[i]; });
  expectNear(state, score);
  bool any = features > 0 && sum(row, [](size_t) { return 1.0; }) > 0;
  double z = any ? random.normal() : 0;
  double divided = sum(row, [&](size_t i) {
    double s = 0;
    for (size_t f = 0; f < features; ++f)
      s += a[f] * b[f][i] / z * row.v[i];
    return s;
  });
  expectNear(any ? state / z : 0, divided);
}

/// Bounded scores, any finite value in place of their maximum; rows of no point
/// give 0, and -inf as their log of a sum.
void freeShift(Random &random) {
  Row row = random.row();
  double cap = 1 + 40 * std::abs(std::sin(random.normal()));
  auto score = [&](size_t i) { return cap * std::tanh(row.x[i] / cap); };
  double m = -inf;
  for (size_t i = 0; i < row.size(); ++i)
    if (row.present[i])
      m = std::max(m, score(i));
  auto weigh = [&](double c) {
    double total = 0, normaliser = 0;
    for (size_t i = 0; i < row.size(); ++i)
      if (row.present[i]) {
        total += std::exp(score(i) - c) * row.v[i];
        normaliser += std::exp(score(i) - c);
      }
    return std::pair(normaliser == 0 ? 0 : total / normaliser,
                     c + std::log(normaliser));
  };
  double c = random.normal(); // a finite value
  auto [mean, lse] = weigh(c);
  auto [wantMean, wantLse] = weigh(m == -inf ? 0 : m);
  expectNear(mean, wantMean);
  expectNear(lse, wantLse);
}

/// A maximum of points none of which is -inf, taken in pieces, tells whether a
/// row has one.
void witness(Random &random) {
  Row row = random.row(/*infinite=*/true);
  bool any = false;
  for (size_t i = 0; i < row.size(); ++i) {
    row.present[i] = row.present[i] && row.x[i] != -inf;
    any |= row.present[i];
  }
  double m = -inf;
  size_t begin = 0;
  for (size_t end : random.cuts(row.size())) {
    m = std::max(m, max(row, begin, end));
    begin = end;
  }
  EXPECT_EQ(m != -inf, any);
}

/// Every prefix of a row, empty ones and those that end before the point among
/// them, from the one before.
void prefix(Random &random) {
  Row row = random.row(/*infinite=*/true);
  size_t shift = random.below(3);
  double total = 0, greatest = -inf;
  for (size_t t = 0; t < row.size(); ++t) {
    if (t >= shift && row.present[t - shift]) {
      total += row.v[t - shift];
      greatest = std::max(greatest, row.x[t - shift]);
    }
    Row prefix = row;
    for (size_t i = 0; i < row.size(); ++i)
      prefix.present[i] = row.present[i] && i + shift <= t;
    expectNear(total, sum(prefix, [&](size_t i) { return row.v[i]; }));
    EXPECT_EQ(greatest, max(prefix, 0, row.size()));
  }
}

const std::map<std::string, void (*)(Random &)> properties = {
    {"UNROLL", unroll},
    {"DEMAND", demand},
    {"NEST", nest},
    {"FUBINI", fubini},
    {"REASSOC", reassoc},
    {"FREE-SHIFT", freeShift},
    {"HOIST", hoist},
    {"ONLINE", online},
    {"ONLINE-LINEAR", onlineLinear},
    {"ONLINE-SHIFT", onlineShift},
    {"SEPARATE", separate},
    {"PRODUCT", product},
    {"WITNESS", witness},
    {"MERGE", merge},
    {"PREFIX", prefix},
};

TEST(Laws, Properties) {
  const char *names[] = {
#define ATTN_LAW(id, name, identity, conditions, apply) name,
#include "passes/derive/Laws.def"
  };
  for (const char *name : names) {
    auto it = properties.find(name);
    ASSERT_NE(it, properties.end()) << name << " has no property";
    for (unsigned seed = 0; seed < 500; ++seed) {
      SCOPED_TRACE(std::string(name) + " " + std::to_string(seed));
      Random random(seed);
      it->second(random);
      if (HasFailure())
        return;
    }
  }
}

/// What the laws must refuse is not true: a factor under max that may be
/// negative, a factor of another map than *.
TEST(Laws, Refusals) {
  EXPECT_NE(std::max(-1.0 * 1, -1.0 * 2), -1.0 * std::max(1, 2));
  // A mask on both ranks is no factor of either.
  double q[] = {2, 3}, k[] = {5, 7}; // points n <= m
  EXPECT_NE(q[0] * k[0], q[0] * (k[0] + k[1]));
  auto other = [](double x, double y) { return x + y + x * y; };
  EXPECT_NE(other(6.0 / 2, 1), other(6.0, 1) / 2);
}

} // namespace
