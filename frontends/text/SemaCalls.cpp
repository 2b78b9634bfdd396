//===- SemaCalls.cpp - functions, reductions, selections ------------------===//
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

/// The functions of the language; the others of the table are spelled as
/// operators or come from laws.
static std::optional<Fn> functionNamed(StringRef name) {
  static const llvm::StringMap<Fn> table = [] {
    llvm::StringMap<Fn> map;
    for (Fn fn : {Fn::exp,   Fn::log,  Fn::sqrt,      Fn::rsqrt,   Fn::tanh,
                  Fn::sin,   Fn::cos,  Fn::erf,       Fn::abs,     Fn::sign,
                  Fn::floor, Fn::ceil, Fn::round,     Fn::min,     Fn::max,
                  Fn::isnan, Fn::msb,  Fn::xor_,      Fn::band,    Fn::shl,
                  Fn::shr,   Fn::bits, Fn::from_bits, Fn::uniform, Fn::normal})
      map[stringifyFn(fn)] = fn;
    return map;
  }();
  auto it = table.find(name);
  return it == table.end() ? std::nullopt : std::optional(it->second);
}

bool attn::text::isBuiltin(StringRef name) {
  return functionNamed(name) || symbolizeReduce(name) || name == "order" ||
         scalarTypeNamed(name);
}

bool Sema::checkArguments(const CallExpr &call, size_t least, size_t most,
                          const Scope *scope) {
  size_t count = call.args.size();
  if (count >= least && count <= most)
    return true;
  size_t wanted = count < least ? least : most;
  StringRef limit = least == most   ? ""
                    : count < least ? "at least "
                                    : "at most ";
  error(at(call.range(), scope),
        call.callee.name + " takes " + limit + Twine(wanted) +
            (wanted == 1 ? " argument, not " : " arguments, not ") +
            Twine(count));
  return false;
}

T Sema::evalCall(const CallExpr &call, const Context &ctx) {
  StringRef name = call.callee.name;
  SourceRange range = at(call.range(), ctx.scope);
  if (name == "order")
    return evalOrder(call, ctx);
  // `min` and `max` are both: the ranks decide.
  std::optional<Fn> fn = functionNamed(name);
  std::optional<Reduce> reduction = symbolizeReduce(name);
  if (reduction && (call.hasRanks() || !fn))
    return evalBuiltin(*reduction, call, ctx);
  if (fn || scalarTypeNamed(name)) {
    if (call.hasRanks()) {
      error(range, name + " is a function and takes no ranks");
      return nullptr;
    }
    if (fn)
      return evalFunction(*fn, call, ctx);
    if (!checkArguments(call, 1, 1, ctx.scope))
      return nullptr;
    T operand = eval(*call.args[0], ctx);
    return operand ? placed(terms.cast(operand, *scalarTypeNamed(name), range),
                            call.args, ctx.scope)
                   : nullptr;
  }
  const DeclTable *home = nullptr;
  const Decl *decl = ctx.scope->decls->find(name, &home);
  bool isPrivate =
      decl && name.ends_with("_") && !home->outer && ctx.scope->decls != home;
  if (!decl || isPrivate) {
    const Entity *entity = ctx.scope->find(name);
    if (entity && entity->kind == Entity::Kind::View)
      error(range, name + " is a tensor, not a function",
            "an access is written " + name + "[..]");
    else
      error(range, "unknown function " + name,
            isPrivate ? "it is private to the prelude"
                      : suggestion(name, ctx.scope, true));
    return nullptr;
  }
  if (auto *def = llvm::dyn_cast<DefDecl>(decl))
    return evalDef(*def, home, call, ctx);
  if (auto *monoid = llvm::dyn_cast<MonoidDecl>(decl))
    return evalMonoid(*monoid, home, call, ctx);
  error(range, "the call of cascade " + name + " is no whole right side",
        "`(O[..]) = " + name + "(..)`, then use O");
  return nullptr;
}

T Sema::evalFunction(Fn fn, const CallExpr &call, const Context &ctx) {
  int arity = info(fn).arity;
  if (!checkArguments(call, arity < 0 ? 1 : arity, arity < 0 ? 256 : arity,
                      ctx.scope))
    return nullptr;
  llvm::SmallVector<T> operands;
  bool bad = false;
  for (const Expr *arg : call.args) {
    operands.push_back(eval(*arg, ctx));
    bad |= !operands.back();
  }
  if (bad)
    return nullptr;
  // `sqrt(d)` where `sqrt(|d|)` is usual.
  if (fn == Fn::sqrt || fn == Fn::rsqrt)
    if (auto *name = llvm::dyn_cast<NameExpr>(call.args[0]))
      if (const Entity *entity = ctx.scope->find(name->name);
          entity && entity->kind == Entity::Kind::Ranks)
        warning(at(call.range(), ctx.scope),
                call.callee.name + "(" + name->name +
                    ") takes the coordinate " + name->name,
                "`" + call.callee.name + "(|" + name->name + "|)`");
  return placed(terms.map(fn, operands, at(call.range(), ctx.scope)), call.args,
                ctx.scope);
}

//===----------------------------------------------------------------------===//
// Reductions
//===----------------------------------------------------------------------===//

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
// Monoids
//===----------------------------------------------------------------------===//

MonoidUse *Sema::useMonoid(const MonoidDecl &decl, const DeclTable *home,
                           const Scope *caller, SourceRange site) {
  std::unique_ptr<MonoidUse> &body = monoidBodies[&decl];
  if (!body) {
    body = std::make_unique<MonoidUse>();
    body->decl = &decl;
    Scope *scope = &scopes.emplace_back();
    scope->decls = home;
    if (!home->outer)
      scope->site = at(site, caller);
    auto name = [&](StringRef name, unsigned index, SourceRange range) {
      Entity entity;
      entity.kind = Entity::Kind::Scalar;
      entity.term = terms.state(index, range);
      entity.range = range;
      declare(scope, name, entity);
    };
    size_t count = decl.states.size();
    Context ctx{plainEnv({}), scope};
    bool bad = false;
    for (const MonoidState &state : decl.states) {
      T identity = eval(*state.identity, ctx);
      if (identity && !identity->isConstant()) {
        error(at(state.identity->range(), scope),
              "the identity of " + state.name.name + " is no constant");
        identity = nullptr;
      }
      bad |= !identity;
      body->identity.push_back(identity);
    }
    for (auto [i, state] : llvm::enumerate(decl.states))
      name(state.name.name, i, state.name.range);
    if (decl.primed.size() != count) {
      error(at(decl.range(), scope),
            "monoid " + decl.name().name + " has " + Twine(count) +
                " components on the left and " + Twine(decl.primed.size()) +
                " on the right");
      bad = true;
    }
    for (auto [i, primed] : llvm::enumerate(decl.primed))
      name(primed.name, count + i, primed.range);
    llvm::SmallVector<const Expr *> parts = {decl.combination};
    if (auto *tuple = llvm::dyn_cast<TupleExpr>(decl.combination))
      parts.assign(tuple->elements.begin(), tuple->elements.end());
    if (parts.size() != count) {
      error(at(decl.combination->range(), scope),
            "monoid " + decl.name().name + " combines to " +
                Twine(parts.size()) + " components, not " + Twine(count));
      bad = true;
    }
    for (const Expr *part : parts) {
      body->combination.push_back(eval(*part, ctx));
      bad |= !body->combination.back();
    }
    if (bad)
      body->decl = nullptr;
  }
  if (!body->decl)
    return nullptr;
  MonoidUse *use = &model.monoids.emplace_back(*body);
  use->types.assign(decl.states.size(), Ty::None);
  return use;
}

T Sema::evalMonoid(const MonoidDecl &decl, const DeclTable *home,
                   const CallExpr &call, const Context &ctx) {
  SourceRange range = at(call.range(), ctx.scope);
  StringRef name = call.callee.name;
  if (decl.states.size() != 1) {
    error(range,
          "monoid " + name + " has " + Twine(decl.states.size()) +
              " components",
          "`(A[..], B[..]) = " + name + "[..](..)`");
    return nullptr;
  }
  auto reads = evalMonoidTuple(decl, home, call, ctx);
  return reads.empty() ? nullptr : reads.front();
}

llvm::SmallVector<T> Sema::evalMonoidTuple(const MonoidDecl &decl,
                                           const DeclTable *home,
                                           const CallExpr &call,
                                           const Context &ctx) {
  SourceRange range = at(call.range(), ctx.scope);
  StringRef name = call.callee.name;
  if (!call.hasRanks() || call.resultRank) {
    error(range, "monoid " + name + " needs the ranks it reduces",
          "`" + name + "[n](..)`");
    return {};
  }
  bool bad = false;
  RankList ranks = resolveRanks(call.ranks, ctx.scope, bad);
  size_t count = decl.states.size();
  if (bad || !checkArguments(call, count, count, ctx.scope))
    return {};
  MonoidUse *use = useMonoid(decl, home, ctx.scope, call.range());
  if (!use)
    return {};
  return reduce(call.args, ranks, name, Reduce::sum, use, ctx, range);
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
