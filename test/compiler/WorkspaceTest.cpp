//===- WorkspaceTest.cpp - how memory grows with the sequence ---*- C++ -*-===//
#include "compiler/Workspace.h"
#include "compiler/Load.h"
#include "gtest/gtest.h"

using namespace attn;

namespace {

// Extents: m, n (free), h = |n| ceildiv 16.
const int64_t halves[] = {ATTN_EXT_LOAD,    1, ATTN_EXT_CONST, 16,
                          ATTN_EXT_CEILDIV, 0};
const attn_extent_desc extents[] = {{"m", ATTN_EXTENT_AXIS, 0, 0, nullptr},
                                    {"n", ATTN_EXTENT_AXIS, 0, 0, nullptr},
                                    {"h", ATTN_EXTENT_DERIVED, 6, 0, halves}};

Growth growth(void (*workspace)(const int64_t *, int64_t *),
              std::vector<std::string> sequence,
              const char *signature = "x: f32[m,n]) -> y: f32[m]",
              const char *body = "y[m] = sum[n](x)") {
  std::string messages;
  llvm::raw_string_ostream os(messages);
  auto program = loadText("w.attn",
                          std::string("cascade f(") + signature + "\n{ " +
                              body + " }",
                          {}, os);
  CascadeOp cascade = *program->module->getOps<CascadeOp>().begin();
  attn_entry_version version = {"any", 0, 0, workspace, nullptr};
  attn_entry_desc entry = {};
  entry.num_extents = 3;
  entry.extents = extents;
  entry.num_versions = 1;
  entry.versions = &version;
  Extents sizes;
  for (auto rank : cascade.getRanks().getAsRange<RankAttr>())
    sizes[rank.getName()] = 5;
  return workspaceGrowth(&entry, cascade, sizes, sequence);
}

TEST(Workspace, GrowsWithTheRanksOfTheSequence) {
  auto rows = [](const int64_t *extent, int64_t *out) {
    out[0] = 4 * extent[0];
    out[1] = 64;
  };
  auto pairs = [](const int64_t *extent, int64_t *out) {
    out[0] = 4 * extent[0] * extent[2];
  };
  auto constant = [](const int64_t *, int64_t *out) { out[1] = 4096; };
  EXPECT_EQ(growth(rows, {"m", "n"}), Growth::Linear);
  EXPECT_EQ(growth(rows, {"n"}), Growth::None);
  EXPECT_EQ(growth(pairs, {"m", "n"}), Growth::Quadratic);
  EXPECT_EQ(growth(pairs, {"m"}), Growth::Linear);
  EXPECT_EQ(growth(constant, {"m", "n"}), Growth::None);
  // A derived rank grows by what determines it.
  EXPECT_EQ(growth(pairs, {"h"}), Growth::Linear);
  EXPECT_EQ(growth(pairs, {"m", "h"}), Growth::Quadratic);
  // An image of m by n has as many points; one of pairs is beside a line.
  const char *image = "x: f32[m,n]) -> y: f32[m,n]", *copy = "y[m,n] = x";
  EXPECT_EQ(growth(pairs, {"m", "n"}, image, copy), Growth::Linear);
  auto cubes = [](const int64_t *extent, int64_t *out) {
    out[0] = 4 * extent[0] * extent[1] * extent[1];
  };
  EXPECT_EQ(growth(cubes, {"m", "n"}, image, copy), Growth::Quadratic);
}

} // namespace
