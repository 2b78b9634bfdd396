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
bool Sema::bindAxis(const Axis &axis, const Rank *rank, Scope *scope,
                    llvm::DenseSet<const Rank *> &taken, SourceRange range) {
  StringRef name = axis.rank.name;
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
  if (!taken.insert(rank).second) {
    Rank *copy = model.addRank(name, range);
    copy->extent = terms.extent(rank);
    rank = copy;
    taken.insert(copy);
  }
  Entity entity;
  entity.kind = Entity::Kind::Ranks;
  entity.ranks = {rank};
  entity.range = axis.rank.range;
  return declare(scope, name, entity);
}

bool Sema::bindFormal(const Port &formal, const CallExpr &call, unsigned index,
                      Scope *scope, Scope *caller, const Env *around,
                      llvm::DenseSet<const Rank *> &taken) {
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
    addAmbient(scope, name, *arg, caller, around, {});
    return declare(scope, name, entity);
  }
  const View *whole = wholeTensor(*arg, caller);
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
  entity.kind = Entity::Kind::View;
  entity.view.tensor = whole->tensor;
  entity.view.lead = whole->lead;
  entity.view.lead.append(whole->own.begin(), whole->own.begin() + extra);
  scope->ambient[name] = entity.view.lead;
  for (auto [axis, rank] :
       llvm::zip(formal.axes, ArrayRef(whole->own).drop_front(extra))) {
    if (!bindAxis(axis, rank, scope, taken, range))
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
        if (!scope->find(part.rank.name)) {
          Entity entity;
          entity.kind = Entity::Kind::Ranks;
          entity.ranks = {rank};
          entity.range = part.rank.range;
          declare(scope, part.rank.name, entity);
        }
  }
  declareRelation(relation, scope);
}

Sema::Inlined *Sema::inlineCall(const CascadeDecl &callee,
                                const DeclTable *home, const CallExpr &call,
                                const Pending &pending, const Stmt *stmt) {
  auto key = std::make_pair(stmt, static_cast<const Scope *>(pending.scope));
  if (auto it = inlined.find(key); it != inlined.end())
    return it->second.outputs.empty() ? nullptr : &it->second;
  Inlined &result = inlined[key];
  Scope *caller = pending.scope;
  SourceRange range = at(call.range(), caller);
  StringRef name = callee.name().name;
  if (llvm::is_contained(caller->calls, &callee) || &callee == model.decl) {
    error(range, "cascade " + name + " calls itself");
    return nullptr;
  }
  llvm::SmallVector<const LeftSide *> sides;
  if (auto *tuple = llvm::dyn_cast<TupleEquationStmt>(stmt))
    for (const LeftSide &lhs : tuple->lhs)
      sides.push_back(&lhs);
  else
    sides.push_back(&llvm::cast<EquationStmt>(stmt)->lhs);
  if (call.hasRanks() || call.resultRank) {
    error(range, "cascade " + name + " takes no ranks in brackets");
    return nullptr;
  }
  if (sides.size() != callee.outputs.size()) {
    error(range, "cascade " + name + " has " + Twine(callee.outputs.size()) +
                     " outputs, not " + Twine(sides.size()));
    return nullptr;
  }
  size_t least = callee.inputs.size();
  while (least > 0 && callee.inputs[least - 1].defaultValue)
    --least;
  if (!checkArguments(call, least, callee.inputs.size(), caller))
    return nullptr;

  // The space around the call: what the left sides span.
  llvm::SmallVector<RankList> spans;
  RankList all = pending.view.lead;
  for (const LeftSide *lhs : sides) {
    const Entity *entity = caller->find(lhs->tensor.name);
    if (!entity || entity->kind != Entity::Kind::View ||
        entity->view.tensor->poisoned)
      return nullptr;
    spans.push_back(entity->view.own);
    for (const Rank *rank : entity->view.own)
      if (!llvm::is_contained(all, rank))
        all.push_back(rank);
  }
  Scope *scope = &scopes.emplace_back();
  scope->decls = home;
  scope->site = caller->site;
  scope->owner = current;
  scope->calls = caller->calls;
  scope->calls.push_back(&callee);
  llvm::DenseSet<const Rank *> taken;
  bool good = true;
  for (auto [i, formal] : llvm::enumerate(callee.inputs))
    good &= bindFormal(formal, call, i, scope, caller, plainEnv(all), taken);
  if (!good)
    return nullptr;
  // Ranks of outputs that no argument brings come from the left side.
  for (auto [port, span] : llvm::zip(callee.outputs, spans)) {
    scope->outputTypes[port.name.name] = port.type.type;
    if (span.size() < port.axes.size()) {
      error(range, "output " + port.name.name + " of cascade " + name +
                       " has " + Twine(port.axes.size()) +
                       " ranks, the left side " + Twine(span.size()));
      return nullptr;
    }
    for (auto [axis, rank] :
         llvm::zip(port.axes, ArrayRef(span).take_back(port.axes.size())))
      if (!scope->find(axis.rank.name) &&
          !bindAxis(axis, rank, scope, taken, range))
        return nullptr;
  }
  // Ambient ranks stand on every left side.
  for (auto [i, formal] : llvm::enumerate(callee.inputs)) {
    auto it = scope->ambient.find(formal.name.name);
    if (it == scope->ambient.end() || i >= call.args.size())
      continue;
    for (const Rank *rank : it->second)
      for (auto [lhs, span] : llvm::zip(sides, spans))
        if (!llvm::is_contained(span, rank) &&
            !llvm::is_contained(pending.view.lead, rank)) {
          error(at(lhs->range, caller),
                "rank " + Twine(rank->name) + " of the argument " +
                    source(call.args[i]->range()) +
                    " is ambient and missing on the left of " +
                    lhs->tensor.name);
          return nullptr;
        }
  }
  llvm::SmallVector<const Relation *> relations;
  for (const Relation &relation : callee.relations)
    relations.push_back(&relation);
  for (const Stmt *inner : callee.body)
    if (auto *ranks = llvm::dyn_cast<RankStmt>(inner))
      for (const Relation &relation : ranks->relations)
        relations.push_back(&relation);
  for (const Relation *relation : relations)
    inlineRelation(*relation, scope, range);
  for (ArrayRef<Port> ports : {callee.inputs, callee.outputs})
    for (const Port &port : ports)
      for (auto [i, axis] : llvm::enumerate(port.axes))
        if (axis.extent)
          stateExtent(const_cast<Rank *>(resolveRank(axis.rank, scope)),
                      evalExtent(*axis.extent, scope, axis.rank.name),
                      (port.name.name + " axis " + Twine(i)).str(), range);
  for (const Relation *relation : relations)
    stateRelation(*relation, scope);
  solveExtents(true);
  declareBody(callee.body, scope, plainEnv(all));
  for (const Port &port : callee.outputs) {
    const Entity *entity = scope->find(port.name.name);
    if (!entity || entity->kind != Entity::Kind::View) {
      error(range, "output " + port.name.name + " of cascade " + name +
                       " has no equation");
      result.outputs.clear();
      return nullptr;
    }
    result.outputs.push_back(entity->view);
  }
  return &result;
}
