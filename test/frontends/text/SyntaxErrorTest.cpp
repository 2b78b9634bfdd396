//===- SyntaxErrorTest.cpp - errors, hints and recovery -------------------===//

#include "SyntaxTest.h"
#include "llvm/ADT/StringExtras.h"

using namespace attn::text;

static constexpr llvm::StringRef caseMark = "================\n";
static constexpr llvm::StringRef answerMark = "----------------\n";

/// syntax-errors.txt holds texts with their exact diagnostics.
TEST(SyntaxError, ExactTexts) {
  std::string file = fileText("/test/frontends/text/syntax-errors.txt");
  llvm::SmallVector<llvm::StringRef> cases;
  llvm::StringRef(file).split(cases, caseMark);
  ASSERT_GT(cases.size(), 50u);
  for (llvm::StringRef block : llvm::drop_begin(cases)) {
    auto [text, answer] = block.split(answerMark);
    EXPECT_EQ(errorsOf(text.drop_back()), answer.str()) << text.str();
  }
}

/// The lines of all errors, in order.
static std::vector<unsigned> errorLines(llvm::StringRef text) {
  Parsed parsed(text);
  std::vector<unsigned> found;
  for (const Diagnostic &diagnostic : parsed.diagnostics.all())
    if (diagnostic.severity == Severity::Error)
      found.push_back(parsed.sources.lineColumn(diagnostic.range.begin).line);
  return found;
}

TEST(SyntaxError, EveryStatementIsReported) {
  EXPECT_EQ(errorLines("cascade f(a) -> O: f32 {\n" // no type
                       "  A = 1 +\n    2 )\n"       // stray bracket
                       "  B = sqrt(x\n"             // open bracket,
                       "  C[b,n] = (1 + 2\n"        // seen at line 5,
                       "  D[b]: f32 = @\n"          // and at line 6
                       "  E = 1\n"
                       "  mask E\n"
                       "}\n"
                       "nonsense\n"
                       "def g(x) { x }\n"
                       "def h(x) = x\n"
                       "def i(x) = x +\n"),
            (std::vector<unsigned>{1, 3, 5, 6, 6, 8, 10, 11, 13}));
}

TEST(SyntaxError, GoodStatementsAreKept) {
  Parsed parsed("cascade f() -> O: f32 {\n  A = 1\n  B = )\n  C = 2\n}\n");
  ASSERT_EQ(parsed.ast.decls.size(), 1u);
  EXPECT_EQ(llvm::cast<CascadeDecl>(parsed.ast.decls[0])->body.size(), 2u);
}

TEST(SyntaxError, ALostBraceEndsAtTheNextDeclaration) {
  EXPECT_EQ(errorLines("cascade f() -> O: f32 {\n  O = 1\n\n"
                       "def g(x) = x +\n\n\ndef h(x) = )\n"),
            (std::vector<unsigned>{4, 7, 7}));
}
