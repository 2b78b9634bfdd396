//===- StateTest.cpp - states carried between calls -------------*- C++ -*-===//
// Two calls with the state carried over equal one call, at every cut, 0 and |t|
// included; partials of any cut of the keys merge to the whole.
//===----------------------------------------------------------------------===//
#include "test/zoo/properties/Harness.h"
#include <gtest/gtest.h>

using namespace attn;
using namespace attn::properties;

namespace {

struct Stateful {
  const char *name;
  const char *text;
  std::vector<const char *> stepped; ///< inputs with rank t
  unsigned axis;                     ///< of t in inputs and in O
};

const Stateful statefuls[] = {
    {"retention",
     R"(cascade f(Q: f32[b,t,d], K: f32[b,t,d], V: f32[b,t,e], H0: f32[b,d,e]) -> (O: f32[b,t,e], H1: f32[b,d,e] into H0)
{
  H[b,-1,d,e] = H0
  H[b,t,d,e]  = 0.75 * H[b,t-1,d,e] + K * V
  O[b,t,e]    = sum[d](Q * H)
  H1[b,d,e]   = H[b,|t|-1,d,e]
})",
     {"Q", "K", "V"},
     1},
    {"gated delta rule",
     R"(cascade f(Q: f32[b,t,d], K: f32[b,t,d], V: f32[b,t,e], a: f32[b,t], H0: f32[b,d,e]) -> (O: f32[b,t,e], H1: f32[b,d,e])
{
  g[b,t]      = sigmoid(a)
  k[b,t,d]    = K / (1 + sum[d](abs(K)))
  H[b,-1,d,e] = H0
  U[b,t,e]    = 0.5 * (V - g * sum[d](k * H[b,t-1,d,e]))
  H[b,t,d,e]  = g * H[b,t-1,d,e] + k * U
  O[b,t,e]    = sum[d](Q * H)
  H1[b,d,e]   = H[b,|t|-1,d,e]
})",
     {"Q", "K", "V", "a"},
     1},
    {"identity steps",
     R"(cascade f(Q: f32[b,t,d], K: f32[b,t,d], V: f32[b,t,e], on: bool[b,t], H0: f32[b,d,e]) -> (O: f32[b,t,e], H1: f32[b,d,e])
{
  H[b,-1,d,e] = H0
  H[b,t,d,e]  = (0.5 * H[b,t-1,d,e] + K * V where on) else H[b,t-1,d,e]
  O[b,t,e]    = sum[d](Q * H)
  H1[b,d,e]   = H[b,|t|-1,d,e]
})",
     {"Q", "K", "V", "on"},
     1},
    {"running maximum",
     R"(cascade f(V: f32[b,t,e], H0: f32[b,e]) -> (O: f32[b,t,e], H1: f32[b,e] into H0)
{
  H[b,-1,e] = H0
  H[b,t,e]  = max(H[b,t-1,e], V)
  O[b,t,e]  = H
  H1[b,e]   = H[b,|t|-1,e]
})",
     {"V"},
     1},
};

Values part(const Stateful &program, Values inputs, int64_t begin,
            int64_t end) {
  for (const char *name : program.stepped)
    inputs[name] = slice(inputs[name], program.axis, begin, end);
  return inputs;
}

/// One call of each kind, chained.
Values chained(Subject &subject, const Stateful &program, const Values &inputs,
               int64_t cut, int64_t steps, Values Results::*kind) {
  Values first = subject.call(part(program, inputs, 0, cut)).*kind;
  Values rest = part(program, inputs, cut, steps);
  rest["H0"] = first["H1"];
  Values second = subject.call(rest).*kind;
  if (first.empty() || second.empty())
    return {};
  return {{"O", concatenate(first["O"], second["O"], program.axis)},
          {"H1", second["H1"]}};
}

TEST(State, TwoCallsAreOne) {
  constexpr int64_t steps = 7;
  for (const Stateful &program : statefuls) {
    SCOPED_TRACE(program.name);
    Subject subject(program.text);
    Values inputs =
        subject.random({{"b", 2}, {"t", steps}, {"d", 3}, {"e", 5}});
    Results whole = subject.call(inputs);
    for (int64_t cut = 0; cut <= steps; ++cut) {
      SCOPED_TRACE("cut at " + std::to_string(cut));
      expectSame(
          chained(subject, program, inputs, cut, steps, &Results::interpreted),
          whole.interpreted, 1e-6); // the state out is f32
      expectSame(
          chained(subject, program, inputs, cut, steps, &Results::compiled),
          whole.interpreted, 2e-5);
    }
  }
}

TEST(State, StepByStepIsWhole) {
  for (const Stateful &program : statefuls) {
    SCOPED_TRACE(program.name);
    Subject subject(program.text);
    constexpr int64_t steps = 4;
    Values inputs =
        subject.random({{"b", 1}, {"t", steps}, {"d", 2}, {"e", 3}});
    Values whole = subject.call(inputs).interpreted;
    Values state = inputs;
    for (int64_t t = 0; t < steps; ++t) {
      Values step = part(program, inputs, t, t + 1);
      step["H0"] = state["H0"];
      Values out = subject.call(step).compiled;
      if (out.empty() || whole.empty())
        return;
      expectSame({{"O", out["O"]}},
                 {{"O", slice(whole["O"], program.axis, t, t + 1)}}, 1e-4);
      state["H0"] = out["H1"];
    }
    expectSame({{"H1", state["H0"]}}, {{"H1", whole["H1"]}}, 2e-5);
  }
}

const char *const attention =
    R"(cascade f(Q: f32[m,d], K: f32[n,d], V: f32[n,e]) -> (O: f32[m,e], L: f32[m])
{
  S[m,n] = sum[d](Q * K)
  O[m,e] = sum[n](softmax[n](S) * V)
  L[m]   = logsumexp[n](S)
})";
const char *const merging =
    R"(cascade f(Os: f32[s,m,e], Ls: f32[s,m]) -> (O: f32[m,e], L: f32[m])
{
  O[m,e] = merge[s](Os, Ls)
  L[m]   = logsumexp[s](Ls)
})";

Array stacked(const Array &a, const Array &b) {
  auto one = [](Array array) {
    array.shape.insert(array.shape.begin(), 1);
    return array;
  };
  return concatenate(one(a), one(b), 0);
}

TEST(State, PartsOfKeysMerge) {
  Subject subject(attention), merge(merging);
  constexpr int64_t keys = 70;
  Values inputs = subject.random({{"m", 3}, {"n", keys}, {"d", 4}, {"e", 5}});
  Results whole = subject.call(inputs);
  for (int64_t cut : {0, 1, 13, 64, 69, 70}) {
    SCOPED_TRACE("cut at " + std::to_string(cut));
    auto keep = [&](int64_t begin, int64_t end) {
      Values part = inputs;
      for (const char *name : {"K", "V"})
        part[name] = slice(part[name], 0, begin, end);
      return subject.call(part);
    };
    Results a = keep(0, cut), b = keep(cut, keys);
    for (auto kind : {&Results::interpreted, &Results::compiled}) {
      Values &x = a.*kind, &y = b.*kind;
      if (x.empty() || y.empty())
        return;
      Values merged = merge.call({{"Os", stacked(x["O"], y["O"])},
                                  {"Ls", stacked(x["L"], y["L"])}}).*
                      kind;
      expectSame(merged, whole.interpreted, 2e-5);
    }
  }
}

TEST(State, SplitRankIsWhole) {
  // The same by a sum rank, in one program.
  Subject subject(attention),
      split(
          R"(cascade f(Q: f32[m,d], K0: f32[p,d], V0: f32[p,e], K1: f32[n,d], V1: f32[n,e]) -> (O: f32[m,e], L: f32[m])
  with c = p ++ n
{
  S[m,c] = sum[d](Q * (K0 else K1))
  O[m,e] = sum[c](softmax[c](S) * (V0 else V1))
  L[m]   = logsumexp[c](S)
})");
  constexpr int64_t keys = 67;
  Values inputs = subject.random({{"m", 3}, {"n", keys}, {"d", 4}, {"e", 5}});
  Results whole = subject.call(inputs);
  for (int64_t cut : {0, 1, 31, 64, 67}) {
    SCOPED_TRACE("cut at " + std::to_string(cut));
    expectSame(split.call({{"Q", inputs["Q"]},
                           {"K0", slice(inputs["K"], 0, 0, cut)},
                           {"V0", slice(inputs["V"], 0, 0, cut)},
                           {"K1", slice(inputs["K"], 0, cut, keys)},
                           {"V1", slice(inputs["V"], 0, cut, keys)}}),
               whole);
  }
}

} // namespace
