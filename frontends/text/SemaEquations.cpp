//===- SemaEquations.cpp - values of equations ----------------------------===//
//
// Evaluates right sides over the space that their left sides span, and defines
// the tensor by the values.
//
//===----------------------------------------------------------------------===//

#include "frontends/text/Sema.h"

using namespace attn;
using namespace attn::text;
using llvm::ArrayRef;
using llvm::Twine;

/// The output of a cascade call that the left side names, at its indices.
T Sema::evalCascade(const CascadeDecl &callee, const DeclTable *home,
                    const CallExpr &call, const Pending &pending,
                    const Equation &equation, const Context &ctx) {
  Inlined *body = inlineCall(callee, home, call, pending, equation.stmt);
  if (!body || equation.index >= body->outputs.size())
    return nullptr;
  const View &view = body->outputs[equation.index];
  llvm::SmallVector<T> own;
  for (const LeftIndex &index :
       llvm::ArrayRef(equation.indices).take_back(view.own.size()))
    own.push_back(index.rank ? terms.coord(index.rank) : index.constant);
  return read(view, own, {}, false, ctx, at(call.range(), ctx.scope));
}

/// A component of a tuple.
T Sema::evalComponent(const Decl *decl, const DeclTable *home,
                      const Equation &equation, const Context &ctx) {
  auto &tuple = llvm::cast<TupleEquationStmt>(*equation.stmt);
  auto *monoid = llvm::dyn_cast_or_null<MonoidDecl>(decl);
  if (!monoid || monoid->states.size() != tuple.lhs.size()) {
    error(at(equation.lhs->range, ctx.scope),
          "the right side has not " + Twine(tuple.lhs.size()) + " components",
          "a tuple comes from a monoid or from a cascade call");
    return nullptr;
  }
  auto reads =
      evalMonoidTuple(*monoid, home, llvm::cast<CallExpr>(*equation.rhs), ctx);
  return reads.empty() ? nullptr : reads[equation.index];
}

T Sema::evalRightSide(const Pending &pending, const Equation &equation,
                      const Context &ctx) {
  auto *call = llvm::dyn_cast<CallExpr>(equation.rhs);
  const DeclTable *home = nullptr;
  const Decl *decl = call && !isBuiltin(call->callee.name)
                         ? ctx.scope->decls->find(call->callee.name, &home)
                         : nullptr;
  if (auto *callee = llvm::dyn_cast_or_null<CascadeDecl>(decl))
    return evalCascade(*callee, home, *call, pending, equation, ctx);
  if (llvm::isa<TupleEquationStmt>(equation.stmt))
    return evalComponent(decl, home, equation, ctx);
  return eval(*equation.rhs, ctx);
}

T Sema::evalEquation(const Pending &pending, const Equation &equation) {
  RankList space = pending.view.lead;
  for (const LeftIndex &index : equation.indices)
    if (index.rank)
      space.push_back(index.rank);
  const Env *env = plainEnv(space);
  SourceRange range = at(equation.lhs->range, pending.scope);
  checkSpace(env, range);
  T term = evalRightSide(pending, equation, {env, pending.scope});
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
