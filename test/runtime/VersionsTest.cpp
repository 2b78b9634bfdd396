//===- VersionsTest.cpp - CPU detection and versions -----------*- C++ -*-===//
// The first version the machine runs, or the one ATTN_TARGET names.
//===----------------------------------------------------------------------===//
#include "Entries.h"

#include <cstdlib>

using namespace attn::test;

namespace {

const char *ran;
template <char Tag> int mark(const attn_invocation *) {
  static const char tag[] = {Tag, 0};
  ran = tag;
  return ATTN_OK;
}

struct VersionsTest : testing::Test {
  Entry entry{"multi"};
  void SetUp() override { unsetenv("ATTN_TARGET"); }
  void TearDown() override { unsetenv("ATTN_TARGET"); }
};

TEST_F(VersionsTest, FirstThatRuns) {
  entry.version("z80", mark<'z'>);
  entry.version("x86-64", mark<'b'>);
  entry.version("x86-64", mark<'c'>);
  ASSERT_EQ(entry.call({}), ATTN_OK);
  EXPECT_STREQ(ran, "b");
}

TEST_F(VersionsTest, Forced) {
  std::string best = attn_cpu_target();
  entry.version(best.c_str(), mark<'a'>);
  entry.version("z80", mark<'z'>);
  entry.version("x86-64", mark<'b'>);
  ASSERT_EQ(entry.call({}), ATTN_OK);
  EXPECT_STREQ(ran, "a");
  if (best != "x86-64") {
    setenv("ATTN_TARGET", "x86-64", 1);
    ASSERT_EQ(entry.call({}), ATTN_OK);
    EXPECT_STREQ(ran, "b");
  }
  for (const char *natural : {"", "native"}) {
    setenv("ATTN_TARGET", natural, 1);
    ASSERT_EQ(entry.call({}), ATTN_OK);
    EXPECT_STREQ(ran, "a");
  }
}

TEST_F(VersionsTest, ForcedButImpossible) {
  entry.version("z80", mark<'z'>);
  entry.version("x86-64", mark<'b'>);
  setenv("ATTN_TARGET", "z80", 1);
  EXPECT_FAILS(
      ATTN_ERROR_TARGET,
      "multi: ATTN_TARGET asks for z80, which this machine does not run",
      entry.call({}));
  setenv("ATTN_TARGET", "m68k", 1);
  EXPECT_FAILS(ATTN_ERROR_TARGET,
               "multi: ATTN_TARGET asks for m68k, but the code has versions "
               "for: z80, x86-64",
               entry.call({}));
}

TEST_F(VersionsTest, NoneForThisMachine) {
  entry.version("z80", mark<'z'>);
  std::string expected = std::string("multi: this machine runs ") +
                         attn_cpu_target() +
                         ", but the code has versions for: z80";
  EXPECT_FAILS(ATTN_ERROR_TARGET, expected.c_str(), entry.call({}));
  Entry empty("multi");
  EXPECT_EQ(empty.call({}), ATTN_ERROR_TARGET);
}

TEST_F(VersionsTest, AmxIsAskedFor) {
  entry.version(
      "amx",
      [](const attn_invocation *) -> int {
#if defined(__x86_64__)
        // Palette 0 would release the tiles; any tile instruction traps without
        // the permission.
        asm volatile("tilerelease");
#endif
        ran = "amx";
        return ATTN_OK;
      },
      ATTN_ENTRY_USES_AMX);
  int status = entry.call({});
  EXPECT_EQ(status, attn_cpu_supports("amx") ? ATTN_OK : ATTN_ERROR_TARGET);
}

TEST(Cpu, Names) {
  EXPECT_EQ(attn_cpu_supports(nullptr), 0);
  EXPECT_EQ(attn_cpu_supports(""), 0);
  EXPECT_EQ(attn_cpu_supports("z80"), 0);
  EXPECT_EQ(attn_cpu_supports("cuda:sm_90a"), 0);
  EXPECT_EQ(attn_cpu_supports(attn_cpu_target()), 1);
}

#if defined(__x86_64__)
TEST(Cpu, AgreesWithTheCompiler) {
  EXPECT_EQ(attn_cpu_supports("x86-64"), 1);
#define SAME(ours, theirs)                                                     \
  EXPECT_EQ(attn_cpu_supports(ours), __builtin_cpu_supports(theirs) ? 1 : 0)
  SAME("avx2", "avx2");
  SAME("fma", "fma");
  SAME("avx512f", "avx512f");
  SAME("avx512bw", "avx512bw");
  SAME("avx512vl", "avx512vl");
  SAME("avx512dq", "avx512dq");
  SAME("avx512cd", "avx512cd");
  SAME("avx512vbmi", "avx512vbmi");
  SAME("avx512vbmi2", "avx512vbmi2");
  SAME("avx512vnni", "avx512vnni");
  SAME("avx512bitalg", "avx512bitalg");
  SAME("avx512vpopcntdq", "avx512vpopcntdq");
  SAME("avx512ifma", "avx512ifma");
  SAME("avx512bf16", "avx512bf16");
  SAME("bmi", "bmi");
  SAME("bmi2", "bmi2");
  SAME("popcnt", "popcnt");
  SAME("sse4.2", "sse4.2");
#undef SAME
  // Levels contain each other.
  const char *levels[] = {"amx",       "avx512fp16", "x86-64-v4",
                          "x86-64-v3", "x86-64-v2",  "x86-64"};
  for (int i = 0; i + 1 < 6; ++i)
    EXPECT_LE(attn_cpu_supports(levels[i]), attn_cpu_supports(levels[i + 1]));
}
#endif

} // namespace
