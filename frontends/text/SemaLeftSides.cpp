//===- SemaLeftSides.cpp - what equations define --------------------------===//
//
// The indices of left sides: plain ranks, or constants. From all left sides of
// a tensor follow its ranks, and that no two define one point.
//
//===----------------------------------------------------------------------===//

#include "frontends/text/Sema.h"

using namespace attn;
using namespace attn::text;
using llvm::ArrayRef;
using llvm::StringRef;
using llvm::Twine;

//===----------------------------------------------------------------------===//
// Indices
//===----------------------------------------------------------------------===//

/// Of constants and extents only: it needs no coordinate.
static bool isConstant(const Expr &expr, Scope *scope) {
  if (auto *name = llvm::dyn_cast<NameExpr>(&expr)) {
    const Entity *entity = scope->find(name->name);
    return !entity || entity->kind == Entity::Kind::Scalar ||
           entity->kind == Entity::Kind::Argument;
  }
  if (llvm::isa<AccessExpr, SubstExpr>(expr))
    return false;
  bool all = true;
  forEachChild(expr,
               [&](const Expr &child) { all &= isConstant(child, scope); });
  return all;
}

bool Sema::addPlain(Equation &equation, const NameExpr &name,
                    ArrayRef<const Rank *> ranks, Scope *scope) {
  for (const Rank *rank : ranks) {
    if (llvm::any_of(equation.indices, [&](const LeftIndex &other) {
          return other.rank == rank;
        })) {
      error(at(name.range(), scope), "rank " + Twine(rank->name) +
                                         " occurs twice on the left of " +
                                         equation.lhs->tensor.name);
      return false;
    }
    equation.indices.push_back({rank, nullptr});
  }
  return true;
}

bool Sema::addConstant(Equation &equation, const Expr &index, Scope *scope) {
  const LeftSide &lhs = *equation.lhs;
  auto refuse = [&] {
    error(at(index.range(), scope),
          source(lhs.range) + ": left indices are ranks, constants, extents",
          "scatter is `" + lhs.tensor.name + "[m] = sum[i](x where J == m)`");
    return false;
  };
  if (!isConstant(index, scope))
    return refuse();
  T term = eval(index, {plainEnv({}), scope});
  if (!term)
    return false;
  if (term->readsData() || !term->ranks().empty() ||
      term->is(Term::Kind::Real) || term->is(Term::Kind::Bool) ||
      term->is(Term::Kind::Read))
    return refuse();
  equation.indices.push_back({nullptr, term});
  return true;
}

bool Sema::readLeftSide(Equation &equation, Scope *scope) {
  for (const Expr *index : equation.lhs->indices) {
    auto *name = llvm::dyn_cast<NameExpr>(index);
    const Entity *entity = name ? scope->find(name->name) : nullptr;
    if (name && !entity) {
      error(at(name->range(), scope), "rank " + name->name + " has no extent",
            "add `with " + name->name + ": ..`");
      return false;
    }
    bool isPlain = entity && entity->kind == Entity::Kind::Ranks;
    if (!(isPlain ? addPlain(equation, *name, entity->ranks, scope)
                  : addConstant(equation, *index, scope)))
      return false;
  }
  return true;
}

//===----------------------------------------------------------------------===//
// Own ranks
//===----------------------------------------------------------------------===//

/// Per position the plain rank of the equations; null where all have constants.
bool Sema::plainRanks(const Pending &pending, StringRef name, RankList &own) {
  size_t count = pending.equations.front().indices.size();
  own.assign(count, nullptr);
  for (const Equation &equation : pending.equations) {
    SourceRange here = at(equation.lhs->range, pending.scope);
    if (equation.indices.size() != count) {
      error(here, name + " has " + Twine(count) +
                      " ranks in one equation and " +
                      Twine(equation.indices.size()) + " in another");
      return false;
    }
    for (auto [index, rank] : llvm::zip(equation.indices, own)) {
      if (!index.rank)
        continue;
      if (rank && rank != index.rank) {
        error(here, "an index of " + name + " is " + rank->name +
                        " in one equation and " + index.rank->name +
                        " in another");
        return false;
      }
      rank = index.rank;
    }
  }
  return true;
}

/// The ranks that the output port declares are those of its equations.
bool Sema::matchPort(const Port &port, SourceRange range, RankList &own) {
  StringRef name = port.name.name;
  if (port.axes.size() != own.size()) {
    error(range, "output " + name + " has " + Twine(port.axes.size()) +
                     " ranks, not " + Twine(own.size()));
    return false;
  }
  for (auto [axis, rank] : llvm::zip(port.axes, own)) {
    const Rank *declared = resolveRank(axis.rank, top);
    if (declared && rank && declared != rank) {
      error(range, "output " + name + " has rank " + declared->name +
                       " where its equation has " + rank->name);
      return false;
    }
    rank = declared;
  }
  return true;
}

/// No equation has a plain rank at index `i`: the constants are the points that
/// there are. Null, and an error, if they are no natural numbers.
Rank *Sema::rankOfConstants(const Pending &pending, StringRef name, unsigned i,
                            SourceRange range) {
  int64_t size = 0;
  for (const Equation &equation : pending.equations) {
    auto value = terms.staticValue(equation.indices[i].constant);
    if (!value || *value < 0) {
      error(range,
            name + " has no equation with a plain rank at index " + Twine(i));
      return nullptr;
    }
    size = std::max(size, *value + 1);
  }
  Rank *fresh = model.addRank((name + "." + Twine(i)).str(), range);
  fresh->extent = terms.integer(size);
  return fresh;
}

bool Sema::ownRanks(Pending &pending, StringRef name) {
  RankList own;
  if (!plainRanks(pending, name, own))
    return false;
  SourceRange range = at(pending.equations.front().lhs->range, pending.scope);
  if (pending.scope == top)
    for (const Port &output : model.decl->outputs)
      if (output.name.name == name && !matchPort(output, range, own))
        return false;
  for (auto [i, rank] : llvm::enumerate(own)) {
    if (!rank)
      rank = rankOfConstants(pending, name, i, range);
    if (!rank)
      return false;
  }
  pending.view.own = own;
  return true;
}

//===----------------------------------------------------------------------===//
// Several equations
//===----------------------------------------------------------------------===//

std::optional<Sema::Overlap>
Sema::overlapOf(const Equation &x, const Equation &y, const RankList &own) {
  Overlap overlap;
  for (auto [a, b, rank] : llvm::zip(x.indices, y.indices, own)) {
    if (a.constant && b.constant &&
        constantDifference(a.constant, b.constant) != 0)
      return std::nullopt;
    overlap.xMore |= a.constant && !b.constant;
    overlap.yMore |= b.constant && !a.constant;
    T constant = a.constant ? a.constant : b.constant;
    overlap.meet.push_back(constant);
    if (!constant)
      continue;
    // A plain rank starts at 0: it never meets a negative step.
    if ((!a.constant || !b.constant) &&
        constantDifference(constant, terms.integer(0)).value_or(0) < 0)
      return std::nullopt;
    const LeftSide &lhs = *(a.constant ? x : y).lhs;
    const Expr &index = *lhs.indices[overlap.meet.size() - 1];
    overlap.point += (overlap.point.empty() ? "" : ", ") + rank->name + " = " +
                     source(index.range()).str();
  }
  return overlap;
}

void Sema::checkPatterns(const Pending &pending) {
  ArrayRef<Equation> equations = pending.equations;
  auto isDefined = [&](ArrayRef<T> point) {
    return llvm::any_of(equations, [&](const Equation &equation) {
      return llvm::equal(equation.indices, point,
                         [](const LeftIndex &index, T constant) {
                           return index.constant == constant;
                         });
    });
  };
  for (size_t i = 0; i < equations.size(); ++i)
    for (size_t j = 0; j < i; ++j) {
      // One wins if its constants contain the other's.
      auto overlap = overlapOf(equations[i], equations[j], pending.view.own);
      if (!overlap || overlap->xMore != overlap->yMore ||
          (overlap->xMore && isDefined(overlap->meet)))
        continue;
      std::string point = overlap->point;
      if (point.empty())
        for (const Rank *rank : pending.view.own)
          point += (point.empty() ? "" : ", ") + rank->name + " = 0";
      error(at(equations[i].lhs->range, pending.scope),
            "two equations define " + equations.front().lhs->tensor.name +
                (point.empty() ? "" : " at " + point),
            "left sides may differ in constants only");
    }
}
