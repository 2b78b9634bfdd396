//===- WorkspaceTest.cpp - how the workspace grows --------------*- C++ -*-===//
// Programs whose text names tensors over pairs of sequence positions, compiled:
// the memory they ask for, at one length and at twice that length.
//===----------------------------------------------------------------------===//
#include "compiler/Workspace.h"
#include "attn/Compiler.h"
#include "gtest/gtest.h"

using namespace attn;

namespace {

struct Row {
  const char *path;                    // below examples/zoo
  std::vector<const char *> sequences; // ranks that grow
  std::vector<const char *> small;     // the other free ranks
};

/// Shared workspace and the scratch memory of a worker.
int64_t bytesAt(const attn_entry_desc *entry, const Row &row, int64_t length) {
  llvm::StringMap<int64_t> free;
  for (const char *name : row.small)
    free[name] = 8;
  for (const char *name : row.sequences)
    free[name] = length;
  return workspaceBytes(entry, free);
}

const Row linear[] = {
    {"score-01-alpha_entmax/alpha_entmax.attn",
     {"m", "n"},
     {"b", "h", "d", "e"}},
    {"score-07-cope/cope.attn", {"m", "n"}, {"b", "h", "d", "e", "i"}},
    {"score-18-trilinear/trilinear.attn",
     {"m", "j", "l"},
     {"b", "h", "d", "e"}},
    {"score-31-neural/neural.attn", {"m", "n"}, {"b", "h", "d", "e", "j"}},
    {"score-43-tra/tra.attn", {"m", "n"}, {"b", "h", "d", "e"}},
    {"score-45-calibrate/calibrate.attn", {"m", "n"}, {"b", "h", "d", "e"}},
    {"score-46-reversed/reversed.attn", {"m", "n"}, {"b", "h", "d", "e"}},
    {"heads-15-mta/mta.attn", {"m", "n"}, {"b", "g", "h", "d", "e"}},
};

class Workspace : public testing::TestWithParam<Row> {};

TEST_P(Workspace, GrowsWithTheSequence) {
  const Row &row = GetParam();
  auto kernel = Compiler().compileFile(std::string(ATTN_SOURCE_DIR) +
                                       "/examples/zoo/" + row.path);
  ASSERT_TRUE(bool(kernel)) << kernel.message();
  int64_t once = bytesAt(kernel->entry(), row, 1 << 16);
  int64_t twice = bytesAt(kernel->entry(), row, 1 << 17);
  EXPECT_LT(twice, once * 21 / 10) << once << " bytes, then " << twice;
}

INSTANTIATE_TEST_SUITE_P(Zoo, Workspace, testing::ValuesIn(linear),
                         [](const auto &info) {
                           std::string name = info.param.path;
                           name = name.substr(0, name.find('/'));
                           for (char &c : name)
                             if (c == '-')
                               c = '_';
                           return name;
                         });

} // namespace
