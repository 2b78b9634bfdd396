//===- Lexer.cpp - tokens of an .attn file --------------------------------===//
//
// A hand-written scanner over bytes; tables hold the spellings, longest first.
//
//===----------------------------------------------------------------------===//

#include "frontends/text/Lexer.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/ConvertUTF.h"

using namespace attn::text;
using llvm::StringRef;

namespace {
struct Spelling {
  StringRef text;
  Tok kind;
};
} // namespace

static constexpr Spelling keywords[] = {
    {"cascade", Tok::Cascade}, {"def", Tok::Def},
    {"monoid", Tok::Monoid},   {"with", Tok::With},
    {"const", Tok::Const},     {"where", Tok::Where},
    {"else", Tok::Else},       {"and", Tok::And},
    {"or", Tok::Or},           {"not", Tok::Not},
    {"rank", Tok::Rank},       {"return", Tok::Return},
    {"into", Tok::Into},       {"layout", Tok::Layout},
    {"quant", Tok::Quant},     {"per", Tok::Per},
    {"cut", Tok::Cut},         {"ordered", Tok::Ordered},
    {"inf", Tok::Inf},         {"pi", Tok::Pi},
    {"true", Tok::True},       {"false", Tok::False},
};

/// A spelling stands before its own prefixes.
static constexpr Spelling punctuation[] = {
    {":=", Tok::Substitute},   {":", Tok::Colon},      {"==", Tok::EqualEqual},
    {"=", Tok::Equal},         {"->", Tok::Arrow},     {"-", Tok::Minus},
    {"++", Tok::PlusPlus},     {"+", Tok::Plus},       {"//", Tok::SlashSlash},
    {"/", Tok::Slash},         {"<=", Tok::LessEqual}, {"<", Tok::Less},
    {">=", Tok::GreaterEqual}, {">", Tok::Greater},    {"!=", Tok::NotEqual},
    {"(", Tok::LParen},        {")", Tok::RParen},     {"[", Tok::LBracket},
    {"]", Tok::RBracket},      {"{", Tok::LBrace},     {"}", Tok::RBrace},
    {",", Tok::Comma},         {"|", Tok::Bar},        {"?", Tok::Question},
    {"*", Tok::Star},          {"%", Tok::Percent},    {"^", Tok::Caret},
};

namespace {
/// What people write instead, and what the language writes.
struct Habit {
  StringRef text;
  StringRef hint;
};
} // namespace

static constexpr Habit habits[] = {
    {"&&", "write `and`"},
    {"&", "write `and`; on integers `band(a, b)`"},
    {"!", "write `not`"},
    {";", "a statement ends with its line"},
    {"\"", "there are no strings"},
    {"'", "a prime follows a name: m'"},
    {".", "a real has a digit before its point: 0.5"},
    {"~", "write `not`; on integers `xor(a, -1)`"},
    {"≤", "write `<=`"},
    {"≥", "write `>=`"},
    {"≠", "write `!=`"},
    {"×", "write `*`"},
    {"·", "write `*`"},
    {"−", "write `-`"},
    {"→", "write `->`"},
    {"∞", "write `inf`"},
    {"π", "write `pi`"},
};

std::string attn::text::describe(Tok kind) {
  for (llvm::ArrayRef<Spelling> table :
       {llvm::ArrayRef(keywords), llvm::ArrayRef(punctuation)})
    for (const Spelling &entry : table)
      if (entry.kind == kind)
        return ("`" + entry.text + "`").str();
  switch (kind) {
  case Tok::End:
    return "the end of the file";
  case Tok::Newline:
    return "the end of the line";
  case Tok::Identifier:
    return "a name";
  case Tok::Number:
    return "a number";
  default:
    return "an invalid character";
  }
}

bool attn::text::isBinaryOperator(Tok kind) {
  return kind >= Tok::Plus && kind <= Tok::NotEqual;
}

static bool startsName(char c) { return llvm::isAlpha(c) || c == '_'; }
static bool continuesName(char c) { return llvm::isAlnum(c) || c == '_'; }

namespace {
class Lexer {
public:
  Lexer(const SourceFile &file, Diagnostics &diagnostics)
      : text(file.text()), base(file.base()), diagnostics(diagnostics) {
    for (const Spelling &entry : keywords)
      keywordKinds[entry.text] = entry.kind;
  }

  TokenList run();

private:
  SourceRange range(size_t begin, size_t end) const {
    return {base + uint32_t(begin), base + uint32_t(end)};
  }
  void push(Tok kind, size_t begin);
  /// The bytes of the character at `from`; 0 if they are not UTF-8.
  size_t characterSize(size_t from) const;
  void lexComment();
  void lexName();
  void lexNumber();
  bool lexPunctuation();
  void lexInvalid();

  StringRef text;
  uint32_t base;
  Diagnostics &diagnostics;
  llvm::StringMap<Tok> keywordKinds;
  TokenList list;
  size_t at = 0;
  bool lineStart = true; ///< no token since the last newline
};
} // namespace

void Lexer::push(Tok kind, size_t begin) {
  list.tokens.push_back(
      {kind, Role::Plain, lineStart, /*startsItem=*/false, range(begin, at)});
  lineStart = false;
}

size_t Lexer::characterSize(size_t from) const {
  const auto *begin = text.bytes_begin() + from;
  if (!llvm::isLegalUTF8Sequence(begin, text.bytes_end()))
    return 0;
  return llvm::getNumBytesForUTF8(*begin);
}

void Lexer::lexComment() {
  size_t begin = at;
  at = std::min(text.find('\n', at), text.size());
  StringRef comment = text.slice(begin, at).rtrim(" \t\r");
  size_t end = begin + comment.size();
  list.comments.push_back(
      {range(begin, end), uint32_t(list.tokens.size()), lineStart});
  for (size_t i = begin; i < end;) {
    size_t size = characterSize(i);
    if (size == 0) {
      diagnostics.error(range(i, i + 1), "the comment is not UTF-8");
      return;
    }
    i += size;
  }
}

void Lexer::lexName() {
  size_t begin = at;
  while (at < text.size() && continuesName(text[at]))
    ++at;
  while (at < text.size() && text[at] == '\'')
    ++at;
  auto keyword = keywordKinds.find(text.slice(begin, at));
  push(keyword == keywordKinds.end() ? Tok::Identifier : keyword->second,
       begin);
}

/// Digits, a fraction, an exponent; whatever name characters stick to it make
/// it malformed.
void Lexer::lexNumber() {
  size_t begin = at;
  auto digits = [&] {
    size_t first = at;
    while (at < text.size() && llvm::isDigit(text[at]))
      ++at;
    return at > first;
  };
  bool good = digits();
  if (at < text.size() && text[at] == '.') {
    ++at;
    good &= digits();
  }
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    if (at < text.size() && (text[at] == '+' || text[at] == '-'))
      ++at;
    good &= digits();
  }
  while (at < text.size() && (continuesName(text[at]) || text[at] == '.')) {
    ++at;
    good = false;
  }
  if (!good)
    diagnostics.error(range(begin, at),
                      "malformed number " +
                          text.slice(begin, at).take_front(40),
                      "an integer is 12, a real is 1.5 or 1e-6");
  push(good ? Tok::Number : Tok::Invalid, begin);
}

bool Lexer::lexPunctuation() {
  for (const Spelling &entry : punctuation)
    if (text.substr(at).starts_with(entry.text)) {
      size_t begin = at;
      at += entry.text.size();
      push(entry.kind, begin);
      return true;
    }
  return false;
}

/// One error and one token for a run of bytes that mean nothing.
void Lexer::lexInvalid() {
  size_t begin = at;
  size_t size = characterSize(at);
  if (size == 0) {
    while (at < text.size() && characterSize(at) == 0)
      ++at;
    diagnostics.error(range(begin, at),
                      "the text is not UTF-8: byte 0x" +
                          llvm::utohexstr(uint8_t(text[begin]), false, 2));
    return push(Tok::Invalid, begin);
  }
  const Habit *habit = nullptr;
  for (const Habit &entry : habits)
    if (!habit && text.substr(at).starts_with(entry.text))
      habit = &entry;
  at += habit ? habit->text.size() : size;
  // A name in another alphabet is one mistake.
  while (!habit && size > 1 && at < text.size() && !llvm::isASCII(text[at]) &&
         characterSize(at) > 0)
    at += characterSize(at);
  StringRef character = text.slice(begin, at).take_front(40);
  bool control = size == 1 && !llvm::isPrint(character[0]);
  diagnostics.error(
      range(begin, at),
      control ? "unexpected byte 0x" +
                    llvm::utohexstr(uint8_t(character[0]), false, 2)
              : ("unexpected character `" + character + "`").str(),
      habit      ? habit->hint
      : size > 1 ? "names are of ASCII letters, digits and `_`, then primes"
                 : "");
  // The same character again is the same mistake.
  while (size == 1 && text.substr(at).starts_with(character))
    at += character.size();
  push(Tok::Invalid, begin);
}

TokenList Lexer::run() {
  if (text.starts_with("\xEF\xBB\xBF"))
    at = 3;
  while (at < text.size() && !diagnostics.limitReached()) {
    char c = text[at];
    if (c == ' ' || c == '\t' || c == '\r') {
      ++at;
    } else if (c == '\n') {
      lineStart = true;
      ++at;
    } else if (c == '#') {
      lexComment();
    } else if (startsName(c)) {
      lexName();
    } else if (llvm::isDigit(c)) {
      lexNumber();
    } else if (!lexPunctuation()) {
      lexInvalid();
    }
  }
  push(Tok::End, at);
  return std::move(list);
}

TokenList attn::text::lex(const SourceFile &file, Diagnostics &diagnostics) {
  return Lexer(file, diagnostics).run();
}
