//===- CutTest.cpp - pieces of a cut rank make the whole --------*- C++ -*-===//
// NAME_partial of each piece, NAME_merge in any tree and NAME_finish equal
// NAME: over uneven and empty pieces, interpreted and compiled.
//===----------------------------------------------------------------------===//
#include "test/zoo/properties/Harness.h"
#include <gtest/gtest.h>

using namespace attn;
using namespace attn::properties;

namespace {

struct CutProgram {
  const char *name;
  const char *text;
  std::vector<std::pair<const char *, unsigned>> pieces; ///< inputs and axis
  const char *begin; ///< scalar that says where a piece begins, or null
};

const CutProgram programs[] = {
    {"softmax attention",
     R"(cascade f(Q: f32[m,d], K: f32[n,d], V: f32[n,e]) -> O: f32[m,e]
  cut n
{
  S[m,n] = sum[d](Q * K) / sqrt(|d|)
  O[m,e] = sum[n](softmax[n](S) * V)
})",
     {{"K", 0}, {"V", 0}},
     nullptr},
    {"masked, with logsumexp",
     R"(cascade f(Q: f32[m,d], K: f32[n,d], V: f32[n,e], len: i32[m]) -> (O: f32[m,e], L: f32[m])
  cut n
{
  S[m,n] = sum[d](Q * K) where n <= 12 * m and n < 20 * len
  O[m,e] = sum[n](softmax[n](S) * V)
  L[m]   = logsumexp[n](S)
})",
     {{"K", 0}, {"V", 0}},
     "n_begin"},
    {"a sink and a row map",
     R"(cascade f(Q: f32[m,d], K: f32[n,d], V: f32[n,e], z: f32[m]) -> O: f32[m,e]
  cut n
{
  S[m,n] = sum[d](Q * K)
  O[m,e] = sum[n](softmax_sink[n](S, z) * V)
})",
     {{"K", 0}, {"V", 0}},
     nullptr},
    {"a declared monoid",
     R"(monoid lse(t = -inf, s = 0, o = 0) + (t', s', o') =
  (max(t, t'),
   (s * exp(t - max(t, t')) where t > -inf else 0) + (s' * exp(t' - max(t, t')) where t' > -inf else 0),
   (o * exp(t - max(t, t')) where t > -inf else 0) + (o' * exp(t' - max(t, t')) where t' > -inf else 0))
cascade f(Q: f32[m,d], K: f32[n,d], V: f32[n,e]) -> O: f32[m,e]
  cut n
{
  S[m,n] = sum[d](Q * K)
  (T[m,e], W[m,e], A[m,e]) = lse[n](S, 1.0, V)
  O[m,e] = safediv(A, W)
})",
     {{"K", 0}, {"V", 0}},
     nullptr},
    {"an ordered monoid, counts and extremes",
     R"(monoid affine(a = 1, b = 0) + (a', b') ordered = (a * a', a' * b + b')
cascade f(x: f32[m,n], y: f32[m,n]) -> (P: f32[m], R: f32[m], c: i32[m], lo: f32[m], every: bool[m], mean_: f32[m])
  cut n
{
  (P[m], R[m]) = affine[n](0.5 * x, y)
  c[m]     = count[n](x where x > 0)
  lo[m]    = min[n](y where x > 0)
  every[m] = all[n](x > -1)
  mean_[m] = mean[n](y) + sum[n](y) / |n|
})",
     {{"x", 1}, {"y", 1}},
     nullptr},
};

/// The entries of one cut program.
struct Entries {
  explicit Entries(const char *text)
      : whole(text, {}, "f"), partial(text, {}, "f_partial"),
        merge(text, {}, "f_merge"), finish(text, {}, "f_finish") {}
  Subject whole, partial, merge, finish;
};

using Kind = Values Results::*;

Values renamed(const Values &state, const char *suffix) {
  Values result;
  for (auto &[name, value] : state)
    result[name + suffix] = value;
  return result;
}

/// What an entry takes of `values`.
Values taken(Subject &subject, const Values &values) {
  Values result;
  for (const std::string &name : subject.inputNames())
    if (auto it = values.find(name); it != values.end())
      result[name] = it->second;
  return result;
}

/// Merged from left to right, or from right to left.
Values merged(Entries &entries, std::vector<Values> states, const Values &all,
              Kind kind, bool fromRight) {
  while (states.size() > 1) {
    size_t at = fromRight ? states.size() - 2 : 0;
    Values call = all;
    call.merge(renamed(states[at], "_a"));
    call.merge(renamed(states[at + 1], "_b"));
    states[at] = entries.merge.call(taken(entries.merge, call)).*kind;
    states.erase(states.begin() + at + 1);
  }
  return states.front();
}

TEST(Cut, PiecesAreWhole) {
  constexpr int64_t keys = 71;
  const std::vector<std::vector<int64_t>> cuts = {
      {0, 71}, {0, 0, 71}, {0, 1, 65, 71}, {0, 13, 13, 70, 71, 71}};
  for (const CutProgram &program : programs) {
    SCOPED_TRACE(program.name);
    Entries entries(program.text);
    Values inputs =
        entries.whole.random({{"m", 5}, {"n", keys}, {"d", 4}, {"e", 3}});
    Results whole = entries.whole.call(inputs);
    for (Kind kind : {&Results::interpreted, &Results::compiled}) {
      SCOPED_TRACE(kind == &Results::compiled ? "compiled" : "interpreted");
      for (const std::vector<int64_t> &cut : cuts)
        for (bool fromRight : {false, true}) {
          Values all = inputs;
          all["n_extent"] = integers({}, {keys});
          std::vector<Values> states;
          for (size_t i = 0; i + 1 < cut.size(); ++i) {
            Values piece = all;
            for (auto [name, axis] : program.pieces)
              piece[name] = slice(inputs[name], axis, cut[i], cut[i + 1]);
            if (program.begin)
              piece[program.begin] = integers({}, {cut[i]});
            states.push_back(
                entries.partial.call(taken(entries.partial, piece)).*kind);
            ASSERT_FALSE(states.back().empty());
          }
          Values state = merged(entries, states, all, kind, fromRight);
          state.insert(all.begin(), all.end());
          expectSame(entries.finish.call(taken(entries.finish, state)).*kind,
                     whole.interpreted, 2e-5);
        }
    }
  }
}

TEST(Cut, PartialsStreamTheirPiece) {
  // One kernel a partial: the state is what one pass carries.
  Subject partial(programs[0].text, {}, "f_partial"),
      merge(programs[0].text, {}, "f_merge");
  EXPECT_EQ(partial.derived().kernels, 1u);
  EXPECT_EQ(merge.derived().kernels, 0u);
}

TEST(Cut, PiecesOfASumAreThoseOfItsParts) {
  const char *text =
      R"(cascade f(Q: f32[m,d], K0: f32[p,d], V0: f32[p,e], K1: f32[n,d], V1: f32[n,e], len: i32) -> O: f32[m,e]
  with c = p ++ n
  cut c
{
  S[m,c] = sum[d](Q * (K0 else K1)) where (n < len else true)
  O[m,e] = sum[c](softmax[c](S) * (V0 else V1))
})";
  Entries entries(text);
  Values inputs =
      entries.whole.random({{"m", 3}, {"p", 9}, {"n", 70}, {"d", 4}, {"e", 5}});
  inputs["len"] = integers({}, {67});
  Results whole = entries.whole.call(inputs);
  for (Kind kind : {&Results::interpreted, &Results::compiled}) {
    auto piece = [&](int64_t p0, int64_t p1, int64_t n0, int64_t n1) {
      Values part = inputs;
      for (const char *name : {"K0", "V0"})
        part[name] = slice(inputs[name], 0, p0, p1);
      for (const char *name : {"K1", "V1"})
        part[name] = slice(inputs[name], 0, n0, n1);
      part["n_begin"] = integers({}, {n0});
      return entries.partial.call(taken(entries.partial, part)).*kind;
    };
    std::vector<Values> states = {piece(0, 9, 0, 0), piece(9, 9, 0, 66),
                                  piece(9, 9, 66, 70)};
    Values state = merged(entries, states, inputs, kind, false);
    expectSame(entries.finish.call(taken(entries.finish, state)).*kind,
               whole.interpreted, 2e-5);
  }
}

} // namespace
