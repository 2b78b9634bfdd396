//===- ParseExprs.cpp - parsing expressions -------------------------------===//
//
// Precedence climbing over one table of operators. Both the recursion and the
// depth of the tree are limited: the first protects the parser, the second
// everyone who walks the tree (a long sum is a deep tree too).
//
//===----------------------------------------------------------------------===//

#include "frontends/text/ParserImpl.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/SaveAndRestore.h"

using namespace attn::text;
using llvm::ArrayRef;
using llvm::SaveAndRestore;
using llvm::SmallVector;
using llvm::StringRef;

namespace {
enum Precedence : unsigned {
  LowestPrec = 1, // where, else
  OrPrec,
  AndPrec,
  NotPrec,
  ComparisonPrec,
  AddPrec,
  MulPrec,
};

struct Infix {
  Tok token;
  BinaryOp op;
  unsigned precedence;
};
} // namespace

/// Left associative, but for comparisons, which chain at most twice. `^` binds
/// tighter than the unary minus and is parsed with it.
static constexpr Infix infixes[] = {
    {Tok::Where, BinaryOp::Where, LowestPrec},
    {Tok::Else, BinaryOp::Else, LowestPrec},
    {Tok::Or, BinaryOp::Or, OrPrec},
    {Tok::And, BinaryOp::And, AndPrec},
    {Tok::Less, BinaryOp::Lt, ComparisonPrec},
    {Tok::LessEqual, BinaryOp::Le, ComparisonPrec},
    {Tok::Greater, BinaryOp::Gt, ComparisonPrec},
    {Tok::GreaterEqual, BinaryOp::Ge, ComparisonPrec},
    {Tok::EqualEqual, BinaryOp::Eq, ComparisonPrec},
    {Tok::NotEqual, BinaryOp::Ne, ComparisonPrec},
    {Tok::Plus, BinaryOp::Add, AddPrec},
    {Tok::Minus, BinaryOp::Sub, AddPrec},
    {Tok::Star, BinaryOp::Mul, MulPrec},
    {Tok::Slash, BinaryOp::Div, MulPrec},
    {Tok::SlashSlash, BinaryOp::FloorDiv, MulPrec},
    {Tok::Percent, BinaryOp::Mod, MulPrec},
};

static const Infix *infixOf(Tok token) {
  const Infix *found = llvm::find_if(
      infixes, [&](const Infix &infix) { return infix.token == token; });
  return found == std::end(infixes) ? nullptr : found;
}

/// Built-in names that are followed by `[ranks](..)`.
static constexpr StringRef reductions[] = {"sum",    "prod",  "max",   "min",
                                           "any",    "all",   "count", "argmax",
                                           "argmin", "first", "last",  "order"};

std::nullptr_t Parser::tooDeep() {
  return error(tokens[pos].range,
               "expression is nested deeper than " + llvm::Twine(maxExprDepth) +
                   " levels",
               "name a part of it");
}

bool Parser::startsOperand() const {
  return kind() == Tok::Identifier || kind() == Tok::Number ||
         kind() == Tok::Bar || kind() == Tok::LParen ||
         (kind() >= Tok::Inf && kind() <= Tok::False);
}

const Expr *Parser::expr() { return binary(LowestPrec); }
const Expr *Parser::add() { return binary(AddPrec); }

const Expr *Parser::binary(unsigned minPrecedence) {
  uint32_t begin = here();
  const Expr *lhs =
      minPrecedence <= NotPrec && at(Tok::Not) ? negation() : unary();
  while (lhs) {
    const Infix *infix = infixOf(kind());
    if (!infix || infix->precedence < minPrecedence)
      break;
    if (infix->precedence == ComparisonPrec) {
      lhs = comparison(begin, lhs);
      continue;
    }
    SourceRange opRange = token().range;
    if (tight && infix->precedence >= AddPrec)
      token().role = Role::Tight;
    advance();
    const Expr *rhs = binary(infix->precedence + 1);
    if (!rhs)
      return nullptr;
    lhs = node<BinaryExpr>(from(begin), infix->op, lhs, rhs, opRange);
  }
  return lhs;
}

/// `first` is parsed, a comparison operator is next.
const Expr *Parser::comparison(uint32_t begin, const Expr *first) {
  BinaryOp op = infixOf(kind())->op;
  SourceRange opRange = token().range;
  advance();
  const Expr *second = add();
  if (!second)
    return nullptr;
  const Expr *made;
  if (at(Tok::Less) || at(Tok::LessEqual)) {
    BinaryOp nextOp = infixOf(kind())->op;
    advance();
    const Expr *third = add();
    if (!third)
      return nullptr;
    made = node<ChainExpr>(from(begin), first, op, second, nextOp, third);
  } else {
    made = node<BinaryExpr>(from(begin), op, first, second, opRange);
  }
  const Infix *more = infixOf(kind());
  if (more && more->precedence == ComparisonPrec)
    return error(token().range, "comparisons chain as `a <= b < c` only",
                 "join comparisons with `and`");
  return made;
}

const Expr *Parser::negation() {
  SaveAndRestore level(nesting, nesting + 1);
  if (nesting > maxExprDepth)
    return tooDeep();
  uint32_t begin = here();
  advance();
  const Expr *operand = binary(NotPrec);
  return operand ? node<UnaryExpr>(from(begin), UnaryOp::Not, operand)
                 : nullptr;
}

const Expr *Parser::unary() {
  SaveAndRestore level(nesting, nesting + 1);
  if (nesting > maxExprDepth)
    return tooDeep();
  uint32_t begin = here();
  if (at(Tok::Minus)) {
    token().role = Role::Prefix;
    advance();
    const Expr *operand = unary();
    return operand ? node<UnaryExpr>(from(begin), UnaryOp::Neg, operand)
                   : nullptr;
  }
  const Expr *base = postfix();
  if (!base || !at(Tok::Caret))
    return base;
  SourceRange opRange = token().range;
  if (tight)
    token().role = Role::Tight;
  advance();
  const Expr *exponent = unary();
  if (!exponent)
    return nullptr;
  return node<BinaryExpr>(from(begin), BinaryOp::Pow, base, exponent, opRange);
}

const Expr *Parser::postfix() {
  uint32_t begin = here();
  const Expr *made = primary();
  while (made) {
    if (at(Tok::Question))
      return error(token().range,
                   "`?` follows an access or a substitution only",
                   "T[i]? or x[r := e]?");
    if (!at(Tok::LBracket))
      break;
    made = substitution(begin, made);
  }
  return made;
}

const Expr *Parser::substitution(uint32_t begin, const Expr *operand) {
  token().role = Role::Postfix;
  SourceRange open = token().range;
  if (lookAhead(1) != Tok::Identifier || lookAhead(2) != Tok::Substitute)
    return error(open, "only a name has indices",
                 llvm::isa<AccessExpr>(operand)
                     ? "one bracket holds all indices: T[i,j]"
                     : "name the value, or substitute x[r := e]");
  advance();
  SaveAndRestore spaced(tight, false);
  SmallVector<Binding> bindings;
  bool good = list(bindings, [&](Binding &binding) {
    return name(binding.rank, "a rank") &&
           expect(Tok::Substitute, "x[r := e, s := f]") &&
           (binding.value = expr());
  });
  if (!good || !expectClose(Tok::RBracket, open))
    return nullptr;
  bool optional = at(Tok::Question);
  if (optional)
    token().role = Role::Postfix;
  accept(Tok::Question);
  return node<SubstExpr>(from(begin), operand, keep(bindings), optional);
}

const Expr *Parser::primary() {
  switch (kind()) {
  case Tok::Number:
    return number();
  case Tok::Inf:
  case Tok::Pi:
  case Tok::True:
  case Tok::False: {
    auto value = ConstantExpr::Value(unsigned(kind()) - unsigned(Tok::Inf));
    SourceRange range = token().range;
    advance();
    return node<ConstantExpr>(range, value);
  }
  case Tok::Bar:
    return extent();
  case Tok::Identifier:
    return nameOrCall();
  case Tok::LParen:
    return group();
  default:
    break;
  }
  Tok last = pos ? tokens[pos - 1].kind : Tok::End;
  StringRef hint;
  if (at(Tok::Newline) && (last == Tok::Where || last == Tok::Else ||
                           last == Tok::And || last == Tok::Or))
    hint = "begin the next line with it";
  else if (at(Tok::Star) && last == Tok::Star)
    hint = "a power is x ^ y";
  else if (at(Tok::Not))
    hint = "`not` binds looser than this operator: parenthesise it";
  else if (at(Tok::Equal))
    hint = "`==` compares";
  return expected("an expression", hint);
}

const Expr *Parser::number() {
  StringRef digits = text(token());
  SourceRange range = token().range;
  bool isInteger = digits.find_first_of(".eE") == StringRef::npos;
  int64_t value = 0;
  if (isInteger && digits.getAsInteger(10, value))
    return error(
        range, "integer " + digits.take_front(40) + " does not fit in 64 bits",
        "a real has a point or an exponent");
  advance();
  return node<NumberExpr>(range, digits, isInteger, value);
}

const Expr *Parser::extent() {
  uint32_t begin = here();
  token().role = Role::Prefix;
  advance();
  Ident rank;
  if (!name(rank, "a rank after `|`",
            "|r| is the extent of rank r; an absolute value is abs(x)"))
    return nullptr;
  if (!at(Tok::Bar))
    return at(Tok::Invalid)
               ? nullptr
               : error(from(begin), "expected `|` after |" + rank.name,
                       "|" + rank.name + "| is the extent of rank " +
                           rank.name);
  token().role = Role::Postfix;
  advance();
  return node<ExtentExpr>(from(begin), rank);
}

const Expr *Parser::group() {
  SourceRange open = token().range;
  advance();
  SmallVector<const Expr *> items;
  if (!exprs(items) || !expectClose(Tok::RParen, open))
    return nullptr;
  if (items.size() == 1)
    return items.front();
  if (!inMonoid)
    return error(from(open.begin), "a tuple stands in a monoid only");
  return node<TupleExpr>(from(open.begin), keep(items));
}

const Expr *Parser::nameOrCall() {
  Ident id{text(token()), token().range};
  advance();
  if (at(Tok::LParen))
    return call(id, {}, Ident());
  bool substituted =
      lookAhead(1) == Tok::Identifier && lookAhead(2) == Tok::Substitute;
  if (at(Tok::LBracket) && !substituted)
    return bracketed(id);
  return node<NameExpr>(id.range, id.name);
}

static Ident rankOf(const Expr *index) {
  const auto *name = llvm::dyn_cast<NameExpr>(index);
  return name ? Ident{name->name, name->range()} : Ident();
}

/// `ID [`: an access, or a call with ranks; the parenthesis behind decides.
const Expr *Parser::bracketed(const Ident &id) {
  SourceRange open = token().range;
  token().role = Role::Postfix;
  advance();
  SmallVector<const Expr *> indices;
  Ident result;
  {
    SaveAndRestore indexing(tight, true);
    if (!exprs(indices) ||
        (accept(Tok::Arrow) && !name(result, "a rank after `->`")) ||
        !expectClose(Tok::RBracket, open))
      return nullptr;
  }
  if (!at(Tok::LParen)) {
    if (result || startsOperand())
      return missingCall(id, indices, result);
    bool optional = at(Tok::Question);
    if (optional)
      token().role = Role::Postfix;
    accept(Tok::Question);
    return node<AccessExpr>(from(id.range.begin), id, keep(indices), optional);
  }
  SmallVector<Ident> names;
  for (const Expr *index : indices) {
    names.push_back(rankOf(index));
    if (!names.back())
      return error(index->range(), "the brackets of a call hold ranks only",
                   "for a product write `*`");
  }
  return call(id, keep(names), result);
}

/// An operand follows `sum[d]` directly, or `order[n -> j]` is not called.
std::nullptr_t Parser::missingCall(const Ident &id,
                                   ArrayRef<const Expr *> indices,
                                   Ident result) {
  std::string head = id.name.str() + '[';
  llvm::ListSeparator comma(",");
  for (const Expr *index : indices) {
    Ident rank = rankOf(index);
    head += StringRef(comma).str() + (rank ? rank.name : "..").str();
  }
  if (result)
    head += " -> " + result.name.str();
  head += ']';
  SourceRange range = from(id.range.begin);
  if (result || llvm::is_contained(reductions, id.name))
    return error(range, "expected `(` after " + head, head + "(..)");
  return expected("an operator after " + head,
                  "a product is " + head + " * x, a call is " + head + "(x)");
}

const Expr *Parser::call(const Ident &id, ArrayRef<Ident> ranks,
                         Ident resultRank) {
  SourceRange open = token().range;
  token().role = Role::Postfix;
  advance();
  SaveAndRestore spaced(tight, false);
  SmallVector<const Expr *> args;
  if (!at(Tok::RParen) && !exprs(args))
    return nullptr;
  if (!expectClose(Tok::RParen, open))
    return nullptr;
  return node<CallExpr>(from(id.range.begin), id, ranks, resultRank,
                        keep(args));
}
