//===- SemaNames.cpp - what names stand for ------------------------------===//
//
// Declares names in scopes, looks through arguments that are names themselves,
// and guesses which one was meant.
//
//===----------------------------------------------------------------------===//

#include "frontends/text/Sema.h"

using namespace attn;
using namespace attn::text;
using llvm::StringRef;

static StringRef word(const Entity &entity) {
  switch (entity.kind) {
  case Entity::Kind::Ranks:
    return "rank";
  case Entity::Kind::Scalar:
    return "scalar";
  case Entity::Kind::View:
    return isRunTimeScalar(*entity.view.tensor) ? "scalar" : "tensor";
  case Entity::Kind::Argument:
    return "argument";
  }
  llvm_unreachable("unknown entity");
}

bool Sema::declare(Scope *scope, StringRef name, Entity entity) {
  auto [it, isNew] = scope->names.insert({name, entity});
  if (isNew)
    return true;
  it->second.clashes = true;
  StringRef first = word(it->second), second = word(entity);
  if (first == second)
    error(at(entity.range, scope), name + " is declared twice");
  else if (second == "rank") // as the table of diagnostics orders them
    error(at(entity.range, scope), name + " is a rank and a " + first);
  else
    error(at(entity.range, scope),
          name + " is a " + first + " and a " + second);
  return false;
}

Rank *Sema::declareRank(Scope *scope, const Ident &ident) {
  if (const Entity *known = scope->find(ident.name);
      known && known->kind == Entity::Kind::Ranks)
    return const_cast<Rank *>(known->ranks.front());
  Rank *rank = model.addRank(ident.name, at(ident.range, scope));
  if (!declareRanks(scope, ident, rank))
    rank->extent = terms.integer(1);
  return rank;
}

/// The name stands for ranks that there are.
bool Sema::declareRanks(Scope *scope, const Ident &ident,
                        llvm::ArrayRef<const Rank *> ranks) {
  Entity entity;
  entity.kind = Entity::Kind::Ranks;
  entity.ranks.assign(ranks.begin(), ranks.end());
  entity.range = ident.range;
  return declare(scope, ident.name, entity);
}

/// Follows arguments that are plain names to what they name; `scope` moves
/// along.
const Entity *Sema::resolve(StringRef name, Scope *&scope) {
  const Entity *entity = scope->find(name);
  while (entity && entity->kind == Entity::Kind::Argument) {
    auto *plain = llvm::dyn_cast<NameExpr>(entity->expr);
    if (!plain)
      return entity;
    scope = entity->scope;
    entity = scope->find(plain->name);
  }
  return entity;
}

std::string Sema::suggestion(StringRef name, const Scope *scope,
                             bool functions) const {
  StringRef best;
  unsigned bestDistance = name.size() / 3 + 1;
  auto consider = [&](StringRef candidate) {
    unsigned distance = name.edit_distance(candidate, true, bestDistance);
    if (distance <= bestDistance && distance < name.size() &&
        (best.empty() || distance < bestDistance)) {
      best = candidate;
      bestDistance = distance;
    }
  };
  if (!functions) {
    for (auto &entry : scope->names)
      consider(entry.first);
  } else {
    for (const DeclTable *table = scope->decls; table; table = table->outer)
      for (auto &entry : table->decls)
        if (!entry.first().ends_with("_"))
          consider(entry.first());
    for (unsigned fn = 0; fn <= getMaxEnumValForFn(); ++fn)
      consider(stringifyFn(Fn(fn)));
    for (unsigned op = 0; op <= getMaxEnumValForReduce(); ++op)
      consider(stringifyReduce(Reduce(op)));
  }
  return best.empty() ? "" : ("did you mean " + best + "?").str();
}
