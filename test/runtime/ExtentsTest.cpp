//===- ExtentsTest.cpp - extents, programs, relations ----------*- C++ -*-===//
// Static, dynamic and derived extents, the checks of an entry, and defaults.
//===----------------------------------------------------------------------===//
#include "Entries.h"

#include "runtime/Dtype.h"

#include <cmath>

using namespace attn::test;

namespace {

int64_t seen[8];
int record(const attn_invocation *invocation) {
  std::memcpy(seen, invocation->extents, sizeof seen);
  return ATTN_OK;
}

/// One input [n], one derived extent.
struct Program : Entry {
  int32_t n = axis("n");
  explicit Program(std::vector<int64_t> code) : Entry("program") {
    derived("p", std::move(code));
    for (int i = 2; i < 8; ++i)
      fixed("s", i);
    input("X", ATTN_DTYPE_FLOAT, 32, {n});
    version("x86-64", record);
  }
  int64_t operator()(int64_t extent) {
    Tensor<float> x = f32({extent});
    EXPECT_EQ(call({&x.dl}), ATTN_OK) << attn_last_error();
    return seen[1];
  }
};

std::vector<int64_t> binary(int op, int64_t right) {
  return {ATTN_EXT_LOAD, 0, ATTN_EXT_CONST, right, op, 0};
}

TEST(Extents, Programs) {
  EXPECT_EQ(Program(binary(ATTN_EXT_ADD, 5))(7), 12);
  EXPECT_EQ(Program(binary(ATTN_EXT_MUL, 3))(7), 21);
  EXPECT_EQ(Program(binary(ATTN_EXT_FLOORDIV, 4))(7), 1);
  EXPECT_EQ(Program(binary(ATTN_EXT_CEILDIV, 4))(7), 2);
  EXPECT_EQ(Program(binary(ATTN_EXT_CEILDIV, 4))(8), 2);
  EXPECT_EQ(Program(binary(ATTN_EXT_CEILDIV, 4))(0), 0);
  EXPECT_EQ(Program(binary(ATTN_EXT_MOD, 4))(7), 3);
  EXPECT_EQ(Program(binary(ATTN_EXT_MOD, -4))(7), 3);
  EXPECT_EQ(Program(binary(ATTN_EXT_MIN, 4))(7), 4);
  EXPECT_EQ(Program(binary(ATTN_EXT_MAX, 4))(7), 7);
  EXPECT_EQ(Program({ATTN_EXT_CONST, 42})(7), 42);
  // Division by 0 gives 0, a negative result is 0.
  EXPECT_EQ(Program(binary(ATTN_EXT_FLOORDIV, 0))(7), 0);
  EXPECT_EQ(Program(binary(ATTN_EXT_CEILDIV, 0))(7), 0);
  EXPECT_EQ(Program(binary(ATTN_EXT_MOD, 0))(7), 0);
  EXPECT_EQ(Program(binary(ATTN_EXT_ADD, -9))(7), 0);
  // floor(-2 / 4) = -1, made visible by + 11; (-2) mod 4 = 2.
  EXPECT_EQ(Program({ATTN_EXT_LOAD, 0, ATTN_EXT_CONST, -9, ATTN_EXT_ADD, 0,
                     ATTN_EXT_CONST, 4, ATTN_EXT_FLOORDIV, 0, ATTN_EXT_CONST,
                     11, ATTN_EXT_ADD, 0})(7),
            10);
  EXPECT_EQ(
      Program({ATTN_EXT_CONST, -2, ATTN_EXT_CONST, 4, ATTN_EXT_MOD, 0})(7), 2);
}

TEST(Extents, MalformedPrograms) {
  Tensor<float> x = f32({7});
  const char *message = "program: program of rank p is malformed";
  EXPECT_FAILS(ATTN_ERROR_INTERNAL, message,
               Program({ATTN_EXT_LOAD, 0, ATTN_EXT_ADD, 0}).call({&x.dl}));
  EXPECT_FAILS(ATTN_ERROR_INTERNAL, message, Program({}).call({&x.dl}));
  EXPECT_FAILS(ATTN_ERROR_INTERNAL, message,
               Program(binary(99, 1)).call({&x.dl}));
  EXPECT_FAILS(ATTN_ERROR_INTERNAL, "program: extent of rank p is not defined",
               Program({ATTN_EXT_LOAD, 1}).call({&x.dl}));
  EXPECT_FAILS(ATTN_ERROR_INTERNAL, "program: extent of rank p is not defined",
               Program({ATTN_EXT_LOAD, 999}).call({&x.dl}));
}

TEST(Extents, Overflow) {
  Tensor<float> x = f32({7});
  const char *message = "program: extent of rank p exceeds 64 bits";
  for (int op : {ATTN_EXT_MUL, ATTN_EXT_ADD})
    EXPECT_FAILS(ATTN_ERROR_SHAPE, message,
                 Program(binary(op, INT64_MAX)).call({&x.dl}));
  for (int op : {ATTN_EXT_FLOORDIV, ATTN_EXT_CEILDIV})
    EXPECT_FAILS(ATTN_ERROR_SHAPE, message,
                 Program({ATTN_EXT_CONST, INT64_MIN, ATTN_EXT_CONST, -1, op, 0})
                     .call({&x.dl}));
  EXPECT_EQ(Program({ATTN_EXT_CONST, INT64_MIN, ATTN_EXT_CONST, -1,
                     ATTN_EXT_MOD, 0})(7),
            0);
}

/// h = (g, y: 4) with Q [h, d=8], K [g, d]: h is derived, before g is known.
struct Grouped : Entry {
  int32_t h =
      derived("h", {ATTN_EXT_LOAD, 1, ATTN_EXT_LOAD, 2, ATTN_EXT_MUL, 0});
  int32_t g = axis("g"), y = fixed("y", 4), d = fixed("d", 8);
  Grouped() : Entry("grouped") {
    input("Q", ATTN_DTYPE_FLOAT, 32, {h, d});
    input("K", ATTN_DTYPE_FLOAT, 32, {g, d});
    version("x86-64", nothing);
  }
};

TEST(Extents, DerivedAndStaticAxes) {
  Grouped grouped;
  Tensor<float> k = f32({2, 8});
  EXPECT_EQ(grouped.call({f32({8, 8}).ptr(), &k.dl}), ATTN_OK);
  EXPECT_FAILS(ATTN_ERROR_SHAPE,
               "grouped: rank h has extents 8 and 6: by its relations, Q axis "
               "0",
               grouped.call({f32({6, 8}).ptr(), &k.dl}));
  EXPECT_FAILS(ATTN_ERROR_SHAPE,
               "grouped: rank d has extents 8 and 9: fixed when compiled, Q "
               "axis 1",
               grouped.call({f32({8, 9}).ptr(), &k.dl}));
}

TEST(Extents, Checks) {
  Entry entry("checked");
  int32_t m = entry.axis("m"), n = entry.axis("n");
  entry.input("X", ATTN_DTYPE_FLOAT, 32, {m});
  entry.input("Y", ATTN_DTYPE_FLOAT, 32, {n});
  entry.check(m, n, /*atMost=*/true, "more rows than keys");
  entry.version("x86-64", nothing);
  EXPECT_EQ(entry.call({f32({3}).ptr(), f32({4}).ptr()}), ATTN_OK);
  EXPECT_FAILS(ATTN_ERROR_SHAPE, "checked: more rows than keys (m = 5, n = 4)",
               entry.call({f32({5}).ptr(), f32({4}).ptr()}));
  entry.check(m, n, /*atMost=*/false, "m: |n|");
  EXPECT_FAILS(ATTN_ERROR_SHAPE, "checked: m: |n| (m = 3, n = 4)",
               entry.call({f32({3}).ptr(), f32({4}).ptr()}));
}

TEST(Extents, TwoAxesOfOneTensor) {
  Entry entry("square");
  int32_t n = entry.axis("n");
  entry.input("X", ATTN_DTYPE_FLOAT, 32, {n, n});
  entry.version("x86-64", nothing);
  EXPECT_EQ(entry.call({f32({3, 3}).ptr()}), ATTN_OK);
  EXPECT_FAILS(ATTN_ERROR_SHAPE,
               "square: rank n has extents 3 and 4: X axis 0, X axis 1",
               entry.call({f32({3, 4}).ptr()}));
}

TEST(Dtype, Encodings) {
  using attn::rt::encode;
  auto asFloat = [](double value) {
    float narrow = static_cast<float>(value);
    uint32_t bits;
    std::memcpy(&bits, &narrow, sizeof bits);
    return uint64_t(bits);
  };
  for (double value : {0.0, -0.0, 1.0, -2.5, 0.1, 1e-40, 3e38, 1e39, -1e300,
                       16777217.0, 1.0 / 3, double(INFINITY)}) {
    EXPECT_EQ(encode(value, ATTN_DTYPE_FLOAT, 32), asFloat(value)) << value;
    uint64_t wide;
    std::memcpy(&wide, &value, sizeof wide);
    EXPECT_EQ(encode(value, ATTN_DTYPE_FLOAT, 64), wide) << value;
  }
  EXPECT_EQ(encode(NAN, ATTN_DTYPE_FLOAT, 32), 0x7fc00000u);
  EXPECT_EQ(encode(1.0, ATTN_DTYPE_FLOAT, 16), 0x3c00u);
  EXPECT_EQ(encode(65504, ATTN_DTYPE_FLOAT, 16), 0x7bffu);
  EXPECT_EQ(encode(65520, ATTN_DTYPE_FLOAT, 16), 0x7c00u);
  EXPECT_EQ(encode(5.96e-8, ATTN_DTYPE_FLOAT, 16), 1u); // least denormal
  EXPECT_EQ(encode(2.9e-8, ATTN_DTYPE_FLOAT, 16), 0u);
  EXPECT_EQ(encode(1 + 1 / 256., ATTN_DTYPE_BFLOAT, 16), 0x3f80u); // to even
  EXPECT_EQ(encode(1 + 3 / 256., ATTN_DTYPE_BFLOAT, 16), 0x3f82u);
  EXPECT_EQ(encode(448, ATTN_DTYPE_FLOAT8_E4M3FN, 8), 0x7eu);
  EXPECT_EQ(encode(1e9, ATTN_DTYPE_FLOAT8_E4M3FN, 8), 0x7fu);
  EXPECT_EQ(encode(-1.0, ATTN_DTYPE_FLOAT8_E5M2, 8), 0xbcu);
  EXPECT_EQ(encode(1024, ATTN_DTYPE_INT, 32), 1024u);
  EXPECT_EQ(encode(-1, ATTN_DTYPE_INT, 32), 0xffffffffu);
  EXPECT_EQ(encode(-1.9, ATTN_DTYPE_INT, 8), 0xffu);
  EXPECT_EQ(encode(1e30, ATTN_DTYPE_INT, 64), uint64_t(INT64_MAX));
  EXPECT_EQ(encode(-1e30, ATTN_DTYPE_INT, 64), uint64_t(1) << 63);
  EXPECT_EQ(encode(300, ATTN_DTYPE_UINT, 8), 255u);
  EXPECT_EQ(encode(-3, ATTN_DTYPE_UINT, 8), 0u);
  EXPECT_EQ(encode(NAN, ATTN_DTYPE_INT, 32), 0u);
  EXPECT_EQ(encode(0.25, ATTN_DTYPE_BOOL, 8), 1u);
}

} // namespace
