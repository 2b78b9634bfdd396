//===- SemaExpr.cpp - expressions to terms --------------------------------===//
//
// Evaluates syntax in a space (which coordinates there are) and a scope (what
// names mean). Arguments of definitions are evaluated where they stand in the
// body, in the scope they came from: by name, hygienic.
//
//===----------------------------------------------------------------------===//

#include "frontends/text/Sema.h"
#include "llvm/Support/SaveAndRestore.h"

using namespace attn;
using namespace attn::text;
using llvm::ArrayRef;
using llvm::Twine;

T Sema::eval(const Expr &expr, const Context &ctx) {
  std::vector<const void *> key = {&expr, ctx.env, ctx.scope,
                                   ctx.leftOfElse ? this : nullptr};
  if (auto it = values.find(key); it != values.end())
    return it->second;
  if (depth > maxDepth) {
    error(at(expr.range(), ctx.scope),
          "this expression is too deep with its definitions expanded",
          "give a part of it a name");
    return nullptr;
  }
  llvm::SaveAndRestore deeper(depth, depth + 1);
  T term = evalUncached(expr, ctx);
  if (term)
    values[key] = term;
  return term;
}

T Sema::placed(T term, ArrayRef<const Expr *> operands, const Scope *scope) {
  llvm::SmallVector<SourceRange> ranges;
  for (const Expr *operand : operands)
    ranges.push_back(at(operand->range(), scope));
  return terms.place(term, ranges);
}

T Sema::evalUncached(const Expr &expr, const Context &ctx) {
  SourceRange range = at(expr.range(), ctx.scope);
  switch (expr.kind()) {
  case Expr::Kind::Number:
    return evalNumber(llvm::cast<NumberExpr>(expr), ctx);
  case Expr::Kind::Constant:
    switch (llvm::cast<ConstantExpr>(expr).value) {
    case ConstantExpr::Value::Inf:
      return terms.real(std::numeric_limits<double>::infinity(), range);
    case ConstantExpr::Value::Pi:
      return terms.real(M_PI, range);
    case ConstantExpr::Value::True:
    case ConstantExpr::Value::False:
      return terms.boolean(llvm::cast<ConstantExpr>(expr).value ==
                               ConstantExpr::Value::True,
                           range);
    }
    llvm_unreachable("unknown constant");
  case Expr::Kind::Extent:
    return evalExtentOf(llvm::cast<ExtentExpr>(expr), ctx);
  case Expr::Kind::Name:
    return evalName(llvm::cast<NameExpr>(expr), ctx);
  case Expr::Kind::Access:
    return evalAccess(llvm::cast<AccessExpr>(expr), ctx);
  case Expr::Kind::Call:
    return evalCall(llvm::cast<CallExpr>(expr), ctx);
  case Expr::Kind::Subst:
    return evalSubst(llvm::cast<SubstExpr>(expr), ctx);
  case Expr::Kind::Unary: {
    auto &unary = llvm::cast<UnaryExpr>(expr);
    T operand = eval(*unary.operand, ctx);
    Fn fn = unary.op == UnaryOp::Neg ? Fn::neg : Fn::not_;
    return operand
               ? placed(terms.map(fn, operand, range), unary.operand, ctx.scope)
               : nullptr;
  }
  case Expr::Kind::Binary:
    return evalBinary(llvm::cast<BinaryExpr>(expr), ctx);
  case Expr::Kind::Chain: {
    auto &chain = llvm::cast<ChainExpr>(expr);
    T first = eval(*chain.first, ctx), middle = eval(*chain.middle, ctx),
      last = eval(*chain.last, ctx);
    if (!first || !middle || !last)
      return nullptr;
    auto compare = [&](BinaryOp op, T a, T b) {
      return placed(terms.map(comparison(op), {a, b}, range),
                    {a == first ? chain.first : chain.middle,
                     b == last ? chain.last : chain.middle},
                    ctx.scope);
    };
    return terms.map(Fn::and_,
                     {compare(chain.firstOp, first, middle),
                      compare(chain.secondOp, middle, last)},
                     range);
  }
  case Expr::Kind::Tuple:
    error(range, "a tuple stands in a monoid only");
    return nullptr;
  }
  llvm_unreachable("unknown expression");
}

Fn Sema::comparison(BinaryOp op) {
  static constexpr Fn table[] = {Fn::lt, Fn::le, Fn::gt,
                                 Fn::ge, Fn::eq, Fn::ne};
  return table[unsigned(op) - unsigned(BinaryOp::Lt)];
}

T Sema::evalNumber(const NumberExpr &expr, const Context &ctx) {
  SourceRange range = at(expr.range(), ctx.scope);
  if (expr.isInteger)
    return terms.integer(expr.value, range);
  double value = 0;
  // Digits may be grouped in no way: the lexer has checked the form.
  if (expr.text.getAsDouble(value))
    error(range, "the number " + expr.text + " is out of range");
  return terms.real(value, range);
}

//===----------------------------------------------------------------------===//
// Names
//===----------------------------------------------------------------------===//

T Sema::evalName(const NameExpr &expr, const Context &ctx) {
  SourceRange range = at(expr.range(), ctx.scope);
  const Entity *entity = ctx.scope->find(expr.name);
  if (!entity) {
    error(range, "unknown name " + expr.name,
          suggestion(expr.name, ctx.scope, false));
    return nullptr;
  }
  switch (entity->kind) {
  case Entity::Kind::Scalar:
    if (!entity->term)
      error(range, expr.name + " is used before it has a value");
    return entity->term;
  case Entity::Kind::View:
    return bare(entity->view, expr.name, ctx, range);
  case Entity::Kind::Argument: {
    Context inner = ctx;
    inner.scope = entity->scope;
    return eval(*entity->expr, inner);
  }
  case Entity::Kind::Ranks: {
    if (entity->ranks.size() != 1) {
      error(range, expr.name + " stands for several ranks and has no "
                               "coordinate");
      return nullptr;
    }
    const Rank *rank = entity->ranks.front();
    T term = coordinate(rank, ctx.env, range);
    if (!term)
      error(range,
            "rank " + Twine(rank->name) +
                " is not in scope in the equation of " + current,
            "reduce it, `sum[" + Twine(rank->name) +
                "](..)`, or add it to the left side");
    return term;
  }
  }
  llvm_unreachable("unknown entity");
}

T Sema::evalExtentOf(const ExtentExpr &expr, const Context &ctx) {
  bool bad = false;
  RankList ranks = resolveRanks(expr.rank, ctx.scope, bad);
  if (bad)
    return nullptr;
  T product = nullptr;
  for (const Rank *rank : ranks) {
    T extent = terms.extent(rank, at(expr.range(), ctx.scope));
    product = product ? terms.mul(product, extent) : extent;
  }
  return product;
}

//===----------------------------------------------------------------------===//
// Operators
//===----------------------------------------------------------------------===//

/// `x else y where p` without parentheses.
static bool isOpenWhere(const Expr &expr) {
  auto *where = llvm::dyn_cast<BinaryExpr>(&expr);
  if (!where || where->op != BinaryOp::Where)
    return false;
  auto *orElse = llvm::dyn_cast<BinaryExpr>(where->lhs);
  return orElse && orElse->op == BinaryOp::Else &&
         orElse->range().begin == where->range().begin;
}

T Sema::evalBinary(const BinaryExpr &expr, const Context &ctx) {
  SourceRange range = at(expr.range(), ctx.scope);
  if (expr.op == BinaryOp::Where) {
    T value = eval(*expr.lhs, ctx);
    T condition = eval(*expr.rhs, ctx);
    return value && condition ? placed(terms.where(value, condition, range),
                                       {expr.lhs, expr.rhs}, ctx.scope)
                              : nullptr;
  }
  if (expr.op == BinaryOp::Else) {
    // A chain of pieces, each with its condition, reads well and is none.
    if (isOpenWhere(*expr.lhs) && expr.lhs->range().begin == expr.range().begin)
      warning(at(expr.lhs->range(), ctx.scope),
              "`where` is a condition on all that is left of it, not on the "
              "last piece",
              "a piece is `else (y where p)`");
    Context inner = ctx;
    inner.leftOfElse = true;
    T value = eval(*expr.lhs, inner);
    T otherwise = eval(*expr.rhs, ctx);
    return value && otherwise ? placed(terms.orElse(value, otherwise, range),
                                       {expr.lhs, expr.rhs}, ctx.scope)
                              : nullptr;
  }
  T lhs = eval(*expr.lhs, ctx);
  T rhs = eval(*expr.rhs, ctx);
  if (!lhs || !rhs)
    return nullptr;
  if (isComparison(expr.op))
    return placed(terms.map(comparison(expr.op), {lhs, rhs}, range),
                  {expr.lhs, expr.rhs}, ctx.scope);
  Fn fn;
  switch (expr.op) {
  case BinaryOp::And:
    fn = Fn::and_;
    break;
  case BinaryOp::Or:
    fn = Fn::or_;
    break;
  case BinaryOp::Add:
    fn = Fn::add;
    break;
  case BinaryOp::Sub:
    fn = Fn::sub;
    break;
  case BinaryOp::Mul:
    fn = Fn::mul;
    break;
  case BinaryOp::Div:
    fn = Fn::div;
    break;
  case BinaryOp::FloorDiv:
    fn = Fn::floordiv;
    break;
  case BinaryOp::Mod:
    fn = Fn::mod;
    break;
  case BinaryOp::Pow:
    fn = Fn::pow;
    break;
  default:
    llvm_unreachable("handled above");
  }
  return placed(terms.map(fn, {lhs, rhs}, range), {expr.lhs, expr.rhs},
                ctx.scope);
}

T Sema::evalSubst(const SubstExpr &expr, const Context &ctx) {
  SourceRange range = at(expr.range(), ctx.scope);
  RankList ranks;
  llvm::SmallVector<T> bound;
  T inside = nullptr;
  for (const Binding &binding : expr.bindings) {
    const Rank *rank = resolveRank(binding.rank, ctx.scope);
    T value = eval(*binding.value, ctx);
    if (!rank || !value)
      return nullptr;
    if (llvm::is_contained(ranks, rank)) {
      error(range, "rank " + Twine(rank->name) + " is bound twice");
      return nullptr;
    }
    ranks.push_back(rank);
    bound.push_back(value);
    if (expr.optional || ctx.leftOfElse || value->readsData())
      inside = terms.conj(inside, withinExtent(value, rank));
  }
  Context inner = ctx;
  inner.env = bind(ctx.env, ranks, bound);
  checkSpace(inner.env, range);
  T term = eval(*expr.operand, inner);
  if (!term)
    return nullptr;
  // A part moved beyond a ragged end is at no point of any space.
  T present = ragged(inner.env, [&](const RankRelation &relation, T) {
    return llvm::any_of(ranks, [&](const Rank *rank) {
      return llvm::is_contained(relation.parts, rank);
    });
  });
  inside = terms.conj(inside, present);
  return inside ? terms.where(term, inside, range) : term;
}
