//===- FormatterTest.cpp - the canonical text -----------------------------===//

#include "SyntaxTest.h"
#include "frontends/text/Lexer.h"
#include <random>

using namespace attn::text;

static std::string formatted(llvm::StringRef text) {
  SourceManager sources;
  Diagnostics diagnostics(sources);
  auto out = formatSource(*sources.add("t.attn", text), diagnostics);
  EXPECT_EQ(diagnostics.str(), "");
  return out.value_or("");
}

static void expectLaws(llvm::StringRef text, llvm::StringRef name) {
  std::string once = formatted(text);
  EXPECT_EQ(dumpOf(text), dumpOf(once)) << name.str();
  EXPECT_EQ(formatted(once), once) << name.str();
  for (llvm::StringRef blanks : {" \n", "\t\n", "\n\n\n"})
    EXPECT_FALSE(llvm::StringRef(once).contains(blanks)) << name.str();
}

TEST(Formatter, KeepsTreesAndIsIdempotent) {
  for (const auto &[name, text] : programs())
    expectLaws(text, name);
}

/// Other blanks, more comments and, inside brackets, more line breaks.
static std::string shaken(llvm::StringRef text, std::mt19937 &random) {
  SourceManager sources;
  Diagnostics diagnostics(sources);
  const SourceFile *file = sources.add("t.attn", text);
  TokenList list = lex(*file, diagnostics);
  static constexpr llvm::StringRef gaps[] = {" ",      "  ",   "\t",
                                             " # c\n", "\n\n", "\n  # own {\n"};
  std::string out;
  int open = 0;
  for (const Token &token : list.tokens) {
    if (token.startsLine)
      out += random() % 4 ? "\n" : random() % 2 ? "\n\n" : " # tail\n#own\n";
    else
      out += gaps[random() % (open > 0 ? std::size(gaps) : 3)];
    out += sources.text(token.range);
    open += token.kind == Tok::LParen || token.kind == Tok::LBracket;
    open -= token.kind == Tok::RParen || token.kind == Tok::RBracket;
  }
  return out;
}

TEST(Formatter, LawsHoldForAnyLayout) {
  std::mt19937 random(7);
  for (const auto &[name, text] : programs())
    for (int i = 0; i < 5; ++i) {
      std::string other = shaken(text, random);
      EXPECT_EQ(dumpOf(text), dumpOf(other)) << name;
      expectLaws(other, name);
    }
}

TEST(Formatter, CanonicalText) {
  EXPECT_EQ(
      formatted("\n# doc\n\n\ncascade f ( Q : bf16 [ b , h=2*g ] layout paged "
                "( table , page = 16 ) quant i8 per ( b,h ) = 3, # q\n"
                "const W : i32=1 )->( O:f32[b] into Q,P:f32 ) with h=(g,y:4),\n"
                "m:|n| cut n\n{ # open\n\n"
                "S[ b , n-1 ]:bf16=- x^2 # c1\n"
                "T =sum [ d ] (\nQ*K,   # arg\n3)\n\n\n"
                "(A [b],B) = m [r] (x,\ny) # tail\n"
                "UU = K[b, i32(a+b) , -1]? else x[r:=3*d]? where not(a)\n"
                "and p # end\n"
                "rank a : 3 , b=c++d # r\n\n"
                "} # close\n"
                "def g[ a , b->c ] ( x , y ) = x # one\n"
                "def h()=1 def i(x){return x}\n"
                "monoid m(a=1,b = 0)+(a',b') ordered=(a*a',\na'*b+b')\n# end"),
      "# doc\n"
      "\n"
      "cascade f(Q: bf16[b,h=2*g] layout paged(table, page=16) quant i8 per "
      "(b,h) = 3,  # q\n"
      "          const W: i32 = 1) -> (O: f32[b] into Q, P: f32)\n"
      "  with h = (g, y: 4),\n"
      "       m: |n|\n"
      "  cut n\n"
      "{  # open\n"
      "  S[b,n-1]: bf16 = -x ^ 2  # c1\n"
      "  T              = sum[d](\n"
      "    Q * K,                 # arg\n"
      "    3)\n"
      "\n"
      "  (A[b], B) = m[r](x,\n"
      "                   y)    # tail\n"
      "  UU        = K[b,i32(a + b),-1]? else x[r := 3 * d]? where not (a)\n"
      "    and p                # end\n"
      "  rank a: 3, b = c ++ d  # r\n"
      "}  # close\n"
      "def g[a,b -> c](x, y) = x  # one\n"
      "def h()               = 1\n"
      "def i(x) {\n"
      "  return x\n"
      "}\n"
      "monoid m(a = 1, b = 0) + (a', b') ordered = (a * a',\n"
      "                                             a' * b + b')\n"
      "# end\n");
}

TEST(Formatter, RefusesWhatDoesNotParse) {
  SourceManager sources;
  Diagnostics diagnostics(sources);
  EXPECT_FALSE(formatSource(*sources.add("t.attn", "def"), diagnostics));
  EXPECT_TRUE(diagnostics.hasErrors());
}
