//===- SemaMonoids.cpp - declared monoids --------------------------------===//
//
// The combination of a monoid is evaluated once, over its states; each use has
// types of its own.
//
//===----------------------------------------------------------------------===//

#include "frontends/text/Sema.h"

using namespace attn;
using namespace attn::text;
using llvm::StringRef;
using llvm::Twine;

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
