//===- ParseStmts.cpp - parsing blocks and statements ---------------------===//
//
// A block goes on after an error with the next statement, so that one run
// reports several mistakes.
//
//===----------------------------------------------------------------------===//

#include "frontends/text/ParserImpl.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/SaveAndRestore.h"

using namespace attn::text;
using llvm::ArrayRef;
using llvm::SmallVector;
using llvm::SmallVectorImpl;
using llvm::StringRef;

namespace {
struct NoStatement {
  StringRef name;
  StringRef hint;
};
} // namespace

/// What the language has instead of the statements of others.
static constexpr NoStatement noStatements[] = {
    {"mask", "write `where` on the score"},
    {"loop", "a loop is an iterative rank: `rank k: 8` and `x[k] = f(x[k-1])`"},
    {"for", "a loop is an iterative rank: `rank k: 8` and `x[k] = f(x[k-1])`"},
    {"while", "a state stops by being absent: `x[k] = f(x[k-1]) where p`"},
    {"if", "write `select(c, a, b)` or `x where p`"},
    {"scan", "write the recurrence: `H[t] = a * H[t-1] + x`"},
    {"concat", "joined keys are a sum rank: `with c = p ++ n`"},
    {"scatter", "write `O[m] = sum[i](x where J == m)`"},
    {"let", "an equation is `x[b,n] = ..`"},
};

static const NoStatement *noStatementNamed(StringRef name) {
  const NoStatement *found = llvm::find_if(
      noStatements, [&](const NoStatement &s) { return s.name == name; });
  return found == std::end(noStatements) ? nullptr : found;
}

/// The statements between braces; `def` is the def they belong to, if any.
bool Parser::block(const Ident *def, SmallVectorImpl<const Stmt *> &out) {
  SourceRange open = token().range;
  unsigned errorsBefore = diagnostics.errorCount();
  if (!expect(Tok::LBrace))
    return false;
  setLines(true);
  while (!diagnostics.limitReached()) {
    if (accept(Tok::Newline))
      continue;
    if (at(Tok::RBrace) || at(Tok::End) || atDecl())
      break;
    size_t start = pos;
    token().startsItem = true;
    const Stmt *stmt = statement();
    if (stmt)
      out.push_back(stmt);
    if (stmt && !at(Tok::Newline) && !at(Tok::RBrace) && !at(Tok::End))
      stmt = junkAfterExpr();
    if (!stmt)
      skipStatement(start);
  }
  SourceRange close = token().range;
  bool closed = at(Tok::RBrace);
  setLines(false);
  if (!expect(Tok::RBrace)) {
    diagnostics.note(open, "to match this brace");
    return false;
  }
  // A statement with an error may have been the `return`.
  if (closed && diagnostics.errorCount() == errorsBefore)
    checkReturn(def, out, close);
  return true;
}

/// `return` ends the block of a def, and stands nowhere else.
void Parser::checkReturn(const Ident *def, ArrayRef<const Stmt *> body,
                         SourceRange close) {
  bool returned = false;
  for (const Stmt *stmt : body) {
    if (returned)
      return void(error(stmt->range(), "a statement after `return`"));
    returned = llvm::isa<ReturnStmt>(stmt);
    if (returned && !def)
      return void(error(stmt->range(), "`return` ends a def, this is a cascade",
                        "an output is defined by an equation"));
  }
  if (def && !returned)
    error(close, "the block of def " + def->name + " ends without `return`");
}

/// A complete expression is followed by something that continues nothing.
std::nullptr_t Parser::junkAfterExpr() {
  StringRef hint;
  if (at(Tok::Equal))
    hint = "`==` compares; a statement begins on its own line";
  else if (at(Tok::Bar) && lookAhead(1) == Tok::Bar)
    hint = "write `or`";
  else if (at(Tok::Colon))
    hint = "a type belongs to the left side: x[b,n]: bf16 = ..";
  return expected("an operator or the end of the line", hint);
}

const Stmt *Parser::statement() {
  switch (kind()) {
  case Tok::Rank:
    return rankDecl();
  case Tok::Return:
    return returnStmt();
  case Tok::LParen:
    return tupleEquation();
  case Tok::Identifier:
    return equation();
  default:
    break;
  }
  StringRef hint;
  if (at(Tok::SlashSlash))
    hint = "a comment begins with `#`";
  else if (at(Tok::With))
    hint = "in a block, ranks are declared by `rank r: ..`";
  return expected("a statement", hint);
}

bool Parser::leftSide(LeftSide &out) {
  uint32_t begin = here();
  if (!name(out.tensor, "a tensor"))
    return false;
  SmallVector<const Expr *> indices;
  if (at(Tok::LBracket)) {
    SourceRange open = token().range;
    token().role = Role::Postfix;
    advance();
    llvm::SaveAndRestore indexing(tight, true);
    if (!list(indices, [&](const Expr *&index) { return (index = add()); }) ||
        !expectClose(Tok::RBracket, open))
      return false;
  }
  out.indices = keep(indices);
  out.range = from(begin);
  return true;
}

/// The `=` of an equation; `of` is what it defines.
bool Parser::definingEqual(const Ident &of) {
  token().role = Role::Defining;
  if (accept(Tok::Equal))
    return true;
  token().role = Role::Plain;
  std::string hint;
  if (at(Tok::Substitute) || at(Tok::EqualEqual))
    hint = "an equation uses `=`";
  else if (isBinaryOperator(kind()) && lookAhead(1) == Tok::Equal)
    hint = "nothing is assigned twice: write a reduction, or a recurrence";
  else if (at(Tok::LParen))
    hint = ("a tensor has brackets, " + of.name +
            "[b,n] = ..; a def stands outside of the cascade")
               .str();
  expected("`=`", hint);
  return false;
}

const Stmt *Parser::equation() {
  uint32_t begin = here();
  Tok next = lookAhead(1);
  const NoStatement *none = noStatementNamed(text(token()));
  if (none && next != Tok::Equal && next != Tok::LBracket && next != Tok::Colon)
    return error(token().range, "there is no " + none->name + " statement",
                 none->hint);
  LeftSide lhs;
  if (!leftSide(lhs))
    return nullptr;
  if (none && !at(Tok::Equal) && !at(Tok::Colon))
    return error(lhs.tensor.range, "there is no " + none->name + " statement",
                 none->hint);
  std::optional<TypeRef> declared;
  if (accept(Tok::Colon)) {
    TypeRef ref;
    if (!type(ref))
      return nullptr;
    declared = ref;
  }
  if (!definingEqual(lhs.tensor))
    return nullptr;
  const Expr *rhs = expr();
  if (!rhs)
    return nullptr;
  return ast.make<EquationStmt>(from(begin), lhs, declared, rhs);
}

const Stmt *Parser::tupleEquation() {
  SourceRange open = token().range;
  advance();
  SmallVector<LeftSide> sides;
  if (!list(sides, [&](LeftSide &side) { return leftSide(side); }) ||
      !expectClose(Tok::RParen, open) || !definingEqual(sides.front().tensor))
    return nullptr;
  const Expr *rhs = expr();
  if (!rhs)
    return nullptr;
  return ast.make<TupleEquationStmt>(from(open.begin), keep(sides), rhs);
}

const Stmt *Parser::rankDecl() {
  uint32_t begin = here();
  advance();
  SmallVector<Relation> relations;
  if (!list(relations, [&](Relation &out) { return relation(out); }))
    return nullptr;
  return ast.make<RankStmt>(from(begin), keep(relations));
}

const Stmt *Parser::returnStmt() {
  uint32_t begin = here();
  advance();
  const Expr *value = expr();
  return value ? ast.make<ReturnStmt>(from(begin), value) : nullptr;
}
