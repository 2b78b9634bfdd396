//===- StorageTest.cpp - strides and aliasing ------------------*- C++ -*-===//
// Which storage inputs and outputs may have, and what kernels see of it.
//===----------------------------------------------------------------------===//
#include "Entries.h"

#include "runtime/Overlap.h"

#include <random>
#include <set>

using namespace attn::test;

namespace {

struct StorageTest : testing::Test {
  Attend attend;
  Tensor<float> q = f32({3, 4}), k = f32({5, 4}), v = f32({5, 2}),
                o = f32({3, 2});
  StorageTest() {
    fillPattern(q.values, 1);
    fillPattern(k.values, 2);
    fillPattern(v.values, 3);
  }
  int call() { return attend.call({&q.dl, &k.dl, &v.dl, nullptr, &o.dl}); }
};

TEST_F(StorageTest, TransposedInput) {
  Tensor<float> t = f32({5, 4});
  for (int n = 0; n < 5; ++n)
    for (int d = 0; d < 4; ++d)
      t.values[d * 5 + n] = k.values[n * 4 + d];
  t.setStrides({1, 5});
  ASSERT_EQ(attend.call({&q.dl, &t.dl, &v.dl, nullptr, &o.dl}), ATTN_OK);
  EXPECT_EQ(o.values, attendReference(q, k, v, 0.5f));
}

TEST_F(StorageTest, BroadcastAndReversedInputs) {
  Tensor<float> same = f32({5, 4}), reversed = f32({5, 2});
  for (int n = 0; n < 5; ++n) {
    std::copy_n(k.values.begin(), 4, same.values.begin() + n * 4);
    std::copy_n(v.values.begin() + (4 - n) * 2, 2,
                reversed.values.begin() + n * 2);
  }
  k.setStrides({0, 1});
  v.setStrides({-2, 1});
  v.dl.data = v.values.data() + 8;
  ASSERT_EQ(call(), ATTN_OK) << attn_last_error();
  EXPECT_EQ(o.values, attendReference(q, same, reversed, 0.5f));
}

TEST_F(StorageTest, StridedOutputKeepsTheGaps) {
  Tensor<float> wide = f32({3, 4}, -1);
  wide.shape[1] = 2;
  wide.setStrides({4, 2});
  ASSERT_EQ(attend.call({&q.dl, &k.dl, &v.dl, nullptr, &wide.dl}), ATTN_OK);
  std::vector<float> expected = attendReference(q, k, v, 0.5f);
  for (int m = 0; m < 3; ++m)
    for (int e = 0; e < 2; ++e) {
      EXPECT_EQ(wide.values[m * 4 + e * 2], expected[m * 2 + e]);
      EXPECT_EQ(wide.values[m * 4 + e * 2 + 1], -1);
    }
}

TEST_F(StorageTest, OutputStrideZero) {
  o.setStrides({0, 1});
  EXPECT_FAILS(ATTN_ERROR_STRIDES,
               "attend: output O axis 0 has stride 0: its elements need "
               "places of their own",
               call());
}

TEST_F(StorageTest, OutputOverlapsItself) {
  o.setStrides({1, 1});
  EXPECT_FAILS(
      ATTN_ERROR_STRIDES,
      "attend: strides of output O put several elements into one place",
      call());
  o.setStrides({1, -2});
  EXPECT_EQ(call(), ATTN_ERROR_STRIDES);
}

TEST_F(StorageTest, StrideOfAnExtentOneIsIgnored) {
  Entry entry("one");
  int32_t a = entry.axis("a"), b = entry.axis("b"), c = entry.axis("c");
  entry.output("O", ATTN_DTYPE_FLOAT, 32, {a, b, c});
  entry.version("x86-64", [](const attn_invocation *invocation) -> int {
    const int64_t *strides = invocation->strides[0];
    bool compact = strides[0] == 6 && strides[1] == 6 && strides[2] == 1;
    return compact ? ATTN_OK : ATTN_ERROR_STRIDES;
  });
  Tensor<float> out = f32({2, 1, 6});
  out.setStrides({6, 0, 1});
  EXPECT_EQ(entry.call({&out.dl}), ATTN_OK) << attn_last_error();
  out.setStrides({6, -12345, 1});
  EXPECT_EQ(entry.call({&out.dl}), ATTN_OK) << attn_last_error();
}

TEST_F(StorageTest, OutputOverInput) {
  o.dl.data = k.values.data() + 19;
  EXPECT_FAILS(ATTN_ERROR_ALIAS, "attend: output O overlaps input K", call());
  o.dl.data = q.values.data();
  EXPECT_FAILS(ATTN_ERROR_ALIAS, "attend: output O overlaps input Q", call());
}

TEST_F(StorageTest, InputsMayOverlap) {
  EXPECT_EQ(attend.call({&k.dl, &k.dl, &v.dl, nullptr, f32({5, 2}).ptr()}),
            ATTN_OK);
}

TEST_F(StorageTest, InterleavedViewsDoNotOverlap) {
  // q and o side by side in the rows of one buffer.
  Tensor<float> packed = f32({3, 6});
  for (int m = 0; m < 3; ++m)
    std::copy_n(q.values.begin() + m * 4, 4, packed.values.begin() + m * 6);
  Tensor<float> left = f32({3, 4}), right = f32({3, 2});
  left.dl.data = packed.values.data();
  left.setStrides({6, 1});
  right.dl.data = packed.values.data();
  right.dl.byte_offset = 4 * sizeof(float);
  right.setStrides({6, 1});
  ASSERT_EQ(attend.call({&left.dl, &k.dl, &v.dl, nullptr, &right.dl}), ATTN_OK)
      << attn_last_error();
  std::vector<float> expected = attendReference(q, k, v, 0.5f);
  for (int m = 0; m < 3; ++m)
    EXPECT_EQ(packed.values[m * 6 + 5], expected[m * 2 + 1]);
  right.dl.byte_offset = 3 * sizeof(float);
  EXPECT_EQ(attend.call({&left.dl, &k.dl, &v.dl, nullptr, &right.dl}),
            ATTN_ERROR_ALIAS);
}

struct IntoTest : testing::Test {
  Step step;
  Tensor<float> h = f32({4, 3}, 1), x = f32({4, 3}), h1 = f32({4, 3});
};

TEST_F(IntoTest, InPlaceAndOutOfPlaceAgree) {
  ASSERT_EQ(step.call({&h.dl, &x.dl, &h1.dl}), ATTN_OK);
  EXPECT_EQ(h1.values, std::vector<float>(12, 3.f));
  ASSERT_EQ(step.call({&h.dl, &x.dl, &h.dl}), ATTN_OK);
  EXPECT_EQ(h.values, std::vector<float>(12, 3.f));
}

TEST_F(IntoTest, SameStorageByOtherWords) {
  h1.dl.data = h.values.data() - 3;
  h1.dl.byte_offset = 12;
  h1.setStrides({3, 1});
  EXPECT_EQ(step.call({&h.dl, &x.dl, &h1.dl}), ATTN_OK) << attn_last_error();
}

TEST_F(IntoTest, ShiftedOrTransposed) {
  const char *message = "step: output H1 overlaps input H0, but is not the "
                        "same tensor: address, extents and strides must agree";
  Tensor<float> big = f32({5, 3});
  Tensor<float> low = f32({4, 3}), high = f32({4, 3});
  low.dl.data = big.values.data();
  high.dl.data = big.values.data() + 3;
  EXPECT_FAILS(ATTN_ERROR_ALIAS, message,
               step.call({&low.dl, &x.dl, &high.dl}));
  h1.dl.data = h.values.data();
  h1.setStrides({1, 4});
  EXPECT_FAILS(ATTN_ERROR_ALIAS, message, step.call({&h.dl, &x.dl, &h1.dl}));
}

TEST_F(IntoTest, OtherInputsAreNotMeant) {
  EXPECT_FAILS(ATTN_ERROR_ALIAS, "step: output H1 overlaps input X",
               step.call({&h.dl, &x.dl, &x.dl}));
  EXPECT_FAILS(ATTN_ERROR_ALIAS, "step: output H1 overlaps input X",
               step.call({&h.dl, &h.dl, &h.dl}));
}

TEST(Storage, OutputsOverlap) {
  Entry entry("two");
  int32_t m = entry.axis("m");
  entry.output("A", ATTN_DTYPE_FLOAT, 32, {m});
  entry.output("B", ATTN_DTYPE_FLOAT, 32, {m});
  entry.version("x86-64", nothing);
  Tensor<float> a = f32({6}), b = f32({6});
  EXPECT_EQ(entry.call({&a.dl, &b.dl}), ATTN_OK);
  EXPECT_FAILS(ATTN_ERROR_ALIAS, "two: output A overlaps output B",
               entry.call({&a.dl, &a.dl}));
}

TEST(Storage, FourBitIntegers) {
  Entry entry("packed");
  int32_t m = entry.axis("m"), d = entry.axis("d");
  entry.input("X", ATTN_DTYPE_INT, 4, {m, d});
  entry.version("x86-64", nothing);
  Tensor<uint8_t> x({2, 8}, ATTN_DTYPE_INT, 4);
  EXPECT_EQ(entry.call({&x.dl}), ATTN_OK) << attn_last_error();
  x.setStrides({1, 2});
  EXPECT_FAILS(ATTN_ERROR_STRIDES,
               "packed: X axis 1 has stride 2: two elements share a byte, so "
               "it must be 1",
               entry.call({&x.dl}));
}

/// The solver against marking every bit.
TEST(Storage, OverlapIsExact) {
  std::mt19937 random(7);
  auto draw = [&](int low, int high) {
    return low + static_cast<int>(random() % unsigned(high - low + 1));
  };
  int yes = 0, self = 0;
  for (int trial = 0; trial < 20000; ++trial) {
    int64_t shape[2][3], strides[2][3];
    attn::rt::PortView view[2];
    std::set<int64_t> bits[2];
    bool twice = false;
    for (int t = 0; t < 2; ++t) {
      int ndim = draw(0, 3), bitsEach = t ? 8 : 4 << draw(0, 3);
      int64_t base = 4096 + draw(0, 24);
      std::vector<int64_t> places{0};
      for (int axis = 0; axis < ndim; ++axis) {
        shape[t][axis] = draw(1, 4);
        strides[t][axis] = draw(-9, 9);
        std::vector<int64_t> next;
        for (int64_t place : places)
          for (int64_t i = 0; i < shape[t][axis]; ++i)
            next.push_back(place + i * strides[t][axis]);
        places = next;
      }
      std::set<int64_t> distinct(places.begin(), places.end());
      if (t == 0)
        twice = distinct.size() != places.size();
      for (int64_t place : distinct)
        for (int bit = 0; bit < bitsEach; ++bit)
          bits[t].insert(base * 8 + place * bitsEach + bit);
      view[t] = {
          shape[t], strides[t], reinterpret_cast<const void *>(uintptr_t(base)),
          ndim,     bitsEach,   false};
    }
    bool common = false;
    for (int64_t bit : bits[0])
      common |= bits[1].count(bit) != 0;
    yes += common;
    self += twice;
    ASSERT_EQ(attn::rt::overlap(view[0], view[1]), common) << trial;
    ASSERT_EQ(attn::rt::overlap(view[1], view[0]), common) << trial;
    ASSERT_EQ(attn::rt::overlapsItself(view[0]), twice) << trial;
  }
  EXPECT_GT(yes, 2000);
  EXPECT_GT(self, 2000);
}

} // namespace
