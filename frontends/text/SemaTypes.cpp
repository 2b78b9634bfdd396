//===- SemaTypes.cpp - type inference -------------------------------------===//
//
// Types go up a small lattice until nothing changes: statements have no order
// and recurrences read themselves. What does not fit is left for Emit.cpp to
// report, which knows the context.
//
//===----------------------------------------------------------------------===//

#include "frontends/text/Types.h"

using namespace attn;
using namespace attn::text;

/// bool beside a number is an error elsewhere: the number wins.
static Ty join(Ty a, Ty b) { return std::max(a, b); }

Ty TypeInference::of(T term) {
  auto it = known.find(term);
  if (it != known.end())
    return it->second;
  Ty type = compute(term);
  known[term] = type;
  return type;
}

Ty TypeInference::joined(T term) {
  Ty type = Ty::None;
  for (T operand : term->operands())
    type = join(type, of(operand));
  return type;
}

Ty TypeInference::ofMap(T term) {
  Ty operands = joined(term);
  switch (info(term->fn()).typing) {
  case FnTyping::Arith: {
    bool integerPower =
        term->fn() != Fn::pow || (term->operand(1)->is(Term::Kind::Int) &&
                                  term->operand(1)->integer() >= 0);
    return isInteger(operands) && !integerPower ? Ty::F32 : operands;
  }
  case FnTyping::Real:
    return operands == Ty::F64 ? Ty::F64 : Ty::F32;
  case FnTyping::Integer:
    return operands == Ty::I64 ? Ty::I64 : Ty::I32;
  case FnTyping::Compare:
  case FnTyping::Logic:
  case FnTyping::RealToBool:
    return Ty::Bool;
  case FnTyping::RealToInt:
    return Ty::I32;
  case FnTyping::IntToReal:
    return Ty::F32;
  }
  llvm_unreachable("unknown typing");
}

Ty TypeInference::compute(T term) {
  switch (term->kind()) {
  case Term::Kind::Int:
    return llvm::isInt<32>(term->integer()) ? Ty::I32 : Ty::I64;
  case Term::Kind::Real:
    return Ty::F32;
  case Term::Kind::Bool:
    return Ty::Bool;
  case Term::Kind::State:
    return monoid ? monoid->types[term->integer() % monoid->types.size()]
                  : Ty::None;
  case Term::Kind::Coord:
  case Term::Kind::Extent:
    return Ty::I32;
  case Term::Kind::Read:
    return term->tensor()->declared ? typeOf(*term->tensor()->declared)
                                    : term->tensor()->type;
  case Term::Kind::Cast:
    return typeOf(term->storage());
  case Term::Kind::Where:
    return of(term->operand(0));
  case Term::Kind::Else:
    return joined(term);
  case Term::Kind::Map:
    return ofMap(term);
  }
  llvm_unreachable("unknown term");
}

bool attn::text::raiseStates(MonoidUse &use) {
  llvm::SmallVector<Ty> before = use.types;
  for (auto [type, identity] : llvm::zip(use.types, use.identity))
    type = join(type, TypeInference().of(identity));
  TypeInference states(&use);
  for (auto [type, term] : llvm::zip(use.types, use.combination))
    type = join(type, states.of(term));
  return use.types != before;
}

/// Raises the types of what `definition` defines.
static bool raise(Definition &definition, TypeInference &types) {
  bool changed = false;
  auto join = [&](Ty &type, Ty more) {
    if (more <= type)
      return;
    type = more;
    changed = true;
  };
  switch (definition.kind) {
  case Definition::Kind::Map:
    join(definition.results[0]->type, types.of(definition.terms[0]));
    break;
  case Definition::Kind::Reduce: {
    Reduce op = definition.reduce;
    bool counts =
        op == Reduce::count || op == Reduce::argmax || op == Reduce::argmin;
    join(definition.results[0]->type, counts ? Ty::I32
                                      : op == Reduce::any || op == Reduce::all
                                          ? Ty::Bool
                                          : types.of(definition.terms[0]));
    break;
  }
  case Definition::Kind::Monoid: {
    MonoidUse &use = *definition.monoid;
    for (auto [i, term] : llvm::enumerate(definition.terms)) {
      join(use.types[i], types.of(term));
    }
    changed |= raiseStates(use);
    for (auto [i, result] : llvm::enumerate(definition.results))
      join(result->type, use.types[i]);
    break;
  }
  case Definition::Kind::Order:
    join(definition.results[0]->type, Ty::I32);
    break;
  case Definition::Kind::Equations:
    for (Tensor *operand : definition.operands)
      join(definition.results[0]->type, operand->type);
    break;
  }
  return changed;
}

void attn::text::inferTypes(Model &model) {
  llvm::SmallVector<Definition *> all;
  for (Definition &definition : model.definitions)
    all.push_back(&definition);
  // Operands first: only recurrences need a second sweep.
  std::vector<Definition *> order = Model::inOrder(all);
  bool changed = true;
  while (changed) {
    changed = false;
    // Types of terms are remembered as long as no tensor below them changes.
    TypeInference types;
    for (Definition *definition : order)
      changed |= raise(*definition, types);
  }
  // Equations of one tensor agree.
  for (Definition &definition : model.definitions)
    if (definition.kind == Definition::Kind::Equations)
      for (Tensor *operand : definition.operands)
        operand->type = definition.results[0]->type;
}
