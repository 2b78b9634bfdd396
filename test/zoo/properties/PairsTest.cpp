//===- PairsTest.cpp - two texts of one meaning -----------------*- C++ -*-===//
// Naming, inlining, reordering and other spellings change nothing, interpreted
// and compiled; and what is derived does not depend on the spelling either.
//===----------------------------------------------------------------------===//
#include "test/zoo/properties/Harness.h"
#include <gtest/gtest.h>

using namespace attn;
using namespace attn::properties;

namespace {

struct Pair {
  const char *name;
  const char *ports, *left, *right;
};

const char *const qkv = "Q: f32[b,m,d], K: f32[b,n,d], V: f32[b,n,e]";

const Pair pairs[] = {
    {"naming", qkv,
     "O[b,m,e] = sum[n](softmax[n](sum[d](Q * K) / sqrt(|d|) where n <= m) * "
     "V)",
     "X[b,m,n] = sum[d](Q * K)\n S[b,m,n] = X / sqrt(|d|)\n"
     "p[m,n] = n <= m\n C[b,m,n] = S where p\n P[b,m,n] = softmax[n](C)\n"
     "O[b,m,e] = sum[n](P * V)"},
    {"order of statements and bare names", qkv,
     "S[b,m,n] = sum[d](Q * K) where n <= m\n P[b,m,n] = softmax[n](S)\n"
     "O[b,m,e] = sum[n](P * V)",
     "O[b,m,e] = sum[n](P[b,m,n] * V[b,n,e])\n"
     "P[b,m,n] = softmax[n](S[b,m,n])\n"
     "S[b,m,n] = sum[d](Q[b,m,d] * K[b,n,d]) where n <= m"},
    {"definitions written out", qkv,
     "S[b,m,n] = sum[d](Q * K)\n O[b,m,e] = sum[n](softmax[n](S) * V)",
     "S[b,m,n] = sum[d](Q * K)\n T[b,m] = max[n](S)\n"
     "E[b,m,n] = exp(S - T)\n Z[b,m] = sum[n](E)\n"
     "O[b,m,e] = sum[n](E / Z * V)"},
    {"hoisted condition", qkv, "O[b,m,e] = sum[n](V where m % 2 == 0) else 7",
     "O[b,m,e] = (sum[n](V) where m % 2 == 0) else 7"},
    {"condition named beside the sum", qkv,
     "p[b,m] = sum[d](num(Q > 0)) > 1\n"
     "O[b,m,e] = sum[n](V where p and n < 3) else 7",
     "O[b,m,e] = (sum[n](V where n < 3) where sum[d](num(Q > 0)) > 1) else 7"},
    {"additive mask and where", qkv,
     "S[b,m,n] = sum[d](Q * K) + select(n <= m and n % 3 != 1, 0, -inf)\n"
     "O[b,m,e] = sum[n](softmax[n](S) * V)",
     "S[b,m,n] = sum[d](Q * K) where n <= m and n % 3 != 1\n"
     "O[b,m,e] = sum[n](softmax[n](S) * V)"},
    {"identity at absent points", qkv, "O[b,m,e] = sum[n](V where n <= m)",
     "O[b,m,e] = sum[n]((V where n <= m) else 0)"},
    {"selection as a set and as a list",
     "Q: i32[b,m,d], K: i32[b,n,d], V: f32[b,n,e]",
     "rank j: 3\n S[b,m,n] = sum[d](Q * K)\n J[b,m,j] = topk[n -> j](S)\n"
     "O[b,m,e] = sum[n](softmax[n](S / 4 where member[j](J, n)) * V)",
     "rank j: 3\n S[b,m,n] = sum[d](Q * K)\n J[b,m,j] = topk[n -> j](S)\n"
     "T[b,m,j] = S[b,m,J] / 4\n"
     "O[b,m,e] = sum[j](softmax[j](T) * V[b,J,e])"},
    {"joint sum and nested sums", qkv, "O[b,m,e] = sum[n,d](Q * K * V)",
     "O[b,m,e] = sum[n](sum[d](Q * K) * V)"},
    {"parts of a product", qkv,
     "rank n = (p, i: 4)\n S[b,m,n] = sum[d](Q * K)\n"
     "O[b,m,e] = sum[n](softmax[n](S) * V)",
     "rank n = (p, i: 4)\n S[b,m,n] = sum[d](Q * K)\n"
     "O[b,m,e] = sum[p,i](softmax[p,i](S) * V)"},
    {"Kleene connectives in either order", qkv,
     "O[b,m,e] = sum[n](V where V[b,n-1,0]? > 0 or n <= m)",
     "O[b,m,e] = sum[n](V where n <= m or V[b,n-1,0]? > 0)"},
    {"prefix by recurrence and by sum", "x: f32[b,t,e]",
     "H[b,-1,e] = 0\n H[b,t,e] = H[b,t-1,e] + x\n O[b,t,e] = H",
     "O[b,t,e] = cumsum[t](x)"},
    {"running softmax by monoid and by prefix", "x: f32[b,t], V: f32[b,t,e]",
     "rank s: |t|\n O[b,t,e] = sum[s](softmax[s](x[b,s] where s <= t) * "
     "V[b,s,e])",
     "rank s: |t|\n (M[b,t,e], Z[b,t,e], A[b,t,e]) = part[s](x[b,s] where s <= "
     "t, 1, V[b,s,e])\n"
     "O[b,t,e] = A / Z"},
};

std::string program(const Pair &pair, const char *body) {
  std::string out = std::string(pair.ports).find("t,") != std::string::npos
                        ? "b,t,e"
                        : "b,m,e";
  return std::string("cascade f(") + pair.ports + ") -> O: f32[" + out +
         "]\n{\n" + body + "\n}\n";
}

TEST(Pairs, MeanTheSame) {
  const Sizes shapes[] = {
      {{"b", 2}, {"m", 5}, {"n", 7}, {"d", 3}, {"e", 4}, {"t", 7}},
      {{"b", 1}, {"m", 3}, {"n", 67}, {"d", 5}, {"e", 3}, {"t", 66}},
      {{"b", 1}, {"m", 2}, {"n", 0}, {"d", 2}, {"e", 3}, {"t", 0}},
      {{"b", 1}, {"m", 1}, {"n", 1}, {"d", 1}, {"e", 1}, {"t", 1}}};
  for (const Pair &pair : pairs) {
    SCOPED_TRACE(pair.name);
    Subject left(program(pair, pair.left)), right(program(pair, pair.right));
    for (const Sizes &shape : shapes) {
      SCOPED_TRACE("n = " + std::to_string(shape.at("n")));
      Values inputs = left.random(shape);
      expectSame(left.call(inputs), right.call(inputs));
    }
  }
}

struct Spelling {
  const char *name, *declarations, *body;
};

const char *const plain = "S[b,m,n] = sum[d](Q * K) / sqrt(|d|) where n <= m\n"
                          "O[b,m,e] = sum[n](softmax[n](S) * V)";

/// All of them the same attention.
const Spelling spellings[] = {
    {"base 2", "",
     "S[b,m,n] = sum[d](Q * K) / sqrt(|d|) where n <= m\n"
     "T[b,m] = max[n](S)\n"
     "E[b,m,n] = 2 ^ ((S - T) * 1.4426950408889634)\n"
     "O[b,m,e] = sum[n](E / sum[n](E) * V)"},
    {"renamed definition",
     "def weigh[r](y) = exp(y - max[r](y)) / sum[r](exp(y - max[r](y)))\n",
     "S[b,m,n] = sum[d](Q * K) / sqrt(|d|) where n <= m\n"
     "O[b,m,e] = sum[n](weigh[n](S) * V)"},
    {"written in line", "",
     "S[b,m,n] = sum[d](Q * K) / sqrt(|d|) where n <= m\n"
     "O[b,m,e] = sum[n](exp(S - max[n](S)) / sum[n](exp(S - max[n](S))) * V)"},
    {"division after the sum", "",
     "S[b,m,n] = sum[d](Q * K) / sqrt(|d|) where n <= m\n"
     "E[b,m,n] = exp(S - max[n](S))\n"
     "O[b,m,e] = sum[n](E * V) / sum[n](E)"},
    {"scale inside the product", "",
     "S[b,m,n] = sum[d](Q / sqrt(|d|) * K) where n <= m\n"
     "O[b,m,e] = sum[n](softmax[n](S) * V)"},
    {"products associated otherwise", "",
     "S[b,m,n] = sum[d](K * Q) * (1 / sqrt(|d|)) where n <= m\n"
     "O[b,m,e] = sum[n](V * softmax[n](S))"},
    {"user monoid for the sum", "monoid plus(s = 0) + (s') = s + s'\n",
     "S[b,m,n] = plus[d](Q * K) / sqrt(|d|) where n <= m\n"
     "E[b,m,n] = exp(S - max[n](S))\n"
     "O[b,m,e] = plus[n](E * V) / plus[n](E)"},
    {"mask named", "",
     "p[m,n] = n <= m\n X[b,m,n] = sum[d](Q * K)\n"
     "S[b,m,n] = X / sqrt(|d|) where p\n P[b,m,n] = softmax[n](S)\n"
     "O[b,m,e] = sum[n](P * V)"},
};

std::string attention(const Spelling &spelling) {
  return std::string(spelling.declarations) + "cascade f(" + qkv +
         ") -> O: f32[b,m,e]\n{\n" + spelling.body + "\n}\n";
}

TEST(Composition, SpellingsComputeTheSame) {
  Subject base(attention({"", "", plain}));
  Values inputs =
      base.random({{"b", 2}, {"m", 9}, {"n", 66}, {"d", 5}, {"e", 3}});
  Results want = base.call(inputs);
  for (const Spelling &spelling : spellings) {
    SCOPED_TRACE(spelling.name);
    expectSame(Subject(attention(spelling)).call(inputs), want);
  }
}

TEST(Composition, SpellingsDeriveTheSame) {
  Derived want = Subject(attention({"", "", plain})).derived();
  EXPECT_EQ(want.kernels, 1u) << "attention is one kernel";
  for (const Spelling &spelling : spellings) {
    SCOPED_TRACE(spelling.name);
    Derived got = Subject(attention(spelling)).derived();
    EXPECT_EQ(got.kernels, want.kernels);
    EXPECT_EQ(got.recurrences, want.recurrences);
  }
}

} // namespace
