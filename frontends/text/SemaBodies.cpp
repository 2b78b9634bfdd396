//===- SemaBodies.cpp - tensors that a body defines -----------------------===//
//
// Groups the equations of a body by tensor and declares each with its ranks and
// its type. Serves cascades, blocks of definitions and inlined calls alike:
// they differ in ambient ranks.
//
//===----------------------------------------------------------------------===//

#include "frontends/text/Sema.h"

using namespace attn;
using namespace attn::text;
using llvm::ArrayRef;
using llvm::StringRef;

static void collectNames(const Expr &expr, llvm::StringSet<> &names) {
  if (auto *name = llvm::dyn_cast<NameExpr>(&expr))
    names.insert(name->name);
  if (auto *access = llvm::dyn_cast<AccessExpr>(&expr))
    names.insert(access->tensor.name);
  forEachChild(expr, [&](const Expr &child) { collectNames(child, names); });
}

RankList Sema::ambientOf(const llvm::StringMap<llvm::StringSet<>> &uses,
                         StringRef name, Scope *scope, const Env *around) {
  if (scope->ambient.empty())
    return {};
  // Everything the tensor reads, through other tensors of the same body.
  llvm::StringSet<> seen;
  llvm::SmallVector<StringRef> work = {name};
  llvm::SmallPtrSet<const Rank *, 8> ambient;
  while (!work.empty()) {
    StringRef next = work.pop_back_val();
    if (auto it = scope->ambient.find(next); it != scope->ambient.end())
      ambient.insert(it->second.begin(), it->second.end());
    auto it = uses.find(next);
    if (it == uses.end())
      continue;
    for (auto &used : it->second)
      if (seen.insert(used.first()).second)
        work.push_back(used.first());
  }
  RankList ordered;
  for (auto &[rank, term] : around->coords)
    if (ambient.contains(rank))
      ordered.push_back(rank);
  return ordered;
}

/// The type that its equations and an output port state.
void Sema::declareType(const Pending &pending, StringRef name) {
  std::optional<ScalarType> &declared = pending.tensor->declared;
  Scope *scope = pending.scope;
  for (const Equation &equation : pending.equations) {
    if (!equation.type)
      continue;
    ScalarType type = equation.type->type;
    if (declared && *declared != type)
      error(at(equation.type->range, scope), name + " is declared " +
                                                 spelling(*declared) + " and " +
                                                 spelling(type));
    declared = type;
  }
  auto port = scope->outputTypes.find(name);
  if (port == scope->outputTypes.end())
    return;
  if (declared && *declared != port->second)
    error(pending.tensor->range, "output " + name + " is declared " +
                                     spelling(port->second) + " and " +
                                     spelling(*declared));
  declared = port->second;
}

void Sema::declareTensor(Pending pending, StringRef name, RankList lead) {
  Scope *scope = pending.scope;
  SourceRange range = at(pending.equations.front().lhs->tensor.range, scope);
  if (const Entity *known = scope->find(name);
      known && known->kind == Entity::Kind::View) {
    error(range, name + " is an input and has an equation");
    return;
  }
  bool good = true;
  for (Equation &equation : pending.equations)
    good &= readLeftSide(equation, scope);
  good = good && ownRanks(pending, name);
  llvm::erase_if(lead, [&](const Rank *rank) {
    return llvm::is_contained(pending.view.own, rank);
  });
  pending.view.lead = lead;
  RankList ranks = lead;
  ranks.append(pending.view.own);
  std::string full =
      scope->owner.empty() ? name.str() : scope->owner + "." + name.str();
  Tensor *tensor = model.addTensor(full, ranks, range);
  tensor->helper = scope != top;
  tensor->poisoned = !good;
  pending.tensor = pending.view.tensor = tensor;
  declareType(pending, name);
  Entity entity;
  entity.kind = Entity::Kind::View;
  entity.view = pending.view;
  entity.range = range;
  if (!declare(scope, name, entity) || !good)
    return;
  for (const Equation &equation : pending.equations) {
    std::vector<T> constants;
    for (const LeftIndex &index : equation.indices)
      constants.push_back(index.constant);
    basePoints[tensor].push_back(constants);
  }
  checkPatterns(pending);
  pendings.push_back(std::move(pending));
}

void Sema::declareBody(ArrayRef<const Stmt *> body, Scope *scope,
                       const Env *around) {
  llvm::MapVector<StringRef, std::vector<Equation>> groups;
  llvm::StringMap<llvm::StringSet<>> uses;
  auto add = [&](const LeftSide &lhs, const Expr *rhs, const Stmt *stmt,
                 unsigned index, std::optional<TypeRef> type) {
    groups[lhs.tensor.name].push_back({&lhs, rhs, stmt, index, type, {}});
    collectNames(*rhs, uses[lhs.tensor.name]);
  };
  for (const Stmt *stmt : body) {
    if (auto *equation = llvm::dyn_cast<EquationStmt>(stmt))
      add(equation->lhs, equation->rhs, stmt, 0, equation->type);
    if (auto *tuple = llvm::dyn_cast<TupleEquationStmt>(stmt))
      for (auto [i, lhs] : llvm::enumerate(tuple->lhs))
        add(lhs, tuple->rhs, stmt, i, std::nullopt);
  }
  for (auto &[name, equations] : groups)
    declareTensor({nullptr, scope, {}, std::move(equations)}, name,
                  ambientOf(uses, name, scope, around));
}
