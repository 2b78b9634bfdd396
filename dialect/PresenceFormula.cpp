//===- PresenceFormula.cpp - presence as a formula --------------*- C++ -*-===//
#include "dialect/PresenceFormula.h"

using namespace mlir;
using namespace attn;
using Kind = PresenceFormula::Kind;

PresenceFormulas::Formula PresenceFormulas::make(PresenceFormula formula) {
  formulas.push_back(std::move(formula));
  return &formulas.back();
}

PresenceFormulas::Formula PresenceFormulas::constant(bool value) {
  Formula &formula = value ? trueFormula : falseFormula;
  if (!formula)
    formula = make(PresenceFormula(value ? Kind::True : Kind::False));
  return formula;
}

PresenceFormulas::Formula PresenceFormulas::join(Kind kind,
                                                 ArrayRef<Formula> operands) {
  Kind neutral = kind == Kind::And ? Kind::True : Kind::False;
  Kind absorbing = kind == Kind::And ? Kind::False : Kind::True;
  SmallVector<Formula, 2> kept;
  for (Formula operand : operands) {
    if (operand->kind == absorbing)
      return constant(absorbing == Kind::True);
    if (operand->kind != neutral && !llvm::is_contained(kept, operand))
      kept.push_back(operand);
  }
  if (kept.empty())
    return constant(neutral == Kind::True);
  if (kept.size() == 1)
    return kept[0];
  PresenceFormula formula(kind);
  formula.operands = kept;
  return make(std::move(formula));
}
