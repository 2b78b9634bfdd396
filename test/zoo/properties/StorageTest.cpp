//===- StorageTest.cpp - data that must not matter, and must ----*- C++ -*-===//
// Layouts, quantisation, sharing of memory, absent keys, order of keys, and how
// far a NaN reaches.
//===----------------------------------------------------------------------===//
#include "test/zoo/properties/Harness.h"
#include <gtest/gtest.h>

using namespace attn;
using namespace attn::properties;

namespace {

const char *const dense =
    R"(cascade f(Q: f32[b,m,d], K: f32[b,n,d], V: f32[b,n,e], len: i32[b]) -> O: f32[b,m,e]
{
  S[b,m,n] = sum[d](Q * K) where n < len
  O[b,m,e] = sum[n](softmax[n](S) * V)
})";

constexpr int64_t batch = 2, rows = 3, keys = 70, depth = 4, width = 5;
const Sizes sizes = {
    {"b", batch}, {"m", rows}, {"n", keys}, {"d", depth}, {"e", width}};

Values denseInputs(Subject &subject) {
  Values inputs = subject.random(sizes);
  inputs["len"] = integers({batch}, {69, 13});
  return inputs;
}

TEST(Storage, PagedIsDense) {
  Subject subject(dense),
      paged(
          R"(cascade f(Q: f32[b,m,d], K: f32[b,n,d] layout paged(table, page=16), V: f32[b,n,e] layout paged(table, page=16), table: i32[b,pp], len: i32[b]) -> O: f32[b,m,e]
  with n = (pp, i: 16)
{
  S[b,m,n] = sum[d](Q * K) where n < len
  O[b,m,e] = sum[n](softmax[n](S) * V)
})");
  Values inputs = denseInputs(subject);
  Results want = subject.call(inputs);
  // Pages in a scattered order; those beyond a length are -1.
  constexpr int64_t pages = 5, page = 16, pool = 13;
  std::vector<int64_t> table = {7, 2, 11, 0, 5, 9, -1, -1, -1, -1};
  auto scattered = [&](const Array &array, int64_t inner) {
    std::vector<double> values(pool * page * inner, std::nan(""));
    for (int64_t b = 0; b < batch; ++b)
      for (int64_t n = 0; n < keys; ++n) {
        int64_t at = table[b * pages + n / page];
        for (int64_t k = 0; k < inner && at >= 0; ++k)
          values[(at * page + n % page) * inner + k] =
              array.reals[(b * keys + n) * inner + k];
      }
    return reals({pool, page, inner}, values);
  };
  Results got = paged.call({{"Q", inputs["Q"]},
                            {"K", scattered(inputs["K"], depth)},
                            {"V", scattered(inputs["V"], width)},
                            {"table", integers({batch, pages}, table)},
                            {"len", inputs["len"]}});
  expectSame(got, want);
}

TEST(Storage, PackedIsDense) {
  Subject subject(dense),
      packed(
          R"(cascade f(Q: f32[b,m,d] layout packed(qoff), K: f32[b,n,d] layout packed(off), V: f32[b,n,e] layout packed(off), qoff: i32[x], off: i32[x]) -> O: f32[b,m,e] layout packed(qoff)
{
  S[b,m,n] = sum[d](Q * K)
  O[b,m,e] = sum[n](softmax[n](S) * V)
})");
  Values inputs = denseInputs(subject);
  Results want = subject.call(inputs);
  std::vector<int64_t> lengths = inputs["len"].integers;
  auto dropTail = [&](const Array &array) {
    Array first = slice(slice(array, 0, 0, 1), 1, 0, lengths[0]);
    Array second = slice(slice(array, 0, 1, 2), 1, 0, lengths[1]);
    Array all = concatenate(first, second, 1);
    all.shape.erase(all.shape.begin());
    return all;
  };
  auto rowsOf = [](Array array) {
    array.shape = {batch * rows, array.shape.back()};
    array.present.clear();
    return array;
  };
  Results got = packed.call(
      {{"Q", rowsOf(inputs["Q"])},
       {"K", dropTail(inputs["K"])},
       {"V", dropTail(inputs["V"])},
       {"qoff", integers({3}, {0, rows, 2 * rows})},
       {"off", integers({3}, {0, lengths[0], lengths[0] + lengths[1]})}});
  for (auto kind : {&Results::interpreted, &Results::compiled})
    for (auto &[name, array] : want.*kind)
      array = rowsOf(array);
  // Packed rows are stored, that is rounded, before they are an output.
  expectSame(got, want, 2e-5, 1e-7);
}

TEST(Storage, QuantisedIsDequantised) {
  Subject plain(
      R"(cascade f(Q: f32[m,d], K: f32[n,d], V: f32[n,e]) -> O: f32[m,e]
{
  O[m,e] = sum[n](softmax[n](sum[d](Q * K)) * V)
})"),
      quantised(
          R"(cascade f(Q: f32[m,d], K: f32[n,d] quant i8 per (n), V: f32[n,e] quant i8 per (n,eg)) -> O: f32[m,e]
  with e = (eg, ei: 2)
{
  O[m,e] = sum[n](softmax[n](sum[d](Q * K)) * V)
})");
  constexpr int64_t n = 66, m = 3, d = 4, e = 6;
  Values inputs = plain.random({{"m", m}, {"n", n}, {"d", d}, {"e", e}});
  auto quantise = [&](Array &array, int64_t group, const std::string &name,
                      Values &to) {
    std::vector<int64_t> codes;
    std::vector<double> scales;
    for (size_t i = 0; i < array.reals.size(); ++i) {
      if (i % group == 0)
        scales.push_back(0x1p-6 * (1 + i / group % 3));
      codes.push_back(std::lround(array.reals[i] / scales.back()));
      codes.back() = std::clamp<int64_t>(codes.back(), -127, 127);
      array.reals[i] = codes.back() * scales.back();
    }
    to[name] = integers(array.shape, codes);
    to[name + "_scale"] =
        reals(group == array.shape.back()
                  ? llvm::SmallVector<int64_t>{n}
                  : llvm::SmallVector<int64_t>{n, array.shape.back() / group},
              scales);
  };
  Values codes = {{"Q", inputs["Q"]}};
  quantise(inputs["K"], d, "K", codes);
  quantise(inputs["V"], 2, "V", codes);
  expectSame(quantised.call(codes), plain.call(inputs));
}

TEST(Storage, IntoIsOutOfPlace) {
  // The harness never shares memory: both must compile and agree; sharing is
  // what the fuzzer's calls do.
  std::string text =
      R"(cascade f(cache: f32[b,n,d], k: f32[b,d], len: i32[b]) -> O: f32[b,n,d])";
  std::string body = "\n{\n  O[b,n,d] = k where n == len else cache\n}\n";
  Subject apart(text + body), shared(text + " into cache" + body);
  Values inputs = apart.random({{"b", 2}, {"n", 5}, {"d", 3}});
  expectSame(shared.call(inputs), apart.call(inputs));
}

TEST(Storage, AbsentKeysChangeNothing) {
  Subject subject(dense);
  Values inputs = denseInputs(subject);
  Results want = subject.call(inputs);
  Values longer = inputs;
  for (const char *name : {"K", "V"}) {
    Array junk = slice(inputs[name], 1, 0, 60);
    junk.reals.assign(junk.reals.size(), std::nan(""));
    longer[name] = concatenate(inputs[name], junk, 1);
  }
  expectSame(subject.call(longer), want);
}

TEST(Storage, OrderOfKeysChangesNothing) {
  Subject subject(
      R"(cascade f(Q: f32[m,d], K: f32[n,d], V: f32[n,e], on: bool[n]) -> (O: f32[m,e], L: f32[m], N: i32[m])
{
  S[m,n] = sum[d](Q * K) where on
  O[m,e] = sum[n](softmax[n](S) * V)
  L[m]   = logsumexp[n](S)
  N[m]   = count[n](S)
})");
  Values inputs = subject.random({{"m", 3}, {"n", 67}, {"d", 4}, {"e", 5}});
  Results want = subject.call(inputs);
  std::vector<int64_t> order;
  for (int64_t i = 0; i < 67; ++i)
    order.push_back(i * 29 % 67);
  for (const char *name : {"K", "V", "on"})
    inputs[name] = permuted(inputs[name], 0, order);
  expectSame(subject.call(inputs), want);
}

TEST(Storage, NaNReachesTheRowsThatReadIt) {
  Subject subject(
      R"(cascade f(Q: f32[m,d], K: f32[n,d], V: f32[n,e]) -> (O: f32[m,e], L: f32[m])
{
  S[m,n] = sum[d](Q * K) where n <= m
  O[m,e] = sum[n](softmax[n](S) * V)
  L[m]   = logsumexp[n](S)
})");
  for (const char *name : {"K", "V"})
    for (int64_t key : {0, 5, 64}) {
      SCOPED_TRACE(std::string(name) + " " + std::to_string(key));
      Values inputs =
          subject.random({{"m", 70}, {"n", 70}, {"d", 4}, {"e", 3}});
      Results clean = subject.call(inputs);
      inputs[name].reals[key * (name[0] == 'K' ? 4 : 3)] = std::nan("");
      Results got = subject.call(inputs);
      for (auto kind : {&Results::interpreted, &Results::compiled}) {
        if ((got.*kind).empty())
          return;
        const Array &dirty = (got.*kind)["O"], &before = (clean.*kind)["O"];
        for (int64_t m = 0; m < 70; ++m)
          for (int64_t e = 0; e < 3; ++e) {
            bool reached = m >= key && (name[0] == 'K' || e == 0);
            double value = dirty.reals[m * 3 + e];
            if (reached)
              EXPECT_TRUE(std::isnan(value)) << m << " " << e;
            else
              EXPECT_EQ(value, before.reals[m * 3 + e]) << m << " " << e;
          }
      }
    }
}

TEST(Storage, DuplicatesInAListCountTwiceInASetOnce) {
  const char *ports = "V: f32[n,e], I: i32[m,k]";
  Subject list(std::string("cascade f(") + ports +
               ") -> O: f32[m,e]\n{\n O[m,e] = sum[k](V[I,e])\n}"),
      set(std::string("cascade f(") + ports +
          ") -> O: f32[m,e]\n{\n O[m,e] = sum[n](V where member[k](I, n))\n}");
  Values inputs = list.random({{"n", 5}, {"e", 2}, {"m", 2}, {"k", 3}});
  inputs["I"] = integers({2, 3}, {3, -1, 0, 4, 7, 1});
  expectSame(list.call(inputs), set.call(inputs));
  inputs["I"] = integers({2, 3}, {3, 3, -1, 4, 4, 4});
  Values twice = list.call(inputs).compiled, once = set.call(inputs).compiled;
  if (twice.empty() || once.empty())
    return;
  for (int64_t e = 0; e < 2; ++e) {
    EXPECT_NEAR(twice["O"].reals[e], 2 * once["O"].reals[e], 1e-5);
    EXPECT_NEAR(twice["O"].reals[2 + e], 3 * once["O"].reals[2 + e], 1e-5);
  }
}

} // namespace
