//===- KernelCacheTest.cpp - kernels kept on disk ---------------*- C++ -*-===//
#include "attn/Compiler.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"
#include "gtest/gtest.h"
#include <thread>

using namespace attn;
namespace fs = llvm::sys::fs;

static const char *program = R"(
cascade twice(x: f32[n], const k: i32 = 2) -> y: f32[n] { y[n] = k * x })";

namespace {
class KernelCacheTest : public testing::Test {
protected:
  void SetUp() override {
    ASSERT_FALSE(fs::createUniqueDirectory("attn-cache", directory));
    options.cache = directory.str().str();
  }
  void TearDown() override { fs::remove_directories(directory); }

  /// Compiles and runs; whether the kernel was found on disk.
  bool compile(const char *text = program, float want = 6) {
    auto kernel = Compiler(options).compile(text);
    if (!kernel) {
      ADD_FAILURE() << kernel.message();
      return false;
    }
    EXPECT_EQ(kernel->ports().size(), 2u);
    float x = 3, y = 0;
    int64_t shape[] = {1};
    DLTensor in = attn_tensor(&x, ATTN_DTYPE_FLOAT, 32, 1, shape);
    DLTensor out = attn_tensor(&y, ATTN_DTYPE_FLOAT, 32, 1, shape);
    EXPECT_EQ((*kernel)({&in, &out}), ATTN_OK) << attn_last_error();
    EXPECT_EQ(y, want);
    return kernel->isCached();
  }

  std::vector<std::string> files() {
    std::vector<std::string> result;
    std::error_code error;
    for (fs::directory_iterator i(directory, error), end; i != end && !error;
         i.increment(error))
      if (llvm::sys::path::filename(i->path()).starts_with("llvmcache-"))
        result.push_back(i->path());
    return result;
  }

  /// Replaces the one file by what `change` makes of it.
  void damage(llvm::function_ref<void(std::string &)> change) {
    ASSERT_EQ(files().size(), 1u);
    std::string path = files()[0];
    std::string bytes = (*llvm::MemoryBuffer::getFile(path))->getBuffer().str();
    change(bytes);
    std::error_code error;
    llvm::raw_fd_ostream(path, error) << bytes;
    ASSERT_FALSE(error);
  }

  llvm::SmallString<64> directory;
  Compiler::Options options;
};
} // namespace

TEST_F(KernelCacheTest, IsFoundAgain) {
  EXPECT_FALSE(compile());
  EXPECT_TRUE(compile());
  EXPECT_EQ(files().size(), 1u);
}

TEST_F(KernelCacheTest, EverythingThatMattersIsInTheKey) {
  EXPECT_FALSE(compile());
  EXPECT_FALSE(compile("cascade twice(x: f32[n], const k: i32 = 3) -> y: "
                       "f32[n] { y[n] = k * x }",
                       9));
  options.consts["k"] = "5";
  EXPECT_FALSE(compile(program, 15));
  EXPECT_TRUE(compile(program, 15));
  options.target = "x86-64";
  EXPECT_FALSE(compile(program, 15));
  options.consts.clear();
  EXPECT_FALSE(compile());
  options.entry = "twice";
  EXPECT_FALSE(compile());
  options.widePorts = true;
  EXPECT_FALSE(compile());
  EXPECT_EQ(files().size(), 7u);
}

TEST_F(KernelCacheTest, WhatIsDamagedIsNotUsed) {
  EXPECT_FALSE(compile());
  std::string whole =
      (*llvm::MemoryBuffer::getFile(files()[0]))->getBuffer().str();
  for (size_t length : {size_t(0), size_t(7), size_t(8), size_t(19), size_t(23),
                        whole.size() / 2, whole.size() - 1}) {
    damage([&](std::string &bytes) { bytes.resize(length); });
    EXPECT_FALSE(compile()) << length;
    EXPECT_TRUE(compile()) << length;
  }
  for (size_t at = 0; at < whole.size(); at += whole.size() / 16) {
    damage([&](std::string &bytes) { bytes[at] ^= 1; });
    EXPECT_FALSE(compile()) << at;
  }
}

TEST_F(KernelCacheTest, ErrorsAreNotKept) {
  for (int i = 0; i < 2; ++i)
    EXPECT_FALSE(bool(Compiler(options).compile("cascade f() -> y: f32 { }")));
  EXPECT_TRUE(files().empty());
}

TEST_F(KernelCacheTest, SeveralWriteAtTheSameTime) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] { compile(); });
  for (std::thread &thread : threads)
    thread.join();
  EXPECT_EQ(files().size(), 1u);
  EXPECT_TRUE(compile());
}

TEST_F(KernelCacheTest, WithoutADirectoryNothingIsKept) {
  options.cache = "";
  EXPECT_FALSE(compile());
  EXPECT_FALSE(compile());
  // One that cannot be made is no error either.
  options.cache = "/proc/attn-cache";
  EXPECT_FALSE(compile());
  EXPECT_FALSE(compile());
}
