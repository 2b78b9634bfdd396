//===- DiagnosticsTest.cpp - ranges to lines, columns and carets ----------===//

#include "SyntaxTest.h"

using namespace attn::text;

namespace {
struct Sources : testing::Test {
  SourceManager sources;
  Diagnostics diagnostics{sources};

  /// The range of `part` in a new file with `text`.
  SourceRange add(llvm::StringRef text, llvm::StringRef part) {
    const SourceFile *file = sources.add("t.attn", text);
    uint32_t begin = file->base() + uint32_t(text.find(part));
    return {begin, begin + uint32_t(part.size())};
  }
};
} // namespace

TEST_F(Sources, FilesShareOneSpace) {
  SourceRange a = add("one\ntwo", "two"), b = add("three", "three");
  EXPECT_EQ(sources.text(a), "two");
  EXPECT_EQ(sources.text(b), "three");
  EXPECT_EQ(sources.lineColumn(a.begin).line, 2u);
  EXPECT_EQ(sources.lineColumn(b.begin).line, 1u);
  EXPECT_EQ(sources.lineOf(a.end), "two"); // the end of the file is in it
  EXPECT_EQ(sources.fileOf(0), nullptr);
}

TEST_F(Sources, LinesAndColumns) {
  SourceRange at = add("a\n\n bc\r\nd", "bc");
  EXPECT_EQ(sources.lineOf(at.begin), " bc");
  EXPECT_EQ(sources.lineColumn(at.begin).line, 3u);
  EXPECT_EQ(sources.lineColumn(at.begin).column, 2u);
  uint32_t base = sources.fileOf(at.begin)->base();
  EXPECT_EQ(sources.lineOf(base + 1), "a"); // its line end
  EXPECT_EQ(sources.lineOf(base + 2), "");
}

TEST_F(Sources, Rendering) {
  SourceRange at = add("x = sqrt(d)\n", "sqrt(d)");
  diagnostics.warning(at, "sqrt(d) takes the coordinate d", "`sqrt(|d|)`");
  diagnostics.note({at.begin + 5, at.begin + 6}, "here");
  diagnostics.error({}, "nowhere");
  EXPECT_EQ(diagnostics.str(),
            "t.attn:1:5: warning: sqrt(d) takes the coordinate d\n"
            "  x = sqrt(d)\n"
            "      ^~~~~~~\n"
            "  hint: `sqrt(|d|)`\n"
            "t.attn:1:10: note: here\n"
            "  x = sqrt(d)\n"
            "           ^\n"
            "error: nowhere\n");
  EXPECT_EQ(diagnostics.errorCount(), 1u);
}

TEST_F(Sources, CaretUnderWideTextAndTabs) {
  diagnostics.error(add("\té 漢 x", "x"), "text");
  EXPECT_EQ(diagnostics.str(), "t.attn:1:6: error: text\n"
                               "  \té 漢 x\n"
                               "  \t     ^\n");
}

TEST_F(Sources, UnprintableBytesAreReplaced) {
  diagnostics.error(add("\x1b[1m\xff x", "x"), "text");
  EXPECT_EQ(diagnostics.str(), "t.attn:1:7: error: text\n"
                               "  \uFFFD[1m\uFFFD x\n"
                               "        ^\n");
}

TEST_F(Sources, LongLinesAreCut) {
  std::string text = std::string(500, 'a') + "X" + std::string(500, 'b');
  diagnostics.error(add(text, "X"), "text");
  std::string around = std::string(120, 'a') + "X" + std::string(119, 'b');
  EXPECT_EQ(diagnostics.str(), "t.attn:1:501: error: text\n"
                               "  ..." +
                                   around +
                                   "...\n"
                                   "  " +
                                   std::string(123, ' ') + "^\n");
}

TEST_F(Sources, ErrorLimit) {
  SourceRange at = add("x", "x");
  for (unsigned i = 0; i < 30; ++i) {
    EXPECT_EQ(diagnostics.limitReached(), i >= Diagnostics::errorLimit);
    diagnostics.error(at, "e");
    diagnostics.note(at, "n");
  }
  EXPECT_EQ(diagnostics.all().size(), 2 * Diagnostics::errorLimit);
  EXPECT_EQ(diagnostics.errorCount(), 30u);
  EXPECT_TRUE(llvm::StringRef(diagnostics.str())
                  .ends_with("error: stopped after 20 errors\n"));
}

TEST_F(Sources, SortKeepsNotesBehind) {
  SourceRange late = add("a b", "b"), early = {late.begin - 2, late.begin - 1};
  diagnostics.error(late, "late");
  diagnostics.note(early, "note of late");
  diagnostics.error(early, "early");
  diagnostics.sortFrom(0);
  std::vector<std::string> texts;
  for (const Diagnostic &diagnostic : diagnostics.all())
    texts.push_back(diagnostic.text);
  EXPECT_EQ(texts, (std::vector<std::string>{"early", "late", "note of late"}));
}
