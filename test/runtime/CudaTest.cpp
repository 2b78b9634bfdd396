//===- CudaTest.cpp - entries for GPUs, with and without a driver -*- C++ -*-//
// What is checked before a driver is needed, and what is said without one. Runs
// without a GPU; on a machine with one the last two tests are skipped.
//===----------------------------------------------------------------------===//
#include "Entries.h"

using namespace attn::test;

namespace {

struct CudaTest : testing::Test {
  Entry entry{"gpu"};
  Tensor<float> x = f32({4}), y = f32({4}), scale = f32({}, 2);
  CudaTest() {
    int32_t n = entry.axis("n");
    entry.input("X", ATTN_DTYPE_FLOAT, 32, {n});
    entry.scalar("scale", ATTN_DTYPE_FLOAT, 32, 1);
    entry.output("Y", ATTN_DTYPE_FLOAT, 32, {n});
    entry.version("cuda:sm_80", nothing, ATTN_ENTRY_CUDA);
    for (Tensor<float> *tensor : {&x, &y})
      tensor->dl.device = {kDLCUDA, 0};
  }
  int call() { return entry.call({&x.dl, &scale.dl, &y.dl}); }
};

TEST_F(CudaTest, CpuTensorIsRefused) {
  x.dl.device = {kDLCPU, 0};
  EXPECT_FAILS(ATTN_ERROR_DEVICE,
               "gpu: X is on device type 1, but the code is for GPUs (2)",
               call());
}

TEST_F(CudaTest, TensorsAreOnOneGpu) {
  y.dl.device.device_id = 1;
  EXPECT_FAILS(ATTN_ERROR_DEVICE,
               "gpu: Y is on GPU 1, the tensors before it are on GPU 0",
               call());
}

TEST_F(CudaTest, OutputScalarsAreNoExceptions) {
  Entry sum{"sum"};
  sum.output("Y", ATTN_DTYPE_FLOAT, 32, {});
  sum.version("cuda:sm_80", nothing, ATTN_ENTRY_CUDA);
  EXPECT_FAILS(ATTN_ERROR_DEVICE,
               "sum: Y is on device type 1, but the code is for GPUs (2)",
               sum.call({&scale.dl}));
}

TEST_F(CudaTest, StreamOfAContext) {
  EXPECT_FAILS(ATTN_ERROR_NULL, "attn_context_set_stream: null context",
               attn_context_set_stream(nullptr, nullptr));
  attn_context *context = attn_context_create(1);
  EXPECT_EQ(attn_context_set_stream(context, &x), ATTN_OK);
  attn_context_destroy(context);
}

TEST_F(CudaTest, WithoutADriver) {
  if (attn_cuda_devices())
    GTEST_SKIP() << "this machine has a GPU";
  std::string reason = attn_last_error();
  EXPECT_NE(reason.find("NVIDIA"), std::string::npos) << reason;
  EXPECT_EQ(attn_cuda_target(0), nullptr);
  EXPECT_EQ(call(), ATTN_ERROR_TARGET);
  EXPECT_EQ(std::string(attn_last_error()),
            "gpu: compiled for cuda:sm_80: " + reason);
}

TEST_F(CudaTest, MemoryWithoutADriver) {
  if (attn_cuda_devices())
    GTEST_SKIP() << "this machine has a GPU";
  void *memory = this;
  EXPECT_EQ(attn_cuda_alloc(0, 16, nullptr), ATTN_ERROR_NULL);
  EXPECT_EQ(attn_cuda_alloc(0, 16, &memory), ATTN_ERROR_TARGET);
  EXPECT_EQ(memory, nullptr);
  EXPECT_EQ(attn_cuda_synchronize(0), ATTN_ERROR_TARGET);
}

} // namespace
