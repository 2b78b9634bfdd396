//===- SemaEquations.cpp - bodies, left sides, equations ------------------===//
//
// Groups the equations of a body by tensor, reads their left sides, and
// evaluates the right sides over the space they span. Serves cascades, blocks
// of definitions and inlined calls alike: they differ in ambient ranks.
//
//===----------------------------------------------------------------------===//

#include "frontends/text/Sema.h"
#include "llvm/ADT/StringExtras.h"

using namespace attn;
using namespace attn::text;
using llvm::ArrayRef;
using llvm::StringRef;
using llvm::Twine;

//===----------------------------------------------------------------------===//
// Left sides
//===----------------------------------------------------------------------===//

bool Sema::readLeftSide(Equation &equation, Scope *scope) {
  const LeftSide &lhs = *equation.lhs;
  auto refuse = [&](const Expr &index) {
    error(at(index.range(), scope),
          source(lhs.range) + ": left indices are ranks, constants, extents",
          "scatter is `" + lhs.tensor.name + "[m] = sum[i](x where J == m)`");
    return false;
  };
  for (const Expr *index : lhs.indices) {
    if (auto *name = llvm::dyn_cast<NameExpr>(index)) {
      const Entity *entity = scope->find(name->name);
      if (!entity) {
        error(at(name->range(), scope), "rank " + name->name + " has no extent",
              "add `with " + name->name + ": ..`");
        return false;
      }
      if (entity->kind == Entity::Kind::Ranks) {
        for (const Rank *rank : entity->ranks) {
          for (const LeftIndex &other : equation.indices)
            if (other.rank == rank) {
              error(at(name->range(), scope),
                    "rank " + Twine(rank->name) +
                        " occurs twice on the left of " + lhs.tensor.name);
              return false;
            }
          equation.indices.push_back({rank, nullptr});
        }
        continue;
      }
    }
    // Constants and extents only: whatever needs a coordinate is refused.
    std::function<bool(const Expr &)> constant = [&](const Expr &e) {
      if (auto *name = llvm::dyn_cast<NameExpr>(&e)) {
        const Entity *entity = scope->find(name->name);
        return !entity || entity->kind == Entity::Kind::Scalar ||
               entity->kind == Entity::Kind::Argument;
      }
      if (llvm::isa<AccessExpr, SubstExpr>(e))
        return false;
      bool all = true;
      forEachChild(e, [&](const Expr &child) { all &= constant(child); });
      return all;
    };
    if (!constant(*index))
      return refuse(*index);
    T term = eval(*index, {plainEnv({}), scope});
    if (!term)
      return false;
    if (term->readsData() || !term->ranks().empty() ||
        term->is(Term::Kind::Real) || term->is(Term::Kind::Bool) ||
        term->is(Term::Kind::Read))
      return refuse(*index);
    equation.indices.push_back({nullptr, term});
  }
  return true;
}

/// Own ranks of the tensor: per position the plain rank of its equations.
bool Sema::ownRanks(Pending &pending, StringRef name) {
  Equation &first = pending.equations.front();
  SourceRange range = at(first.lhs->range, pending.scope);
  size_t count = first.indices.size();
  RankList own(count, nullptr);
  const Port *port = nullptr;
  if (pending.scope == top)
    for (const Port &output : model.decl->outputs)
      if (output.name.name == name)
        port = &output;
  for (Equation &equation : pending.equations) {
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
  if (port) {
    if (port->axes.size() != count) {
      error(range, "output " + name + " has " + Twine(port->axes.size()) +
                       " ranks, not " + Twine(count));
      return false;
    }
    for (auto [axis, rank] : llvm::zip(port->axes, own)) {
      const Rank *declared = resolveRank(axis.rank, top);
      if (declared && rank && declared != rank) {
        error(range, "output " + name + " has rank " + declared->name +
                         " where its equation has " + rank->name);
        return false;
      }
      rank = declared;
    }
  }
  for (auto [i, rank] : llvm::enumerate(own)) {
    if (rank)
      continue;
    // No equation with a plain rank: the constants are the points there are.
    int64_t size = 0;
    for (const Equation &equation : pending.equations) {
      auto value = terms.staticValue(equation.indices[i].constant);
      if (!value || *value < 0) {
        error(range,
              name + " has no equation with a plain rank at index " + Twine(i));
        return false;
      }
      size = std::max(size, *value + 1);
    }
    Rank *fresh = model.addRank((name + "." + Twine(i)).str(), range);
    fresh->extent = terms.integer(size);
    rank = fresh;
  }
  pending.view.own = own;
  return true;
}

//===----------------------------------------------------------------------===//
// Bodies
//===----------------------------------------------------------------------===//

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
  for (auto &[name, equations] : groups) {
    Pending pending{nullptr, scope, {}, std::move(equations)};
    SourceRange range = at(pending.equations.front().lhs->tensor.range, scope);
    if (const Entity *known = scope->find(name);
        known && known->kind == Entity::Kind::View) {
      error(range, name + " is an input and has an equation");
      continue;
    }
    bool good = true;
    for (Equation &equation : pending.equations)
      good &= readLeftSide(equation, scope);
    good = good && ownRanks(pending, name);
    pending.view.lead = ambientOf(uses, name, scope, around);
    llvm::erase_if(pending.view.lead, [&](const Rank *rank) {
      return llvm::is_contained(pending.view.own, rank);
    });
    RankList ranks = pending.view.lead;
    ranks.append(pending.view.own);
    std::string full =
        scope->owner.empty() ? name.str() : scope->owner + "." + name.str();
    Tensor *tensor = model.addTensor(full, ranks, range);
    tensor->helper = scope != top;
    tensor->poisoned = !good;
    pending.tensor = pending.view.tensor = tensor;
    for (const Equation &equation : pending.equations) {
      if (!equation.type)
        continue;
      if (tensor->declared && *tensor->declared != equation.type->type)
        error(at(equation.type->range, scope),
              name + " is declared " + spelling(*tensor->declared) + " and " +
                  spelling(equation.type->type));
      tensor->declared = equation.type->type;
    }
    if (scope->outputTypes.count(name)) {
      ScalarType type = scope->outputTypes[name];
      if (tensor->declared && *tensor->declared != type)
        error(range, "output " + name + " is declared " + spelling(type) +
                         " and " + spelling(*tensor->declared));
      tensor->declared = type;
    }
    Entity entity;
    entity.kind = Entity::Kind::View;
    entity.view = pending.view;
    entity.range = range;
    if (!declare(scope, name, entity) || !good)
      continue;
    for (const Equation &equation : pending.equations) {
      std::vector<T> constants;
      for (const LeftIndex &index : equation.indices)
        constants.push_back(index.constant);
      basePoints[tensor].push_back(constants);
    }
    checkPatterns(pending);
    pendings.push_back(std::move(pending));
  }
}

//===----------------------------------------------------------------------===//
// Several equations
//===----------------------------------------------------------------------===//

void Sema::checkPatterns(const Pending &pending) {
  ArrayRef<Equation> equations = pending.equations;
  StringRef name = equations.front().lhs->tensor.name;
  for (size_t i = 0; i < equations.size(); ++i)
    for (size_t j = 0; j < i; ++j) {
      // Both match a point unless two constants differ, and neither wins
      // unless its constants contain the other's.
      bool disjoint = false, iMore = false, jMore = false;
      std::string point;
      llvm::SmallVector<T> meet;
      for (auto [a, b, rank] : llvm::zip(
               equations[i].indices, equations[j].indices, pending.view.own)) {
        auto difference = a.constant && b.constant
                              ? constantDifference(a.constant, b.constant)
                              : std::optional<int64_t>(0);
        disjoint |= difference != 0;
        iMore |= a.constant && !b.constant;
        jMore |= b.constant && !a.constant;
        T constant = a.constant ? a.constant : b.constant;
        meet.push_back(constant);
        if (!constant)
          continue;
        // A plain rank starts at 0: it never meets a negative step.
        if (!a.constant || !b.constant)
          disjoint |=
              constantDifference(constant, terms.integer(0)).value_or(0) < 0;
        const Expr &index =
            *equations[a.constant ? i : j].lhs->indices[meet.size() - 1];
        point += (point.empty() ? "" : ", ") + rank->name + " = " +
                 source(index.range()).str();
      }
      if (disjoint || iMore != jMore)
        continue;
      bool settled = llvm::any_of(equations, [&](const Equation &e) {
        return iMore && llvm::equal(e.indices, meet,
                                    [](const LeftIndex &index, T constant) {
                                      return index.constant == constant;
                                    });
      });
      if (settled)
        continue;
      if (point.empty())
        for (const Rank *rank : pending.view.own)
          point += (point.empty() ? "" : ", ") + rank->name + " = 0";
      error(at(equations[i].lhs->range, pending.scope),
            "two equations define " + name +
                (point.empty() ? "" : " at " + point),
            "left sides may differ in constants only");
    }
}

T Sema::evalEquation(const Pending &pending, const Equation &equation) {
  RankList space = pending.view.lead;
  for (const LeftIndex &index : equation.indices)
    if (index.rank)
      space.push_back(index.rank);
  const Env *env = plainEnv(space);
  Scope *scope = pending.scope;
  SourceRange range = at(equation.lhs->range, scope);
  checkSpace(env, range);
  Context ctx{env, scope};
  T term = nullptr;
  const DeclTable *home = nullptr;
  auto *call = llvm::dyn_cast<CallExpr>(equation.rhs);
  bool isTuple = llvm::isa<TupleEquationStmt>(equation.stmt);
  const Decl *decl = call && !isBuiltin(call->callee.name)
                         ? scope->decls->find(call->callee.name, &home)
                         : nullptr;
  if (auto *callee = llvm::dyn_cast_or_null<CascadeDecl>(decl)) {
    Inlined *body = inlineCall(*callee, home, *call, pending, equation.stmt);
    if (!body || equation.index >= body->outputs.size())
      return nullptr;
    const View &view = body->outputs[equation.index];
    llvm::SmallVector<T> own;
    for (const LeftIndex &index :
         llvm::ArrayRef(equation.indices).take_back(view.own.size()))
      own.push_back(index.rank ? terms.coord(index.rank) : index.constant);
    term = read(view, own, {}, false, ctx, at(call->range(), scope));
  } else if (isTuple) {
    auto &tuple = llvm::cast<TupleEquationStmt>(*equation.stmt);
    auto *monoid = llvm::dyn_cast_or_null<MonoidDecl>(decl);
    if (!monoid || monoid->states.size() != tuple.lhs.size()) {
      error(range,
            "the right side has not " + Twine(tuple.lhs.size()) + " components",
            "a tuple comes from a monoid or from a cascade call");
      return nullptr;
    }
    auto reads = evalMonoidTuple(*monoid, home, *call, ctx);
    term = reads.empty() ? nullptr : reads[equation.index];
  } else {
    term = eval(*equation.rhs, ctx);
  }
  if (!term)
    return nullptr;
  checkOnlyReduced(pending, equation, term);
  if (T present = ragged(env, [](const RankRelation &, T) { return true; }))
    term = terms.where(term, present, range);
  return term;
}

void Sema::define(Pending &pending) {
  Tensor *tensor = pending.tensor;
  current = tensor->name;
  ArrayRef<Equation> equations = pending.equations;
  auto isPlain = [](const Equation &equation) {
    return llvm::all_of(equation.indices,
                        [](const LeftIndex &index) { return index.rank; });
  };
  auto rangeOf = [&](const Equation &equation) {
    return at(equation.lhs->range, pending.scope);
  };
  auto mapTo = [&](Tensor *result, T term, const Equation &equation) {
    Definition *definition =
        model.define(Definition::Kind::Map, result, rangeOf(equation));
    definition->terms = {term};
    definition->valueRange = at(equation.rhs->range(), pending.scope);
  };
  if (equations.size() == 1 && isPlain(equations.front())) {
    T term = evalEquation(pending, equations.front());
    tensor->poisoned = !term;
    if (term)
      mapTo(tensor, term, equations.front());
    return;
  }
  Definition *whole =
      model.define(Definition::Kind::Equations, tensor, tensor->range);
  for (const Equation &equation : equations) {
    RankList ranks = pending.view.lead;
    llvm::SmallVector<T> pattern(ranks.size(), nullptr);
    for (const LeftIndex &index : equation.indices) {
      if (index.rank)
        ranks.push_back(index.rank);
      pattern.push_back(index.constant);
    }
    T term = evalEquation(pending, equation);
    if (!term) {
      tensor->poisoned = true;
      continue;
    }
    Tensor *operand =
        model.addTensor(tensor->name + (isPlain(equation) ? ".step" : ".base"),
                        ranks, rangeOf(equation));
    operand->helper = true;
    operand->declared = tensor->declared;
    mapTo(operand, term, equation);
    whole->operands.push_back(operand);
    whole->patterns.push_back(pattern);
  }
}

//===----------------------------------------------------------------------===//
// Checks on right sides
//===----------------------------------------------------------------------===//

/// Ranks that reductions below `term` bind, through tensors that the front end
/// made for them.
static void collectReduced(T term, llvm::SmallPtrSetImpl<const void *> &seen,
                           llvm::SmallPtrSetImpl<const Rank *> &reduced) {
  if (!seen.insert(term).second)
    return;
  for (T operand : term->operands())
    collectReduced(operand, seen, reduced);
  if (!term->is(Term::Kind::Read))
    return;
  Definition *definition = term->tensor()->definition;
  if (!term->tensor()->helper || !definition ||
      (definition->kind != Definition::Kind::Reduce &&
       definition->kind != Definition::Kind::Monoid))
    return;
  reduced.insert(definition->reduced.begin(), definition->reduced.end());
  for (T inner : definition->terms)
    collectReduced(inner, seen, reduced);
}

void Sema::checkOnlyReduced(const Pending &pending, const Equation &equation,
                            T term) {
  if (!pending.scope->site.empty())
    return;
  llvm::SmallPtrSet<const void *, 16> seen;
  llvm::SmallPtrSet<const Rank *, 8> reduced;
  collectReduced(term, seen, reduced);
  for (const LeftIndex &index : equation.indices)
    if (index.rank && reduced.contains(index.rank) && !term->uses(index.rank))
      error(equation.lhs->range,
            "output rank " + Twine(index.rank->name) + " of " +
                equation.lhs->tensor.name + " is only reduced on the right",
            "drop it from the left, or rename the reduced rank");
}

/// Whether `index` is outside [0, |rank|) wherever it is evaluated, by the
/// bounds of coordinates alone.
static bool alwaysOutside(T index, const Rank *rank, Terms &terms) {
  // Nowhere is everywhere: an empty space asks for no index.
  bool empty = llvm::any_of(index->ranks(), [&](const Rank *r) {
    return terms.staticExtent(r) == 0;
  });
  if (empty || index->readsData())
    return false;
  // Beyond the end: index - |rank| is a sum of non-negative parts.
  Linear beyond = linearOf(terms.sub(index, terms.extent(rank)));
  bool grows = llvm::all_of(beyond.parts, [](auto &part) {
    return part.second > 0 && (part.first->is(Term::Kind::Coord) ||
                               part.first->is(Term::Kind::Extent));
  });
  if (grows && beyond.constant >= 0)
    return true;
  // Before the start: every coordinate is at most its extent - 1.
  T largest = index;
  Linear linear = linearOf(index);
  for (auto &[symbol, factor] : linear.parts)
    if (symbol->is(Term::Kind::Coord) && factor > 0)
      largest = terms.add(
          largest, terms.mul(terms.integer(factor),
                             terms.sub(terms.sub(terms.extent(symbol->rank()),
                                                 terms.integer(1)),
                                       symbol)));
  Linear bound = linearOf(largest);
  bool shrinks = llvm::all_of(bound.parts, [](auto &part) {
    return part.second < 0 && (part.first->is(Term::Kind::Coord) ||
                               part.first->is(Term::Kind::Extent));
  });
  return shrinks && bound.constant < 0;
}

void Sema::checkOutside() {
  for (const AccessRecord &access : accesses) {
    for (auto [i, index] : llvm::enumerate(access.indices)) {
      const Rank *rank = access.tensor->ranks[access.lead + i];
      if (!alwaysOutside(index, rank, terms))
        continue;
      auto points = basePoints.find(access.tensor);
      bool isBase =
          points != basePoints.end() &&
          llvm::any_of(points->second, [&](const std::vector<T> &constants) {
            return constants[i] &&
                   (constantDifference(index, constants[i]) == 0 ||
                    !index->ranks().empty());
          });
      if (isBase)
        continue;
      error(access.range,
            source(access.text) + " is outside rank " + rank->name +
                " at every point",
            "the last index is `|" + Twine(rank->name) + "|-1`");
      break;
    }
  }
}
