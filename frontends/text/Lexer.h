//===- Lexer.h - tokens of an .attn file ------------------------*- C++ -*-===//
//
// Splits a text into tokens and comments. Whether a newline counts depends on
// the grammar, so a token only records that it is the first of its line.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_FRONTENDS_TEXT_LEXER_H
#define ATTN_FRONTENDS_TEXT_LEXER_H

#include "frontends/text/Diagnostics.h"
#include <vector>

namespace attn::text {

// clang-format off
enum class Tok : uint8_t {
  End, Newline, ///< Newline is never lexed: the parser sees it where it counts
  Invalid,      ///< already reported
  Identifier, Number,
  // keywords
  Cascade, Def, Monoid, With, Const, Where, Else, And, Or, Not, Rank, Return,
  Into, Layout, Quant, Per, Cut, Ordered, Inf, Pi, True, False,
  // punctuation
  LParen, RParen, LBracket, RBracket, LBrace, RBrace, Comma, Colon, Equal,
  Substitute, Arrow, Bar, Question, PlusPlus,
  Plus, Minus, Star, Slash, SlashSlash, Percent, Caret, Less, LessEqual,
  Greater, GreaterEqual, EqualEqual, NotEqual,
};
// clang-format on

/// "`where`", "a name", "the end of the line": for messages.
std::string describe(Tok kind);
/// `+ - * / // % ^` and the comparisons.
bool isBinaryOperator(Tok kind);

/// How a token is spaced, set by the parser for the formatter.
enum class Role : uint8_t {
  Plain,    ///< as its kind says
  Prefix,   ///< no space after it: unary minus, opening `|`
  Postfix,  ///< no space before it: brackets of a call, closing `|`, `?`
  Tight,    ///< no space on either side: operators and commas in index lists
  Defining, ///< the `=` of an equation or def, aligned with its neighbours
};

struct Token {
  Tok kind = Tok::End;
  Role role = Role::Plain;
  bool startsLine = false; ///< first token of its line
  bool startsItem = false; ///< first of a statement or declaration (by parser)
  SourceRange range;
};

struct Comment {
  SourceRange range;   ///< from `#` to the end of the line, blanks trimmed
  uint32_t before = 0; ///< index of the token that follows
  bool startsLine = false;
};

struct TokenList {
  std::vector<Token> tokens; ///< ends with an End
  std::vector<Comment> comments;
};

/// Lexes the whole file; stops early when the error limit is reached.
TokenList lex(const SourceFile &file, Diagnostics &diagnostics);

} // namespace attn::text

#endif // ATTN_FRONTENDS_TEXT_LEXER_H
