//===- SemaReductions.cpp - reductions and selections --------------------===//
//
// Every reduction becomes a tensor over exactly the ranks that its operand
// uses, whatever the space it stands in: a reduction that does not depend on a
// rank is computed once.
//
//===----------------------------------------------------------------------===//

#include "frontends/text/Sema.h"

using namespace attn;
using namespace attn::text;
using llvm::ArrayRef;
using llvm::StringRef;
using llvm::Twine;

Definition *Sema::helper(StringRef op, Reduce reduce, MonoidUse *monoid,
                         const RankList &reduced, ArrayRef<T> operands,
                         const Env *inner, SourceRange range) {
  RankList space;
  for (auto &[rank, term] : inner->coords)
    if (!llvm::is_contained(reduced, rank) &&
        llvm::any_of(operands, [&](T t) { return t->uses(rank); }))
      space.push_back(rank);
  std::vector<const void *> key = {monoid ? monoid->decl : nullptr};
  if (!monoid)
    key.push_back(reinterpret_cast<const void *>(uintptr_t(reduce) + 1));
  key.insert(key.end(), reduced.begin(), reduced.end());
  key.push_back(nullptr);
  key.insert(key.end(), operands.begin(), operands.end());
  Definition *&slot = helpers[key];
  if (slot)
    return slot;
  llvm::SmallVector<Tensor *> results;
  for (size_t i = 0; i < operands.size(); ++i) {
    std::string name = current + "." + op.str();
    if (operands.size() > 1)
      name += "." + monoid->decl->states[i].name.name.str();
    results.push_back(model.addTensor(name, space, range));
    results.back()->helper = true;
  }
  slot =
      model.define(monoid ? Definition::Kind::Monoid : Definition::Kind::Reduce,
                   results, range);
  slot->terms.assign(operands.begin(), operands.end());
  slot->valueRange = range;
  slot->reduced = reduced;
  slot->reduce = reduce;
  slot->monoid = monoid;
  return slot;
}

llvm::SmallVector<T> Sema::readHelper(Definition *definition, const Env *env,
                                      SourceRange range) {
  llvm::SmallVector<T> indices, reads;
  bool data = false;
  for (const Rank *rank : definition->space) {
    T index = coordinate(rank, env, range);
    if (!index) {
      error(range, "rank " + Twine(rank->name) +
                       " is not in scope in the "
                       "equation of " +
                       current);
      return {};
    }
    indices.push_back(index);
    data |= index->readsData();
  }
  for (Tensor *result : definition->results)
    reads.push_back(terms.read(result, indices,
                               data ? Bounds::data : Bounds::inside, range));
  return reads;
}

llvm::SmallVector<T> Sema::reduce(ArrayRef<const Expr *> args,
                                  const RankList &ranks, StringRef op,
                                  Reduce reduce, MonoidUse *monoid,
                                  const Context &ctx, SourceRange range) {
  for (size_t i = 0; i < ranks.size(); ++i)
    if (llvm::is_contained(ArrayRef(ranks).take_front(i), ranks[i])) {
      error(range, "rank " + Twine(ranks[i]->name) + " is reduced twice");
      return {};
    }
  Context inner;
  inner.env = bind(ctx.env->canonical, ranks, identity(ranks));
  inner.scope = ctx.scope;
  checkSpace(inner.env, range);
  llvm::SmallVector<T> operands;
  bool bad = false;
  for (const Expr *arg : args) {
    operands.push_back(eval(*arg, inner));
    bad |= !operands.back();
  }
  if (bad)
    return {};
  // Points beyond a ragged end are in no space; it matters where the fibre is
  // concerned or the operand lives on such points.
  auto used = [&](const Rank *rank) {
    return llvm::is_contained(ranks, rank) ||
           llvm::any_of(operands, [&](T t) { return t->uses(rank); });
  };
  T present = ragged(inner.env, [&](const RankRelation &, T predicate) {
    return llvm::any_of(predicate->ranks(),
                        [&](const Rank *rank) {
                          return llvm::is_contained(ranks, rank);
                        }) ||
           llvm::all_of(predicate->ranks(), used);
  });
  if (present)
    for (T &operand : operands)
      operand = terms.where(operand, present, range);
  Definition *definition =
      helper(op, reduce, monoid, ranks, operands, inner.env, range);
  return readHelper(definition, ctx.env, range);
}

T Sema::evalBuiltin(Reduce reduction, const CallExpr &call,
                    const Context &ctx) {
  SourceRange range = at(call.range(), ctx.scope);
  StringRef name = call.callee.name;
  if (!call.hasRanks() || call.resultRank) {
    error(range,
          call.resultRank ? name + " has no result rank"
                          : name + " needs the ranks it reduces",
          "`" + name + "[n](..)`");
    return nullptr;
  }
  bool bad = false;
  RankList ranks = resolveRanks(call.ranks, ctx.scope, bad);
  if (bad || !checkArguments(call, 1, 1, ctx.scope))
    return nullptr;
  bool oneRank = reduction == Reduce::argmax || reduction == Reduce::argmin ||
                 reduction == Reduce::first || reduction == Reduce::last;
  if (oneRank && ranks.size() != 1) {
    error(range, name + " takes one rank, not " + Twine(ranks.size()));
    return nullptr;
  }
  auto reads = reduce(call.args, ranks, name, reduction, nullptr, ctx, range);
  return reads.empty() ? nullptr : reads.front();
}

//===----------------------------------------------------------------------===//
// Selection
//===----------------------------------------------------------------------===//

T Sema::evalOrder(const CallExpr &call, const Context &ctx) {
  SourceRange range = at(call.range(), ctx.scope);
  if (call.ranks.size() != 1 || !call.resultRank) {
    error(range, "order takes one rank and the rank of its list",
          "`order[n -> j](key)`");
    return nullptr;
  }
  const Rank *from = resolveRank(call.ranks[0], ctx.scope);
  const Rank *to = resolveRank(call.resultRank, ctx.scope);
  if (!from || !to || !checkArguments(call, 1, 256, ctx.scope))
    return nullptr;
  if (from == to) {
    error(range, "order lists rank " + Twine(from->name) + " over itself",
          "give the list its own rank");
    return nullptr;
  }
  T position = coordinate(to, ctx.env, range);
  if (!position) {
    error(range,
          "rank " + Twine(to->name) + " is not in scope in the equation of " +
              current,
          "the list rank of a selection stands on the left side");
    return nullptr;
  }
  // The keys see neither the list rank nor an outer coordinate of `from`.
  RankList outer;
  for (auto &[rank, term] : ctx.env->coords)
    if (rank != to)
      outer.push_back(rank);
  Context inner;
  inner.env = bind(plainEnv(outer), from, terms.coord(from));
  inner.scope = ctx.scope;
  checkSpace(inner.env, range);
  llvm::SmallVector<T> keys;
  for (const Expr *arg : call.args) {
    keys.push_back(eval(*arg, inner));
    if (!keys.back())
      return nullptr;
  }
  T present = ragged(inner.env, [&](const RankRelation &, T predicate) {
    return predicate->uses(from);
  });
  if (present)
    keys.front() = terms.where(keys.front(), present, range);
  RankList space;
  for (auto &[rank, term] : inner.env->coords)
    if (rank != from && llvm::any_of(keys, [&](T t) { return t->uses(rank); }))
      space.push_back(rank);
  space.push_back(to);
  std::vector<const void *> key = {nullptr, from, to, nullptr};
  key.insert(key.end(), keys.begin(), keys.end());
  Definition *&slot = helpers[key];
  if (!slot) {
    Tensor *result = model.addTensor(current + ".order", space, range);
    result->helper = true;
    slot = model.define(Definition::Kind::Order, result, range);
    slot->terms.assign(keys.begin(), keys.end());
    slot->from = from;
    slot->to = to;
  }
  auto reads = readHelper(slot, ctx.env, range);
  return reads.empty() ? nullptr : reads.front();
}
