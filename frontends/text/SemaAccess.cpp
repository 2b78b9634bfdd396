//===- SemaAccess.cpp - reads of tensors ---------------------------------===//
//
// An index that is data, or a coordinate that the space determines, may be
// outside and reads as absent there; any other one is to be proved inside.
//
//===----------------------------------------------------------------------===//

#include "frontends/text/Sema.h"

using namespace attn;
using namespace attn::text;
using llvm::ArrayRef;
using llvm::StringRef;
using llvm::Twine;

/// What brings `rank` back: a part that is bound took it out of the space.
static std::string missingHint(const Rank *rank, const Env &env) {
  if (rank->asWhole && rank->asWhole->isProduct) {
    const auto &parts = rank->asWhole->parts;
    auto bound =
        llvm::find_if(parts, [&](const Rank *part) { return env.has(part); });
    if (bound != parts.end())
      return "binding " + (*bound)->name + " takes " + rank->name +
             " out of the space: write its parts on the left";
  }
  return "it was used after its sum, or write the access out";
}

T Sema::bare(const View &view, StringRef name, const Context &ctx,
             SourceRange range) {
  llvm::SmallVector<T> own;
  for (const Rank *rank : view.own) {
    T index = coordinate(rank, ctx.env, range);
    if (!index) {
      error(range,
            "bare " + name + " needs rank " + rank->name +
                " in scope (scope: " + names(ctx.env) + ")",
            missingHint(rank, *ctx.env));
      return nullptr;
    }
    own.push_back(index);
  }
  return read(view, own, {}, false, ctx, range);
}

T Sema::withinExtent(T index, const Rank *rank) {
  return terms.conj(terms.le(terms.integer(0), index),
                    terms.lt(index, terms.extent(rank)));
}

T Sema::read(const View &view, ArrayRef<T> own, ArrayRef<bool> free,
             bool optional, const Context &ctx, SourceRange range) {
  llvm::SmallVector<T, 6> indices;
  for (const Rank *rank : view.lead) {
    T index = coordinate(rank, ctx.env, range);
    if (!index) {
      error(range, "rank " + Twine(rank->name) + " of " + view.tensor->name +
                       " is not in scope (scope: " + names(ctx.env) + ")");
      return nullptr;
    }
    indices.push_back(index);
  }
  indices.append(own.begin(), own.end());

  // What each index asks for: nothing (the axis' own coordinate), absence
  // outside (data, determined coordinates), or a proof.
  bool data = false, absent = false, proof = false;
  T inside = nullptr;
  for (auto [i, index] : llvm::enumerate(indices)) {
    const Rank *rank = view.tensor->ranks[i];
    bool plain = index == terms.coord(rank) ||
                 index == coordinate(rank, ctx.env->canonical, range);
    bool determined =
        i >= view.lead.size() && !free.empty() && free[i - view.lead.size()];
    if (index->readsData() || (determined && !plain)) {
      (index->readsData() ? data : absent) = true;
      inside = terms.conj(inside, withinExtent(index, rank));
    } else {
      proof |= !plain;
      absent |= plain && index->mayBeAbsent();
    }
  }
  bool exempt = optional || ctx.leftOfElse;
  Bounds bounds = proof    ? (exempt ? Bounds::absent : Bounds::inside)
                  : data   ? Bounds::data
                  : absent ? Bounds::absent
                           : Bounds::inside;
  T term = terms.read(view.tensor, indices, bounds, range);
  // Beside an index to be proved, which may be a base point, the others are
  // confined one by one.
  return proof && inside ? terms.where(term, inside) : term;
}

T Sema::evalAccess(const AccessExpr &expr, const Context &ctx) {
  SourceRange range = at(expr.range(), ctx.scope);
  Scope *home = ctx.scope;
  const Entity *entity = resolve(expr.tensor.name, home);
  if (!entity || entity->kind != Entity::Kind::View) {
    if (!entity)
      error(range, "unknown tensor " + expr.tensor.name,
            suggestion(expr.tensor.name, ctx.scope, false));
    else
      error(range, expr.tensor.name + " is no tensor and takes no indices");
    return nullptr;
  }
  const View &view = entity->view;
  llvm::SmallVector<T> own;
  llvm::SmallVector<bool> free;
  bool bad = false;
  for (const Expr *index : expr.indices) {
    const Entity *ranks = nullptr;
    if (auto *name = llvm::dyn_cast<NameExpr>(index))
      ranks = ctx.scope->find(name->name);
    if (ranks && ranks->kind != Entity::Kind::Ranks)
      ranks = nullptr;
    // A formal of several ranks stands for all their coordinates.
    if (ranks && ranks->ranks.size() > 1) {
      for (const Rank *rank : ranks->ranks) {
        own.push_back(coordinate(rank, ctx.env, range));
        free.push_back(false);
        if (own.back())
          continue;
        error(range, "rank " + Twine(rank->name) + " is not in scope");
        bad = true;
      }
      continue;
    }
    own.push_back(eval(*index, ctx));
    free.push_back(ranks && !ctx.env->has(ranks->ranks.front()));
    bad |= !own.back();
  }
  if (bad)
    return nullptr;
  if (own.size() != view.own.size()) {
    error(range, expr.tensor.name + " has " + Twine(view.own.size()) +
                     (view.own.size() == 1 ? " rank, not " : " ranks, not ") +
                     Twine(own.size()));
    return nullptr;
  }
  T term = read(view, own, free, expr.optional, ctx, range);
  if (view.lead.empty() && own.size() == expr.indices.size())
    placed(term, expr.indices, ctx.scope);
  if (term && !silent) {
    AccessRecord &record = accesses.emplace_back();
    record.tensor = view.tensor;
    record.lead = view.lead.size();
    record.indices.assign(own.begin(), own.end());
    record.range = range;
    record.text = expr.range();
  }
  return term;
}
