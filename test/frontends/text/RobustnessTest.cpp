//===- RobustnessTest.cpp - garbage, depth, encodings, sizes --------------===//

#include "SyntaxTest.h"
#include <random>

using namespace attn::text;

static std::string repeated(llvm::StringRef text, size_t times) {
  std::string out;
  while (times--)
    out += text;
  return out;
}

TEST(Robustness, EmptyFiles) {
  for (llvm::StringRef text :
       {"", "\n", " \t\r\n", "# comment", "\xEF\xBB\xBF"})
    EXPECT_EQ(dumpOf(text), "");
}

TEST(Robustness, NestingIsLimited) {
  const std::pair<const char *, const char *> shapes[] = {
      {"(", ")"}, {"-", ""},   {"not ", ""}, {"x + ", ""},     {"f(", ")"},
      {"2^", ""}, {"T[", "]"}, {"|", ""},    {"x where ", ""}, {"", "[r := 1]"},
  };
  for (auto [before, after] : shapes) {
    std::string errors = errorsOf("def f(x) = " + repeated(before, 10000) +
                                  "x" + repeated(after, 10000));
    bool bars = llvm::StringRef(before) == "|";
    EXPECT_NE(errors.find(bars ? "expected a rank after `|`"
                               : "error: expression is nested deeper than "
                                 "1000 levels\n"),
              std::string::npos)
        << before << errors;
  }
  EXPECT_EQ(
      errorsOf("def f(x) = " + repeated("f(", 990) + "x" + repeated(")", 990)),
      "");
}

TEST(Robustness, InvalidUtf8) {
  EXPECT_EQ(errorsOf("def f(x) = \xff\xfe x"),
            "t.attn:1:12: error: the text is not UTF-8: byte 0xFF\n"
            "  def f(x) = \uFFFD\uFFFD x\n"
            "             ^~\n");
  EXPECT_EQ(errorsOf("# \xc3\ndef f(x) = x"),
            "t.attn:1:3: error: the comment is not UTF-8\n"
            "  # \uFFFD\n"
            "    ^\n");
  EXPECT_EQ(errorsOf("# é 漢 \U0001F600\ndef f(x) = x"), "");
}

TEST(Robustness, NulBytes) {
  llvm::StringRef text("def f(x) =\0 x", 13);
  EXPECT_EQ(errorsOf(text), "t.attn:1:11: error: unexpected byte 0x00\n"
                            "  def f(x) =\uFFFD x\n"
                            "            ^\n");
  EXPECT_EQ(errorsOf(llvm::StringRef("# \0\ndef f(x) = x", 16)), "");
}

TEST(Robustness, GarbageEndsFast) {
  constexpr size_t size = 10'000'000;
  std::mt19937 random(1);
  std::string bytes(size, 0), tokens(size, 0);
  constexpr llvm::StringRef alphabet = "ab1()[]{}|,=+-*/<>:?#\n ";
  for (size_t i = 0; i < size; ++i) {
    bytes[i] = char(random());
    tokens[i] = alphabet[random() % alphabet.size()];
  }
  for (const std::string &text :
       {bytes, tokens, std::string(size, '('), std::string(size, '\0'),
        "cascade f() -> O: f32 {" + repeated("x = (\n", size / 6)}) {
    Parsed parsed(text);
    EXPECT_TRUE(parsed.diagnostics.hasErrors());
    EXPECT_LT(parsed.errors().size(), 100'000u);
  }
}

/// Every prefix of a program and every program without one of its tokens parses
/// or has an error.
TEST(Robustness, TruncatedAndDamagedPrograms) {
  std::string text = programs()["prelude"].substr(0, 4000);
  for (size_t size = 0; size < text.size(); size += 7) {
    Parsed(llvm::StringRef(text).take_front(size));
    Parsed(text.substr(0, size) + text.substr(size + 3));
  }
}
