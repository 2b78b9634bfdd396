//===- SemaDefinitions.cpp - calls of definitions -------------------------===//
//
// A call is the definition's body in a scope of its own, where formal ranks and
// arguments stand for those of the call.
//
//===----------------------------------------------------------------------===//

#include "frontends/text/Sema.h"
#include "llvm/Support/SaveAndRestore.h"

using namespace attn;
using namespace attn::text;
using llvm::StringRef;
using llvm::Twine;

void Sema::addAmbient(Scope *scope, StringRef formal, const Expr &arg,
                      Scope *argScope, const Env *env, const RankList &bound) {
  llvm::SaveAndRestore quiet(silent, silent + 1);
  T term = eval(arg, {env, argScope});
  RankList &ambient = scope->ambient[formal];
  if (term)
    for (auto &[rank, coordinate] : env->coords)
      if (term->uses(rank) && !llvm::is_contained(bound, rank))
        ambient.push_back(rank);
}

/// Ranks and result rank of a call against those of its definition.
bool Sema::checkRanks(const DefDecl &def, const CallExpr &call, size_t ranks,
                      SourceRange range) {
  StringRef name = def.name().name;
  if (def.ranks.size() != ranks && !(def.ranks.size() == 1 && ranks > 0)) {
    error(range, name + " takes " + Twine(def.ranks.size()) +
                     (def.ranks.size() == 1 ? " rank, not " : " ranks, not ") +
                     Twine(ranks));
    return false;
  }
  if (bool(def.resultRank) != bool(call.resultRank)) {
    error(range,
          def.resultRank ? name + " needs the rank of its list"
                         : name + " has no result rank",
          def.resultRank ? "`" + name + "[n -> j](..)`" : "");
    return false;
  }
  return true;
}

/// Names the ranks and arguments of a call as its definition does; `bound`
/// becomes all ranks that are named.
bool Sema::bindCall(const DefDecl &def, const CallExpr &call, Scope *scope,
                    Scope *caller, RankList &bound) {
  if (def.ranks.size() == 1)
    declareRanks(scope, def.ranks.front(), bound);
  else
    for (auto [formal, rank] : llvm::zip(def.ranks, bound))
      declareRanks(scope, formal, rank);
  if (def.resultRank) {
    const Rank *result = resolveRank(call.resultRank, caller);
    if (!result)
      return false;
    declareRanks(scope, def.resultRank, result);
    bound.push_back(result);
  }
  for (auto [formal, arg] : llvm::zip(def.args, call.args)) {
    Entity entity;
    entity.kind = Entity::Kind::Argument;
    entity.expr = arg;
    entity.scope = caller;
    entity.range = formal.range;
    declare(scope, formal.name, entity);
  }
  return true;
}

/// The scope of a definition's body at a call.
Scope *Sema::expand(const DefDecl &def, const DeclTable *home,
                    const CallExpr &call, const Context &ctx) {
  bool hasLocals = llvm::any_of(def.body, [](const Stmt *stmt) {
    return llvm::isa<EquationStmt, TupleEquationStmt>(stmt);
  });
  // Local tensors depend on the space of the call, fresh ranks do not.
  std::vector<const void *> key = {&call, ctx.scope,
                                   hasLocals ? ctx.env->canonical : nullptr};
  if (auto it = expansions.find(key); it != expansions.end())
    return it->second;
  SourceRange range = at(call.range(), ctx.scope);
  bool bad = false;
  RankList bound = resolveRanks(call.ranks, ctx.scope, bad);
  if (bad ||
      !checkArguments(call, def.args.size(), def.args.size(), ctx.scope) ||
      !checkRanks(def, call, bound.size(), range))
    return nullptr;
  if (scopes.size() >= maxScopes) {
    error(range,
          "the definitions of " + Twine(model.decl->name().name) +
              " expand to more than " + Twine(maxScopes) + " calls",
          "name what they share");
    return nullptr;
  }
  Scope *scope = &scopes.emplace_back();
  scope->decls = home;
  if (!ctx.scope->site.empty())
    scope->site = ctx.scope->site;
  else if (!home->outer)
    scope->site = call.range();
  scope->owner = current;
  scope->calls = ctx.scope->calls;
  if (!bindCall(def, call, scope, ctx.scope, bound))
    return nullptr;
  for (const Stmt *stmt : def.body)
    if (auto *fresh = llvm::dyn_cast<RankStmt>(stmt)) {
      for (const Relation &relation : fresh->relations)
        declareRelation(relation, scope);
      for (const Relation &relation : fresh->relations)
        stateRelation(relation, scope);
    }
  solveExtents(true);
  if (hasLocals) {
    const Env *inner = bind(ctx.env->canonical, bound, identity(bound));
    for (auto [formal, arg] : llvm::zip(def.args, call.args))
      addAmbient(scope, formal.name, *arg, ctx.scope, inner, bound);
    declareBody(def.body, scope, inner);
  }
  return expansions[key] = scope;
}

T Sema::evalDef(const DefDecl &def, const DeclTable *home, const CallExpr &call,
                const Context &ctx) {
  Scope *scope = expand(def, home, call, ctx);
  if (!scope)
    return nullptr;
  Context inner = ctx;
  inner.scope = scope;
  if (def.expr)
    return eval(*def.expr, inner);
  return eval(*llvm::cast<ReturnStmt>(def.body.back())->value, inner);
}
