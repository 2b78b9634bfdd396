//===- Parser.cpp - cursor, errors and recovery ---------------------------===//
//
// What all parse functions share: where a newline counts, how an unexpected
// token is reported, and where parsing goes on after it.
//
//===----------------------------------------------------------------------===//

#include "frontends/text/Parser.h"
#include "frontends/text/ParserImpl.h"
#include "llvm/ADT/STLExtras.h"

using namespace attn::text;
using llvm::SmallVectorImpl;
using llvm::StringRef;
using llvm::Twine;

Ast attn::text::parse(const SourceFile &file, Diagnostics &diagnostics,
                      bool widePorts) {
  size_t first = diagnostics.all().size();
  TokenList list = lex(file, diagnostics);
  Ast ast = Parser(list, file, diagnostics, widePorts).run();
  diagnostics.sortFrom(first);
  return ast;
}

Parser::Parser(TokenList &list, const SourceFile &file,
               Diagnostics &diagnostics, bool widePorts)
    : tokens(list.tokens), comments(list.comments), file(file),
      diagnostics(diagnostics), widePorts(widePorts), previousEnd(file.base()) {
  refresh();
}

Ast Parser::run() {
  while (!at(Tok::End) && !diagnostics.limitReached()) {
    token().startsItem = true;
    switch (kind()) {
    case Tok::Cascade:
      cascade();
      break;
    case Tok::Def:
      def();
      break;
    case Tok::Monoid:
      monoid();
      break;
    default:
      expected("`cascade`, `def` or `monoid`");
      skipToDecl();
    }
  }
  ast.decls = keep(decls);
  return std::move(ast);
}

//===----------------------------------------------------------------------===//
// Cursor
//===----------------------------------------------------------------------===//

/// A line goes on if it ends with one of these ...
static bool continuesLine(Tok last) {
  return isBinaryOperator(last) || last == Tok::Comma || last == Tok::Equal ||
         last == Tok::Colon || last == Tok::PlusPlus;
}

/// ... or if the next one begins with one of these.
static bool continuesPreviousLine(Tok first) {
  return isBinaryOperator(first) || first == Tok::Where || first == Tok::Else ||
         first == Tok::And || first == Tok::Or;
}

bool Parser::endsLine() const {
  return lines && openBrackets == 0 && pos > 0 && tokens[pos].startsLine &&
         !continuesLine(tokens[pos - 1].kind) &&
         !continuesPreviousLine(tokens[pos].kind);
}

void Parser::refresh() {
  current = !newlineTaken && endsLine() ? Tok::Newline : tokens[pos].kind;
}

void Parser::advance() {
  if (current == Tok::Newline) {
    newlineTaken = true;
    return refresh();
  }
  newlineTaken = false;
  if (current == Tok::End)
    return;
  if (current == Tok::LParen || current == Tok::LBracket)
    ++openBrackets;
  else if ((current == Tok::RParen || current == Tok::RBracket) && openBrackets)
    --openBrackets;
  previousEnd = tokens[pos].range.end;
  ++pos;
  refresh();
}

bool Parser::accept(Tok kind) {
  if (!at(kind))
    return false;
  advance();
  return true;
}

Tok Parser::lookAhead(unsigned distance) const {
  return pos + distance < tokens.size() ? tokens[pos + distance].kind
                                        : Tok::End;
}

void Parser::setLines(bool significant) {
  lines = significant;
  openBrackets = 0;
  refresh();
}

bool Parser::atDecl() const {
  return at(Tok::Cascade) || at(Tok::Def) || at(Tok::Monoid);
}

StringRef Parser::text(const Token &token) const {
  return file.text().substr(token.range.begin - file.base(),
                            token.range.end - token.range.begin);
}

bool Parser::acceptComma() {
  if (tight && at(Tok::Comma))
    token().role = Role::Tight;
  return accept(Tok::Comma);
}

//===----------------------------------------------------------------------===//
// Errors and recovery
//===----------------------------------------------------------------------===//

std::nullptr_t Parser::error(SourceRange range, const Twine &text,
                             const Twine &hint) {
  diagnostics.error(range, text, hint);
  return nullptr;
}

std::nullptr_t Parser::expected(const Twine &what, const Twine &hint) {
  if (at(Tok::Invalid)) // reported by the lexer
    return nullptr;
  bool ended = at(Tok::Newline) || at(Tok::End);
  // What is missing at an end is missing behind the last token.
  SourceRange range = ended && previousEnd > file.base()
                          ? SourceRange{previousEnd, previousEnd}
                          : tokens[pos].range;
  std::string found = ended ? describe(kind())
                            : ("`" + text(token()).take_front(40) + "`").str();
  return error(range, "expected " + what + ", found " + found, hint);
}

bool Parser::expect(Tok kind, const Twine &hint) {
  if (accept(kind))
    return true;
  expected(describe(kind), hint);
  return false;
}

/// A closing bracket, with the hints for what often stands in its place.
bool Parser::expectClose(Tok kind, SourceRange open) {
  if (accept(kind))
    return true;
  if (at(Tok::Invalid))
    return false;
  StringRef hint;
  if (at(Tok::Equal))
    hint =
        kind == Tok::RBracket ? "a substitution is x[r := e]" : "`==` compares";
  else if (at(Tok::Bar) && lookAhead(1) == Tok::Bar)
    hint = "write `or`";
  expected(describe(kind), hint);
  diagnostics.note(open, "to match this bracket");
  return false;
}

bool Parser::looksLikeStatement(size_t index) const {
  Tok first = tokens[index].kind;
  if (first == Tok::Rank || first == Tok::Return)
    return true;
  if (first != Tok::Identifier)
    return false;
  auto kindAt = [&](size_t i) {
    return i < tokens.size() && !tokens[i].startsLine ? tokens[i].kind
                                                      : Tok::End;
  };
  size_t next = index + 1;
  if (kindAt(next) == Tok::LBracket) {
    unsigned depth = 0;
    do {
      Tok kind = kindAt(next++);
      if (kind == Tok::End)
        return false;
      depth += kind == Tok::LBracket;
      depth -= kind == Tok::RBracket;
    } while (depth > 0);
  }
  return kindAt(next) == Tok::Equal || kindAt(next) == Tok::Colon;
}

/// Goes to the next line that begins a statement, or to the end of the block.
/// A bracket left open must not swallow the statements below it.
void Parser::skipStatement(size_t start) {
  for (;; advance()) {
    if (at(Tok::End) || at(Tok::RBrace) || atDecl())
      break;
    if (pos > start && token().startsLine &&
        (at(Tok::Newline) || looksLikeStatement(pos)))
      break;
    if (at(Tok::Newline))
      newlineTaken = true, refresh();
  }
  newlineTaken = false;
  setLines(true);
}

/// After an error in a header: its block still deserves its own errors.
bool Parser::skipToBlock() {
  setLines(false);
  while (!at(Tok::End) && !at(Tok::LBrace) && !atDecl())
    advance();
  return at(Tok::LBrace);
}

void Parser::skipToDecl() {
  setLines(false);
  while (!at(Tok::End) && !atDecl())
    advance();
}

//===----------------------------------------------------------------------===//
// Small pieces
//===----------------------------------------------------------------------===//

bool Parser::name(Ident &out, const Twine &what, const Twine &hint) {
  if (!at(Tok::Identifier)) {
    bool keyword = kind() >= Tok::Cascade && kind() <= Tok::False;
    if (keyword)
      expected(what, text(token()) + " is a keyword");
    else
      expected(what, hint);
    return false;
  }
  out = {text(token()), token().range};
  advance();
  return true;
}

bool Parser::ranks(SmallVectorImpl<Ident> &out) {
  return list(out, [&](Ident &rank) { return name(rank, "a rank"); });
}

bool Parser::exprs(SmallVectorImpl<const Expr *> &out) {
  return list(out, [&](const Expr *&item) { return (item = expr()); });
}

bool Parser::type(TypeRef &out) {
  static constexpr StringRef known =
      "f64 f32 f16 bf16 f8e4m3 f8e5m2 i64 i32 i8 u8 i4 bool";
  if (!at(Tok::Identifier)) {
    expected("a type", known);
    return false;
  }
  std::optional<ScalarType> scalar = scalarTypeNamed(text(token()));
  if (!scalar) {
    error(token().range, "unknown type " + text(token()).take_front(40), known);
    return false;
  }
  out = {*scalar, token().range};
  advance();
  return true;
}
