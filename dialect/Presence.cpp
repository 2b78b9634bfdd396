//===- Presence.cpp - presence formulas of tensors --------------*- C++ -*-===//
#include "dialect/Presence.h"
#include "dialect/PresenceBuilder.h"

using namespace mlir;
using namespace attn;
using Formula = PresenceFormulas::Formula;
using Kind = PresenceFormula::Kind;
using Mode = PresenceNode::Mode;

bool attn::isSelection(Operation *definition) {
  if (isa_and_nonnull<OrderOp>(definition))
    return true;
  auto einsum = dyn_cast_or_null<EinsumOp>(definition);
  auto kind = einsum ? einsum.builtinReduce() : std::nullopt;
  return kind && (*kind == Reduce::argmax || *kind == Reduce::argmin ||
                  *kind == Reduce::first || *kind == Reduce::last);
}

//===----------------------------------------------------------------------===//
// Definitions
//===----------------------------------------------------------------------===//

Formula PresenceAnalysis::call(Value tensor, ArrayRef<PresenceTerm> terms,
                               uint64_t erased, Mode mode) {
  Operation *definition = tensor.getDefiningOp();
  if (!definition || !isa<EinsumOp, EquationsOp, OrderOp>(definition))
    return formulas.constant(true);
  PresenceFormula formula(Kind::Call);
  formula.terms.assign(terms.begin(), terms.end());
  if (isSelection(definition)) {
    if (erased)
      return formulas.constant(true);
    formula.kind = Kind::Defined;
    formula.value = tensor;
  } else {
    formula.node = node(definition, erased, mode);
  }
  return formulas.make(std::move(formula));
}

/// Does pattern `a` win over `b` where both match?
static bool isMoreSpecific(ArrayAttr a, ArrayAttr b) {
  auto constants = [](ArrayAttr p) {
    return llvm::count_if(p, [](Attribute i) { return isa<ExtentAttr>(i); });
  };
  return constants(a) > constants(b);
}

/// The constant indices of a pattern: that a point has each, or that it has
/// another there.
SmallVector<Formula>
PresenceAnalysis::indicesOf(ArrayAttr pattern, uint64_t erased, bool negated) {
  SmallVector<Formula> result;
  for (auto [i, index] : llvm::enumerate(pattern)) {
    auto constant = dyn_cast<ExtentAttr>(index);
    if (!constant)
      continue;
    if (erased >> i & 1) {
      result.push_back(formulas.constant(true));
      continue;
    }
    PresenceFormula formula(Kind::Equal);
    formula.terms.push_back({Value(), unsigned(i)});
    formula.constant = constant;
    formula.negated = negated;
    result.push_back(formulas.make(std::move(formula)));
  }
  return result;
}

/// Some equation matches, no more specific one does, and its operand is
/// present.
Formula PresenceAnalysis::bodyOf(EquationsOp op, const PresenceNode &node) {
  SmallVector<Formula> pieces;
  for (auto [equation, attribute] :
       llvm::zip(op.getEquations(), op.getPatterns())) {
    auto pattern = cast<ArrayAttr>(attribute);
    SmallVector<Formula> parts =
        indicesOf(pattern, node.erased, /*negated=*/false);
    for (auto other : op.getPatterns().getAsRange<ArrayAttr>())
      if (isMoreSpecific(other, pattern))
        parts.push_back(formulas.join(
            Kind::Or, indicesOf(other, node.erased, /*negated=*/true)));
    SmallVector<PresenceTerm> terms;
    uint64_t erased = 0; // of the equation's own ranks
    for (auto [i, index] : llvm::enumerate(pattern)) {
      if (isa<ExtentAttr>(index))
        continue;
      erased |= (node.erased >> i & 1) << terms.size();
      terms.push_back({Value(), unsigned(i)});
    }
    parts.push_back(call(equation, terms, erased, node.mode));
    pieces.push_back(formulas.join(Kind::And, parts));
  }
  return formulas.join(Kind::Or, pieces);
}

/// The guard holds; of a map, and where no guard says it, the values are
/// present. A reduced rank plays no part.
Formula PresenceAnalysis::bodyOf(EinsumOp op, const PresenceNode &node) {
  SmallVector<Formula> parts;
  auto builderOf = [&](Region &region) {
    auto builder = std::make_unique<PresenceBuilder>(*this);
    for (auto [i, argument] : llvm::enumerate(region.getArguments()))
      if (i >= op.getSpace().size() || (node.erased >> i & 1))
        builder->erase(argument);
    return builder;
  };
  if (Value condition = op.guardCondition())
    parts.push_back(builderOf(op.getGuard())->truth(condition, true));
  if (op.getGuard().empty() || !op.isReduction()) {
    auto builder = builderOf(op.getMap());
    for (Value value : op.getMapYield().getOperands())
      parts.push_back(node.mode == Mode::Present
                          ? builder->present(value)
                          : builder->truth(value, node.mode == Mode::IsTrue));
  }
  return formulas.join(Kind::And, parts);
}

PresenceNode *PresenceAnalysis::node(Operation *definition, uint64_t erased,
                                     Mode mode) {
  auto &slot = nodes[{definition, erased, int(mode)}];
  if (slot)
    return slot.get();
  slot = std::make_unique<PresenceNode>();
  PresenceNode *result = slot.get();
  result->definition = definition;
  result->erased = erased;
  result->mode = mode;
  pending.push_back(result);
  return result;
}

//===----------------------------------------------------------------------===//
// The greatest solution
//===----------------------------------------------------------------------===//

/// Is a formula true under the present assumptions about nodes?
static bool holds(const PresenceFormula *formula) {
  switch (formula->kind) {
  case Kind::True:
    return true;
  case Kind::And:
    return llvm::all_of(formula->operands, holds);
  case Kind::Or:
    return llvm::any_of(formula->operands, holds);
  case Kind::Call:
    return formula->node->isTrue;
  default:
    return false;
  }
}

/// Where an equation with plain ranks alone covers the domain, it does not
/// matter which equation matches if all are present.
static bool everyEquationHolds(const PresenceNode &node) {
  auto op = dyn_cast<EquationsOp>(node.definition);
  if (!op || llvm::none_of(op.getPatterns(), [](Attribute pattern) {
        return llvm::all_of(cast<ArrayAttr>(pattern),
                            [](Attribute i) { return isa<StringAttr>(i); });
      }))
    return false;
  std::function<bool(const PresenceFormula *)> callsHold =
      [&](const PresenceFormula *f) {
        if (f->kind == Kind::Call)
          return f->node->isTrue;
        if (f->kind == Kind::Defined || f->kind == Kind::Condition)
          return false;
        return llvm::all_of(f->operands, callsHold);
      };
  return callsHold(node.body);
}

void PresenceAnalysis::solve() {
  if (pending.empty())
    return;
  while (!pending.empty()) {
    PresenceNode *next = pending.pop_back_val();
    auto equations = dyn_cast<EquationsOp>(next->definition);
    next->body = equations ? bodyOf(equations, *next)
                           : bodyOf(cast<EinsumOp>(next->definition), *next);
  }
  // Greatest solution: all true, until no node is refuted.
  for (auto &entry : nodes)
    entry.second->isTrue = true;
  for (bool changed = true; changed;) {
    changed = false;
    for (auto &[key, node] : nodes)
      if (node->isTrue && !holds(node->body) && !everyEquationHolds(*node)) {
        node->isTrue = false;
        changed = true;
      }
  }
}

const PresenceNode *PresenceAnalysis::get(Operation *definition,
                                          uint64_t erased, Mode mode) {
  const PresenceNode *result = node(definition, erased, mode);
  solve();
  return result;
}

bool PresenceAnalysis::isTotal(Value tensor) {
  Operation *definition = tensor.getDefiningOp();
  if (!definition || !isa<EinsumOp, EquationsOp, OrderOp>(definition))
    return !definition;
  return !isSelection(definition) && get(definition)->isTrue;
}
