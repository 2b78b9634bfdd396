//===- CompilerTest.cpp - the public C++ interface --------------*- C++ -*-===//
#include "attn/Compiler.h"
#include "gtest/gtest.h"

using namespace attn;

static const char *program = R"(
cascade scores(Q: f32[m,d], K: f32[n,d], scale: f32 = 2) -> S: f32[m,n]
{
  S[m,n] = sum[d](Q * K) * scale where n <= m
}
)";

TEST(Compiler, CompilesAndCalls) {
  auto kernel = Compiler().compile(program);
  ASSERT_TRUE(bool(kernel)) << kernel.message();
  EXPECT_EQ(kernel->name(), "scores");
  ASSERT_EQ(kernel->ports().size(), 4u);
  EXPECT_EQ(kernel->ports()[1].name, "K");
  EXPECT_EQ(kernel->ports()[1].type, "f32");
  EXPECT_EQ(kernel->ports()[1].ranks, (std::vector<std::string>{"n", "d"}));
  EXPECT_TRUE(kernel->ports()[2].hasDefault);
  EXPECT_TRUE(kernel->ports()[3].isOutput);

  float q[] = {1, 2, 3, 4}, k[] = {1, 1, 1, -1}, s[4] = {9, 9, 9, 9};
  int64_t shape[] = {2, 2};
  DLTensor Q = attn_tensor(q, ATTN_DTYPE_FLOAT, 32, 2, shape);
  DLTensor K = attn_tensor(k, ATTN_DTYPE_FLOAT, 32, 2, shape);
  DLTensor S = attn_tensor(s, ATTN_DTYPE_FLOAT, 32, 2, shape);
  ASSERT_EQ((*kernel)({&Q, &K, nullptr, &S}), ATTN_OK) << attn_last_error();
  EXPECT_EQ(s[0], 6);
  EXPECT_EQ(s[1], 0); // masked
  EXPECT_EQ(s[2], 14);
  EXPECT_EQ(s[3], -2);
  EXPECT_EQ((*kernel)({&Q, &K}), ATTN_ERROR_NULL);
}

TEST(Compiler, SaysWhatIsWrong) {
  auto kernel = Compiler().compile(
      "cascade f(x: f32[n]) -> y: f32[n] { y = z }", "mine.attn");
  ASSERT_FALSE(bool(kernel));
  EXPECT_NE(kernel.message().find("mine.attn:1:"), std::string::npos)
      << kernel.message();
}

TEST(Compiler, WidePortsAreF32) {
  const char *text = R"(
cascade f(x: bf16[m,n], y: f16[m], z: i32[m], w: f64) -> (o: bf16[m], p: i32[m])
{
  o[m] = sum[n](x) * y + w
  p[m] = z + 1
})";
  auto types = [&](bool wide) {
    Compiler::Options options;
    options.widePorts = wide;
    auto kernel = Compiler(options).compile(text);
    std::string result;
    if (kernel)
      for (const Port &port : kernel->ports())
        result += port.type + " ";
    return result + kernel.message();
  };
  EXPECT_EQ(types(false), "bf16 f16 i32 f64 bf16 i32 ");
  EXPECT_EQ(types(true), "f32 f32 i32 f64 f32 i32 ");
}

TEST(Compiler, ConstsAndEntries) {
  const char *two = R"(
cascade f(x: f32[n], const a: i32) -> y: f32[n] { y[n] = x * real(a) }
cascade g(x: f32[n]) -> y: f32[n] { y[n] = x + 1 }
)";
  Compiler::Options options;
  options.entry = "g";
  auto kernel = Compiler(options).compile(two);
  ASSERT_TRUE(bool(kernel)) << kernel.message();
  EXPECT_EQ(kernel->name(), "g");
}
