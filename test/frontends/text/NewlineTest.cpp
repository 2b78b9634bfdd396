//===- NewlineTest.cpp - where a newline ends a statement -----------------===//

#include "SyntaxTest.h"

using namespace attn::text;

/// Both texts have two statements, or both have one.
static unsigned statements(llvm::StringRef text) {
  Parsed parsed(("cascade f() -> O: f32 {\n" + text + "\n}").str());
  EXPECT_EQ(parsed.errors(), "") << text.str();
  return parsed.ast.decls.empty()
             ? 0
             : llvm::cast<CascadeDecl>(parsed.ast.decls[0])->body.size();
}

TEST(Newline, EndsAStatement) {
  EXPECT_EQ(statements("a = x\nb = y"), 2u);
  EXPECT_EQ(statements("\n\na = x # comment\n\n# another\n\nb = y\n\n"), 2u);
  EXPECT_EQ(statements("a = x\r\nb = y\r"), 2u);
  EXPECT_EQ(statements("a = x\n(b, c) = m[r](x, y)"), 2u);
  EXPECT_EQ(statements("rank a: 3\nb = y"), 2u);
}

TEST(Newline, ContinuesInsideBrackets) {
  EXPECT_EQ(statements("a = f(\nx\n,\ny\n)\nb = y"), 2u);
  EXPECT_EQ(statements("a[\nb\n] = T[\ni\n]\n"), 1u);
  EXPECT_EQ(statements("a = (x\n)\n"), 1u);
}

TEST(Newline, ContinuesAfterAnOperator) {
  for (llvm::StringRef op :
       {"+", "-", "*", "/", "//", "%", "^", "<", "<=", ">", ">=", "==", "!="}) {
    EXPECT_EQ(statements(("a = x " + op + " # c\n\n y").str()), 1u);
    EXPECT_EQ(statements(("a = x # c\n\n" + op + " y").str()), 1u);
  }
  EXPECT_EQ(statements("a =\n x"), 1u);
  EXPECT_EQ(statements("a:\n f32 =\n x"), 1u);
  EXPECT_EQ(statements("rank a: 3,\n b:\n 4,\n c =\n a ++\n b"), 1u);
}

TEST(Newline, ContinuesBeforeAWord) {
  for (llvm::StringRef word : {"where", "else", "and", "or"})
    EXPECT_EQ(statements(("a = x\n" + word + " y").str()), 1u);
  // A minus at the beginning of a line is binary.
  EXPECT_EQ(stmtsOf("a = b\n-c"), "\n  (= (left a) (- b c))");
}

TEST(Newline, DoesNotContinueAfterAWord) {
  EXPECT_EQ(errorsOf("cascade f() -> O: f32 {\n  O = x where\n    y > 0\n}"),
            "t.attn:2:14: error: expected an expression, found the end of the "
            "line\n"
            "    O = x where\n"
            "               ^\n"
            "  hint: begin the next line with it\n"
            "t.attn:3:7: error: expected `=`, found `>`\n"
            "      y > 0\n"
            "        ^\n");
}

TEST(Newline, ABraceEndsTheStatementOnItsLine) {
  EXPECT_EQ(dumpOf("def f(x) { a = x\n return a }"),
            "(def f (x)\n  (= (left a) x)\n  (return a))\n");
  EXPECT_EQ(dumpOf("def f(x){return x}"), "(def f (x)\n  (return x))\n");
}

TEST(Newline, IsSignificantAfterDefAndMonoid) {
  EXPECT_EQ(dumpOf("def f(x) = x\n  where x > 0\n  + 1"),
            "(def f (x) (where x (> x (+ 0 1))))\n");
  EXPECT_EQ(dumpOf("def f(x) =\n  x"), "(def f (x) x)\n");
  EXPECT_EQ(dumpOf("monoid m(a = 0) + (a') =\n\n  a\n  + a'\n"),
            "(monoid m (a 0) [a'] (+ a a'))\n");
  EXPECT_EQ(errorsOf("def f(x) = x\n(y)"),
            "t.attn:2:1: error: expected `cascade`, `def` or `monoid`, found "
            "`(`\n"
            "  (y)\n"
            "  ^\n");
}

TEST(Newline, IsFreeInHeaders) {
  llvm::StringRef header =
      "cascade f ( a : f32 [ b ] , const c : i32 = 3 ) -> "
      "( O : f32 [ b ] into a ) with b : 3 , d = ( e , g ) "
      "cut b { }";
  std::string spread;
  for (char c : header)
    spread += c == ' ' ? '\n' : c;
  EXPECT_EQ(dumpOf(spread), dumpOf(header));
  EXPECT_EQ(dumpOf("def\nf\n[\nr\n]\n(\nx\n)\n= x"), "(def f [r] (x) x)\n");
}
