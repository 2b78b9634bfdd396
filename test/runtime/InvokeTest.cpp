//===- InvokeTest.cpp - calls and their error paths ------------*- C++ -*-===//
// Right results, and for each thing wrong with a tensor the status and the
// whole message.
//===----------------------------------------------------------------------===//
#include "Entries.h"

#include <cmath>

using namespace attn::test;

/// Sanitizers abort on allocations that fail, where malloc returns null.
extern "C" {
__attribute__((visibility("default"))) const char *__asan_default_options();
__attribute__((visibility("default"))) const char *__tsan_default_options();
const char *__asan_default_options() { return "allocator_may_return_null=1"; }
const char *__tsan_default_options() { return "allocator_may_return_null=1"; }
}

namespace {

struct InvokeTest : testing::Test {
  Attend attend;
  Tensor<float> q = f32({3, 4}), k = f32({5, 4}), v = f32({5, 2}),
                scale = f32({}, 2), o = f32({3, 2}, NAN);
  InvokeTest() {
    fillPattern(q.values, 1);
    fillPattern(k.values, 2);
    fillPattern(v.values, 3);
  }
  int call() { return attend.call({&q.dl, &k.dl, &v.dl, &scale.dl, &o.dl}); }
};

TEST_F(InvokeTest, Computes) {
  ASSERT_EQ(call(), ATTN_OK) << attn_last_error();
  EXPECT_EQ(o.values, attendReference(q, k, v, 2));
}

TEST_F(InvokeTest, MissingScalarTakesItsDefault) {
  ASSERT_EQ(attend.call({&q.dl, &k.dl, &v.dl, nullptr, &o.dl}), ATTN_OK);
  EXPECT_EQ(o.values, attendReference(q, k, v, 0.5f));
}

TEST_F(InvokeTest, ByteOffsetIsApplied) {
  Tensor<float> longer = f32({4, 4});
  std::copy(q.values.begin(), q.values.end(), longer.values.begin() + 4);
  longer.shape[0] = 3;
  longer.dl.byte_offset = 16;
  ASSERT_EQ(attend.call({&longer.dl, &k.dl, &v.dl, &scale.dl, &o.dl}), ATTN_OK);
  EXPECT_EQ(o.values, attendReference(q, k, v, 2));
}

TEST_F(InvokeTest, NoKeysGiveZeros) {
  Tensor<float> noK = f32({0, 4}), noV = f32({0, 2});
  noK.dl.data = noV.dl.data = nullptr;
  ASSERT_EQ(attend.call({&q.dl, &noK.dl, &noV.dl, &scale.dl, &o.dl}), ATTN_OK)
      << attn_last_error();
  EXPECT_EQ(o.values, std::vector<float>(6, 0.f));
}

TEST_F(InvokeTest, NoRowsGiveNothing) {
  Tensor<float> noQ = f32({0, 4}), noO = f32({0, 2});
  noQ.dl.data = noO.dl.data = nullptr;
  EXPECT_EQ(attend.call({&noQ.dl, &k.dl, &v.dl, &scale.dl, &noO.dl}), ATTN_OK);
}

TEST_F(InvokeTest, EmptyTensorsMayHaveAnyPointerAndStrides) {
  Tensor<float> noK = f32({0, 4}), noV = f32({0, 2});
  noK.dl.data = reinterpret_cast<void *>(uintptr_t(1));
  noK.setStrides({INT64_MAX, INT64_MIN});
  ASSERT_EQ(attend.call({&q.dl, &noK.dl, &noV.dl, &scale.dl, &o.dl}), ATTN_OK)
      << attn_last_error();
}

TEST_F(InvokeTest, NanAndInfinityAreData) {
  k.values[0] = NAN;
  ASSERT_EQ(call(), ATTN_OK);
  for (float value : o.values)
    EXPECT_TRUE(std::isnan(value));
}

TEST_F(InvokeTest, NullPointers) {
  EXPECT_FAILS(ATTN_ERROR_NULL, "attn_invoke: null entry",
               attn_invoke(nullptr, nullptr, nullptr));
  EXPECT_FAILS(ATTN_ERROR_NULL, "attend: null array of tensors",
               attn_invoke(nullptr, attend.get(), nullptr));
  EXPECT_FAILS(ATTN_ERROR_NULL, "attend: V is a null pointer",
               attend.call({&q.dl, &k.dl, nullptr, &scale.dl, &o.dl}));
  EXPECT_FAILS(ATTN_ERROR_NULL, "attend: O is a null pointer",
               attend.call({&q.dl, &k.dl, &v.dl, &scale.dl, nullptr}));
  k.dl.data = nullptr;
  EXPECT_FAILS(ATTN_ERROR_NULL, "attend: K has null data", call());
  k.dl.shape = nullptr;
  EXPECT_FAILS(ATTN_ERROR_NULL, "attend: K has a null shape", call());
}

TEST_F(InvokeTest, Device) {
  v.dl.device.device_type = kDLCUDA;
  EXPECT_FAILS(ATTN_ERROR_DEVICE,
               "attend: V is on device type 2, expected the CPU (1)", call());
}

TEST_F(InvokeTest, Rank) {
  q.dl.ndim = 1;
  EXPECT_FAILS(ATTN_ERROR_RANK, "attend: Q has 1 axes, expected 2", call());
  q.dl.ndim = -7;
  EXPECT_FAILS(ATTN_ERROR_RANK, "attend: Q has -7 axes, expected 2", call());
  q.dl.ndim = 2;
  scale.dl.ndim = 1;
  scale.dl.shape = q.shape.data();
  EXPECT_FAILS(ATTN_ERROR_RANK, "attend: scale has 1 axes, expected 0", call());
}

TEST_F(InvokeTest, Dtype) {
  k.dl.dtype = {ATTN_DTYPE_BFLOAT, 16, 1};
  EXPECT_FAILS(ATTN_ERROR_DTYPE, "attend: K is bf16, expected f32", call());
  k.dl.dtype = {ATTN_DTYPE_FLOAT, 32, 4};
  EXPECT_FAILS(ATTN_ERROR_DTYPE,
               "attend: K is code 2, 32 bits, 4 lanes, expected f32", call());
  k.dl.dtype = {5, 64, 1};
  EXPECT_FAILS(ATTN_ERROR_DTYPE,
               "attend: K is code 5, 64 bits, 1 lanes, expected f32", call());
}

TEST_F(InvokeTest, NegativeExtent) {
  k.shape[1] = -4;
  EXPECT_FAILS(ATTN_ERROR_SHAPE, "attend: K axis 1 has extent -4", call());
}

TEST_F(InvokeTest, ExtentsDisagree) {
  k.shape[0] = 3;
  EXPECT_FAILS(ATTN_ERROR_SHAPE,
               "attend: rank n has extents 3 and 5: K axis 0, V axis 0",
               call());
}

TEST_F(InvokeTest, TooLarge) {
  for (int64_t rows : {INT64_MAX, INT64_MAX / 4, int64_t(1) << 59}) {
    q.shape[0] = o.shape[0] = rows;
    EXPECT_FAILS(ATTN_ERROR_SHAPE, "attend: Q is larger than the address space",
                 call());
  }
  // Also beside an extent of 0.
  Tensor<float> noK = f32({0, 4});
  noK.shape[1] = INT64_MAX;
  EXPECT_FAILS(
      ATTN_ERROR_SHAPE, "attend: K is larger than the address space",
      attend.call({f32({1, 4}).ptr(), &noK.dl, &v.dl, nullptr, &o.dl}));
}

TEST_F(InvokeTest, StridesOutsideTheAddressSpace) {
  q.setStrides({INT64_MAX, 1});
  EXPECT_FAILS(ATTN_ERROR_STRIDES,
               "attend: Q reaches outside the address space", call());
  q.setStrides({INT64_MIN, INT64_MIN});
  EXPECT_FAILS(ATTN_ERROR_STRIDES,
               "attend: Q reaches outside the address space", call());
}

TEST_F(InvokeTest, Alignment) {
  q.dl.data = reinterpret_cast<void *>(uintptr_t(0x1002));
  EXPECT_FAILS(ATTN_ERROR_ALIGNMENT,
               "attend: data of Q is at 0x1002, no multiple of 4 bytes",
               call());
  q.dl.byte_offset = 2;
  q.shape[0] = 0;
  o.shape[0] = 0;
  EXPECT_EQ(call(), ATTN_OK);
}

TEST_F(InvokeTest, NothingIsWrittenAfterAFailedCheck) {
  v.shape[0] = 4;
  EXPECT_EQ(call(), ATTN_ERROR_SHAPE);
  for (float value : o.values)
    EXPECT_TRUE(std::isnan(value));
}

TEST(Invoke, KernelStatusIsPassedOn) {
  Entry entry("failing");
  entry.version("x86-64", [](const attn_invocation *) -> int {
    return ATTN_ERROR_MEMORY;
  });
  EXPECT_FAILS(ATTN_ERROR_MEMORY,
               "failing: the x86-64 kernels failed: out of memory",
               entry.call({}));
  Entry odd("odd");
  odd.version("x86-64", [](const attn_invocation *) { return 77; });
  EXPECT_FAILS(ATTN_ERROR_INTERNAL, "odd: the x86-64 kernels returned 77",
               odd.call({}));
}

TEST(Invoke, WorkspaceThatDoesNotExist) {
  Entry huge("huge");
  huge.version("x86-64", nothing, 0, [](const int64_t *, int64_t *out) {
    out[0] = int64_t(1) << 60;
  });
  EXPECT_EQ(huge.call({}), ATTN_ERROR_MEMORY);
  Entry scratch("scratch");
  scratch.version("x86-64", nothing, 0, [](const int64_t *, int64_t *out) {
    out[1] = INT64_MAX - 1000;
  });
  EXPECT_EQ(scratch.call({}), ATTN_ERROR_MEMORY);
  Entry negative("negative");
  negative.version("x86-64", nothing, 0,
                   [](const int64_t *, int64_t *out) { out[0] = -1; });
  EXPECT_FAILS(ATTN_ERROR_INTERNAL, "negative: workspace of -1 and 0 bytes",
               negative.call({}));
}

TEST(Invoke, MemoryIsAlignedAndApart) {
  Entry entry("memory");
  entry.version(
      "x86-64",
      [](const attn_invocation *invocation) -> int {
        auto aligned = [](const void *p) {
          return reinterpret_cast<uintptr_t>(p) % 64 == 0;
        };
        if (!aligned(invocation->workspace) || invocation->workers != 3)
          return ATTN_ERROR_ALIGNMENT;
        std::memset(invocation->workspace, 1, 1001);
        for (int64_t i = 0; i < 3; ++i) {
          if (!aligned(invocation->scratch[i]))
            return ATTN_ERROR_ALIGNMENT;
          std::memset(invocation->scratch[i], int(i), 77);
        }
        for (int64_t i = 0; i < 3; ++i)
          if (invocation->scratch[i][0] != i || invocation->scratch[i][76] != i)
            return ATTN_ERROR_ALIAS;
        return ATTN_OK;
      },
      0,
      [](const int64_t *, int64_t *out) {
        out[0] = 1001;
        out[1] = 77;
      });
  attn_context *context = attn_context_create(3);
  for (int i = 0; i < 3; ++i)
    EXPECT_EQ(entry.call({}, context), ATTN_OK) << attn_last_error();
  attn_context_destroy(context);
}

TEST(Status, Texts) {
  EXPECT_STREQ(attn_status_text(ATTN_OK), "ok");
  EXPECT_STREQ(attn_status_text(ATTN_ERROR_RANK), "wrong number of axes");
  EXPECT_STREQ(attn_status_text(ATTN_ERROR_INTERNAL), "internal error");
  EXPECT_STREQ(attn_status_text(-1), "unknown status");
  EXPECT_STREQ(attn_status_text(99), "unknown status");
  EXPECT_STREQ(attn_runtime_version(), ATTN_RUNTIME_VERSION);
}

} // namespace
