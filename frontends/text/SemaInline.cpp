//===- SemaInline.cpp - cascade calls -------------------------------------===//
//
// A call is the callee's body with its formals bound: each formal tensor to the
// trailing ranks of its argument, the remaining ranks ambient. Ranks of the
// callee become the caller's where an argument or a left side brings them.
//
//===----------------------------------------------------------------------===//

#include "frontends/text/Sema.h"

using namespace attn;
using namespace attn::text;
using llvm::ArrayRef;
using llvm::StringRef;
using llvm::Twine;

const View *Sema::wholeTensor(const Expr &expr, Scope *scope) {
  auto *name = llvm::dyn_cast<NameExpr>(&expr);
  if (!name)
    return nullptr;
  const Entity *entity = resolve(name->name, scope);
  return entity && entity->kind == Entity::Kind::View ? &entity->view : nullptr;
}

/// The callee's rank of `axis` becomes `rank`, or must agree with what it is.
bool Sema::bindAxis(Inlining &inlining, const Axis &axis, const Rank *rank,
                    SourceRange range) {
  StringRef name = axis.rank.name;
  Scope *scope = inlining.scope;
  const Entity *known = scope->find(name);
  if (known && known->kind == Entity::Kind::Ranks) {
    const Rank *bound = known->ranks.front();
    if (bound == rank ||
        constantDifference(terms.extent(bound), terms.extent(rank)) == 0)
      return true;
    error(range,
          "rank " + name + " of the called cascade has two extents: |" +
              bound->name + "| and |" + rank->name + "|",
          "state `" + Twine(rank->name) + ": |" + bound->name + "|`");
    return false;
  }
  // Two ranks of the callee stay two, also where one tensor brings both.
  if (!inlining.taken.insert(rank).second) {
    Rank *copy = model.addRank(name, range);
    copy->extent = terms.extent(rank);
    rank = copy;
    inlining.taken.insert(copy);
  }
  return declareRanks(scope, axis.rank, rank);
}

bool Sema::bindFormal(Inlining &inlining, const Port &formal, unsigned index) {
  const CallExpr &call = inlining.call;
  Scope *scope = inlining.scope, *caller = inlining.caller;
  StringRef name = formal.name.name;
  const Expr *arg = index < call.args.size() ? call.args[index] : nullptr;
  SourceRange range = at(arg ? arg->range() : call.range(), caller);
  Entity entity;
  entity.range = formal.name.range;
  if (formal.isConst || (formal.axes.empty() && !arg)) {
    entity.kind = Entity::Kind::Scalar;
    T value = arg ? eval(*arg, {plainEnv({}), caller})
              : formal.defaultValue
                  ? eval(*formal.defaultValue, {plainEnv({}), scope})
                  : nullptr;
    if (!arg && !formal.defaultValue)
      error(range, "the call of " + call.callee.name + " gives no " + name);
    if (value)
      value = convertConstant(value, formal, range);
    entity.term = value;
    return declare(scope, name, entity) && value;
  }
  if (!arg) {
    error(range, "the call of " + call.callee.name + " gives no " + name);
    return false;
  }
  if (formal.axes.empty()) {
    entity.kind = Entity::Kind::Argument;
    entity.expr = arg;
    entity.scope = caller;
    addAmbient(scope, name, *arg, caller, inlining.around, {});
    return declare(scope, name, entity);
  }
  return bindTensor(inlining, formal, *arg, range);
}

/// A formal of ranks is the trailing ranks of a tensor of the caller.
bool Sema::bindTensor(Inlining &inlining, const Port &formal, const Expr &arg,
                      SourceRange range) {
  Scope *scope = inlining.scope;
  StringRef name = formal.name.name;
  const View *whole = wholeTensor(arg, inlining.caller);
  if (!whole) {
    error(range, "the argument of " + name + " is no tensor",
          "give the expression a name first");
    return false;
  }
  size_t count = formal.axes.size();
  if (whole->own.size() < count) {
    error(range, "the argument of " + name + " has " +
                     Twine(whole->own.size()) + " ranks, fewer than the " +
                     Twine(count) + " of " + name);
    return false;
  }
  size_t extra = whole->own.size() - count;
  Entity entity;
  entity.range = formal.name.range;
  entity.kind = Entity::Kind::View;
  entity.view.tensor = whole->tensor;
  entity.view.lead = whole->lead;
  entity.view.lead.append(whole->own.begin(), whole->own.begin() + extra);
  scope->ambient[name] = entity.view.lead;
  for (auto [axis, rank] :
       llvm::zip(formal.axes, ArrayRef(whole->own).drop_front(extra))) {
    if (!bindAxis(inlining, axis, rank, range))
      return false;
    const Rank *bound = scope->find(axis.rank.name)->ranks.front();
    entity.view.own.push_back(bound);
  }
  return declare(scope, name, entity);
}

/// A relation of the callee holds already, extends ranks of the caller, or
/// brings ranks of its own.
void Sema::inlineRelation(const Relation &relation, Scope *scope,
                          SourceRange range) {
  const Entity *whole = scope->find(relation.rank.name);
  if (relation.kind != Relation::Kind::Extent && whole &&
      whole->kind == Entity::Kind::Ranks) {
    const RankRelation *known = whole->ranks.front()->asWhole;
    if (known && known->parts.size() == relation.parts.size())
      for (auto [part, rank] : llvm::zip(relation.parts, known->parts))
        if (!scope->find(part.rank.name))
          declareRanks(scope, part.rank, rank);
  }
  declareRelation(relation, scope);
}

/// Is the call one of the callee, in a place where it may be?
bool Sema::checkCall(const Inlining &inlining) {
  const CascadeDecl &callee = inlining.callee;
  const CallExpr &call = inlining.call;
  SourceRange range = inlining.range;
  StringRef name = callee.name().name;
  if (llvm::is_contained(inlining.caller->calls, &callee) ||
      &callee == model.decl) {
    error(range, "cascade " + name + " calls itself");
    return false;
  }
  if (call.hasRanks() || call.resultRank) {
    error(range, "cascade " + name + " takes no ranks in brackets");
    return false;
  }
  if (inlining.sides.size() != callee.outputs.size()) {
    error(range, "cascade " + name + " has " + Twine(callee.outputs.size()) +
                     " outputs, not " + Twine(inlining.sides.size()));
    return false;
  }
  size_t least = callee.inputs.size();
  while (least > 0 && callee.inputs[least - 1].defaultValue)
    --least;
  return checkArguments(call, least, callee.inputs.size(), inlining.caller);
}

/// The space around the call: what the left sides span, and `lead`.
bool Sema::findSpans(Inlining &inlining, const RankList &lead) {
  RankList all = lead;
  for (const LeftSide *lhs : inlining.sides) {
    const Entity *entity = inlining.caller->find(lhs->tensor.name);
    if (!entity || entity->kind != Entity::Kind::View ||
        entity->view.tensor->poisoned)
      return false;
    inlining.spans.push_back(entity->view.own);
    for (const Rank *rank : entity->view.own)
      if (!llvm::is_contained(all, rank))
        all.push_back(rank);
  }
  inlining.around = plainEnv(all);
  return true;
}

/// Ranks of outputs that no argument brings come from the left side.
bool Sema::bindOutputs(Inlining &inlining) {
  Scope *scope = inlining.scope;
  for (auto [port, span] : llvm::zip(inlining.callee.outputs, inlining.spans)) {
    scope->outputTypes[port.name.name] = port.type.type;
    if (span.size() < port.axes.size()) {
      error(inlining.range, "output " + port.name.name + " of cascade " +
                                inlining.callee.name().name + " has " +
                                Twine(port.axes.size()) +
                                " ranks, the left side " + Twine(span.size()));
      return false;
    }
    for (auto [axis, rank] :
         llvm::zip(port.axes, ArrayRef(span).take_back(port.axes.size())))
      if (!scope->find(axis.rank.name) &&
          !bindAxis(inlining, axis, rank, inlining.range))
        return false;
  }
  return true;
}

/// Ambient ranks stand on every left side.
bool Sema::checkAmbient(const Inlining &inlining, const RankList &lead) {
  for (auto [formal, arg] :
       llvm::zip(inlining.callee.inputs, inlining.call.args)) {
    auto it = inlining.scope->ambient.find(formal.name.name);
    if (it == inlining.scope->ambient.end())
      continue;
    for (const Rank *rank : it->second)
      for (auto [lhs, span] : llvm::zip(inlining.sides, inlining.spans))
        if (!llvm::is_contained(span, rank) &&
            !llvm::is_contained(lead, rank)) {
          error(at(lhs->range, inlining.caller),
                "rank " + Twine(rank->name) + " of the argument " +
                    source(arg->range()) +
                    " is ambient and missing on the left of " +
                    lhs->tensor.name);
          return false;
        }
  }
  return true;
}

/// Relations of the callee, and the extents that its ports state.
void Sema::inlineRanks(const Inlining &inlining) {
  const CascadeDecl &callee = inlining.callee;
  Scope *scope = inlining.scope;
  llvm::SmallVector<const Relation *> relations;
  for (const Relation &relation : callee.relations)
    relations.push_back(&relation);
  for (const Stmt *inner : callee.body)
    if (auto *ranks = llvm::dyn_cast<RankStmt>(inner))
      for (const Relation &relation : ranks->relations)
        relations.push_back(&relation);
  for (const Relation *relation : relations)
    inlineRelation(*relation, scope, inlining.range);
  for (ArrayRef<Port> ports : {callee.inputs, callee.outputs})
    for (const Port &port : ports)
      for (auto [i, axis] : llvm::enumerate(port.axes))
        if (axis.extent)
          stateExtent(const_cast<Rank *>(resolveRank(axis.rank, scope)),
                      evalExtent(*axis.extent, scope, axis.rank.name),
                      (port.name.name + " axis " + Twine(i)).str(),
                      inlining.range);
  for (const Relation *relation : relations)
    stateRelation(*relation, scope);
  solveExtents(true);
}

Sema::Inlined *Sema::inlineCall(const CascadeDecl &callee,
                                const DeclTable *home, const CallExpr &call,
                                const Pending &pending, const Stmt *stmt) {
  auto key = std::make_pair(stmt, static_cast<const Scope *>(pending.scope));
  if (auto it = inlined.find(key); it != inlined.end())
    return it->second.outputs.empty() ? nullptr : &it->second;
  Inlined &result = inlined[key];
  Scope *caller = pending.scope;
  Inlining inlining{callee, call, caller, at(call.range(), caller)};
  if (auto *tuple = llvm::dyn_cast<TupleEquationStmt>(stmt))
    for (const LeftSide &lhs : tuple->lhs)
      inlining.sides.push_back(&lhs);
  else
    inlining.sides.push_back(&llvm::cast<EquationStmt>(stmt)->lhs);
  const RankList &lead = pending.view.lead;
  if (!checkCall(inlining) || !findSpans(inlining, lead))
    return nullptr;
  Scope *scope = inlining.scope = &scopes.emplace_back();
  scope->decls = home;
  scope->site = caller->site;
  scope->owner = current;
  scope->calls = caller->calls;
  scope->calls.push_back(&callee);
  bool good = true;
  for (auto [i, formal] : llvm::enumerate(callee.inputs))
    good &= bindFormal(inlining, formal, i);
  if (!good || !bindOutputs(inlining) || !checkAmbient(inlining, lead))
    return nullptr;
  inlineRanks(inlining);
  declareBody(callee.body, scope, inlining.around);
  for (const Port &port : callee.outputs) {
    const Entity *entity = scope->find(port.name.name);
    if (!entity || entity->kind != Entity::Kind::View) {
      error(inlining.range, "output " + port.name.name + " of cascade " +
                                callee.name().name + " has no equation");
      result.outputs.clear();
      return nullptr;
    }
    result.outputs.push_back(entity->view);
  }
  return &result;
}
