//===- Presence.cpp - presence formulas of tensors --------------*- C++ -*-===//
#include "dialect/Presence.h"
#include "dialect/Affine.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/STLExtras.h"

using namespace mlir;
using namespace attn;
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
// Formulas
//===----------------------------------------------------------------------===//

PresenceAnalysis::Formula PresenceAnalysis::make(PresenceFormula formula) {
  formulas.push_back(std::move(formula));
  return &formulas.back();
}

PresenceAnalysis::Formula PresenceAnalysis::constant(bool value) {
  Formula &formula = value ? trueFormula : falseFormula;
  if (!formula)
    formula = make(PresenceFormula(value ? Kind::True : Kind::False));
  return formula;
}

PresenceAnalysis::Formula PresenceAnalysis::join(Kind kind,
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

//===----------------------------------------------------------------------===//
// Regions
//===----------------------------------------------------------------------===//

/// Formulas of the values of one region, some of whose coordinates are erased.
class PresenceAnalysis::Builder {
public:
  Builder(PresenceAnalysis &analysis) : analysis(analysis) {}

  void erase(Value argument) { dependent[argument] = true; }
  Formula present(Value value);
  Formula truth(Value value, bool wanted);

private:
  bool involvesErased(Value value);
  Formula presentRead(ReadOp read);
  Formula domain(ReadOp read);
  Formula divisor(Operation *op);
  Formula inExtent(ReadOp read, unsigned position);
  Formula callOf(ReadOp read, Mode mode);
  Formula atom(Value value, bool wanted);

  PresenceAnalysis &analysis;
  std::optional<IterationSpace> space;
  llvm::DenseMap<Value, bool> dependent;
  llvm::DenseMap<Value, Formula> presentOf;
  llvm::DenseMap<Value, Formula> truthOf[2];
};

bool PresenceAnalysis::Builder::involvesErased(Value value) {
  if (auto it = dependent.find(value); it != dependent.end())
    return it->second;
  bool result = false;
  if (Operation *op = value.getDefiningOp())
    for (Value operand : op->getOperands())
      result |=
          !isa<NamedTensorType>(operand.getType()) && involvesErased(operand);
  dependent[value] = result;
  return result;
}

PresenceAnalysis::Formula PresenceAnalysis::Builder::atom(Value value,
                                                          bool wanted) {
  if (involvesErased(value))
    return analysis.constant(true);
  PresenceFormula formula(Kind::Condition);
  formula.value = value;
  formula.negated = !wanted;
  return analysis.make(std::move(formula));
}

PresenceAnalysis::Formula
PresenceAnalysis::Builder::inExtent(ReadOp read, unsigned position) {
  Value index = read.getIndices()[position];
  StringAttr rank = read.getTensor().getType().getRanks()[position];
  if (involvesErased(index))
    return analysis.constant(true);
  if (!space)
    space.emplace(analysis.cascade);
  if (space->isInside(read, position))
    return analysis.constant(true);
  PresenceFormula formula(Kind::InExtent);
  formula.terms.push_back({index});
  formula.rank = rank;
  return analysis.make(std::move(formula));
}

/// Integer division by 0 is absent. An extent that divides is that of a part
/// of a product: where it is 0 the whole is empty.
PresenceAnalysis::Formula PresenceAnalysis::Builder::divisor(Operation *op) {
  auto map = dyn_cast<MapOp>(op);
  if (!map || (map.getFn() != Fn::floordiv && map.getFn() != Fn::mod))
    return analysis.constant(true);
  Value by = map.getOperand(1);
  if (by.getDefiningOp<ExtentOp>() || involvesErased(by))
    return analysis.constant(true);
  if (auto constant = by.getDefiningOp<arith::ConstantOp>())
    return analysis.constant(
        !cast<IntegerAttr>(constant.getValue()).getValue().isZero());
  PresenceFormula formula(Kind::NonZero);
  formula.value = by;
  return analysis.make(std::move(formula));
}

/// Every index of a read that may leave is inside; base points count unless
/// the indices are data.
PresenceAnalysis::Formula PresenceAnalysis::Builder::domain(ReadOp read) {
  SmallVector<Formula> box;
  for (unsigned i = 0; i < read.getIndices().size(); ++i)
    box.push_back(inExtent(read, i));
  Formula result = analysis.join(Kind::And, box);
  auto equations = read.getTensor().getDefiningOp<EquationsOp>();
  if (!equations || read.getBounds() == Bounds::data)
    return result;
  SmallVector<Formula> pieces{result};
  for (Attribute pattern : equations.getPatterns()) {
    SmallVector<Formula> points;
    bool isBase = false;
    for (auto [i, index] : llvm::enumerate(cast<ArrayAttr>(pattern))) {
      auto constant = dyn_cast<ExtentAttr>(index);
      isBase |= bool(constant);
      if (!constant) {
        points.push_back(box[i]);
      } else if (!involvesErased(read.getIndices()[i])) {
        PresenceFormula formula(Kind::Equal);
        formula.terms.push_back({read.getIndices()[i]});
        formula.constant = constant;
        points.push_back(analysis.make(std::move(formula)));
      }
    }
    if (isBase)
      pieces.push_back(analysis.join(Kind::And, points));
  }
  return analysis.join(Kind::Or, pieces);
}

PresenceAnalysis::Formula PresenceAnalysis::Builder::callOf(ReadOp read,
                                                            Mode mode) {
  SmallVector<PresenceTerm> terms;
  uint64_t erased = 0;
  for (auto [i, index] : llvm::enumerate(read.getIndices())) {
    terms.push_back({index});
    if (involvesErased(index))
      erased |= uint64_t(1) << i;
  }
  return analysis.call(read.getTensor(), terms, erased, mode);
}

PresenceAnalysis::Formula PresenceAnalysis::Builder::presentRead(ReadOp read) {
  SmallVector<Formula> parts;
  for (Value index : read.getIndices())
    parts.push_back(present(index));
  if (read.getBounds() != Bounds::inside)
    parts.push_back(domain(read));
  parts.push_back(callOf(read, Mode::Present));
  return analysis.join(Kind::And, parts);
}

PresenceAnalysis::Formula PresenceAnalysis::Builder::present(Value value) {
  Operation *op = value.getDefiningOp();
  if (!op || isa<arith::ConstantOp, ExtentOp>(op))
    return analysis.constant(true);
  if (auto it = presentOf.find(value); it != presentOf.end())
    return it->second;
  Formula result;
  if (auto read = dyn_cast<ReadOp>(op)) {
    result = presentRead(read);
  } else if (auto where = dyn_cast<WhereOp>(op)) {
    result = analysis.join(Kind::And, {present(where.getValue()),
                                       truth(where.getCondition(), true)});
  } else if (isa<ElseOp>(op)) {
    result = analysis.join(
        Kind::Or, {present(op->getOperand(0)), present(op->getOperand(1))});
  } else {
    SmallVector<Formula> parts;
    for (Value operand : op->getOperands())
      parts.push_back(present(operand));
    parts.push_back(divisor(op));
    result = analysis.join(Kind::And, parts);
    // One false (true) operand decides an `and` (`or`).
    auto map = dyn_cast<MapOp>(op);
    if (map && (map.getFn() == Fn::and_ || map.getFn() == Fn::or_)) {
      bool decides = map.getFn() == Fn::or_;
      result =
          analysis.join(Kind::Or, {result, truth(map.getOperand(0), decides),
                                   truth(map.getOperand(1), decides)});
    }
  }
  presentOf[value] = result;
  return result;
}

PresenceAnalysis::Formula PresenceAnalysis::Builder::truth(Value value,
                                                           bool wanted) {
  Operation *op = value.getDefiningOp();
  if (auto constant = dyn_cast_or_null<arith::ConstantOp>(op))
    return analysis.constant(
        !cast<IntegerAttr>(constant.getValue()).getValue().isZero() == wanted);
  if (auto it = truthOf[wanted].find(value); it != truthOf[wanted].end())
    return it->second;
  Formula result = nullptr;
  if (auto map = dyn_cast_or_null<MapOp>(op)) {
    if (map.getFn() == Fn::not_)
      result = truth(map.getOperand(0), !wanted);
    else if (map.getFn() == Fn::and_ || map.getFn() == Fn::or_)
      result = analysis.join(
          (map.getFn() == Fn::and_) == wanted ? Kind::And : Kind::Or,
          {truth(map.getOperand(0), wanted), truth(map.getOperand(1), wanted)});
  } else if (auto read = dyn_cast_or_null<ReadOp>(op)) {
    // Bool tensors are unfolded where they are maps. Of an input or a reduction
    // the value alone is an atom: that an index is present and inside, is not
    // part of it, or a name for the tensor would change the formula.
    Operation *definition = read.getTensor().getDefiningOp();
    auto einsum = dyn_cast_or_null<EinsumOp>(definition);
    bool unfolds = isa_and_nonnull<EquationsOp>(definition) ||
                   (einsum && !einsum.isReduction());
    if (unfolds || involvesErased(value)) {
      SmallVector<Formula> parts;
      for (Value index : read.getIndices())
        parts.push_back(present(index));
      if (read.getBounds() != Bounds::inside)
        parts.push_back(domain(read));
      if (unfolds)
        parts.push_back(callOf(read, wanted ? Mode::IsTrue : Mode::IsFalse));
      result = analysis.join(Kind::And, parts);
    }
  }
  if (!result)
    result = atom(value, wanted);
  truthOf[wanted][value] = result;
  return result;
}

//===----------------------------------------------------------------------===//
// Definitions
//===----------------------------------------------------------------------===//

PresenceAnalysis::Formula PresenceAnalysis::call(Value tensor,
                                                 ArrayRef<PresenceTerm> terms,
                                                 uint64_t erased, Mode mode) {
  Operation *definition = tensor.getDefiningOp();
  if (!definition || !isa<EinsumOp, EquationsOp, OrderOp>(definition))
    return constant(true);
  PresenceFormula formula(Kind::Call);
  formula.terms.assign(terms.begin(), terms.end());
  if (isSelection(definition)) {
    if (erased)
      return constant(true);
    formula.kind = Kind::Defined;
    formula.value = tensor;
  } else {
    formula.node = node(definition, erased, mode);
  }
  return make(std::move(formula));
}

/// Does pattern `a` win over `b` where both match?
static bool isMoreSpecific(ArrayAttr a, ArrayAttr b) {
  auto constants = [](ArrayAttr p) {
    return llvm::count_if(p, [](Attribute i) { return isa<ExtentAttr>(i); });
  };
  return constants(a) > constants(b);
}

PresenceAnalysis::Formula
PresenceAnalysis::buildEquations(EquationsOp op, uint64_t erased, Mode mode) {
  auto isErased = [&](unsigned i) { return erased >> i & 1; };
  auto match = [&](ArrayAttr pattern, bool negated,
                   SmallVectorImpl<Formula> &into) {
    for (auto [i, index] : llvm::enumerate(pattern)) {
      auto constant = dyn_cast<ExtentAttr>(index);
      if (!constant)
        continue;
      if (isErased(i)) {
        into.push_back(this->constant(true));
        continue;
      }
      PresenceFormula formula(Kind::Equal);
      formula.terms.push_back({Value(), unsigned(i)});
      formula.constant = constant;
      formula.negated = negated;
      into.push_back(make(std::move(formula)));
    }
  };
  SmallVector<Formula> pieces;
  for (auto [equation, attribute] :
       llvm::zip(op.getEquations(), op.getPatterns())) {
    auto pattern = cast<ArrayAttr>(attribute);
    SmallVector<Formula> parts;
    match(pattern, false, parts);
    for (Attribute other : op.getPatterns()) {
      SmallVector<Formula> differs;
      if (!isMoreSpecific(cast<ArrayAttr>(other), pattern))
        continue;
      match(cast<ArrayAttr>(other), true, differs);
      parts.push_back(join(Kind::Or, differs));
    }
    SmallVector<PresenceTerm> terms;
    uint64_t erasedOfEquation = 0;
    for (auto [i, index] : llvm::enumerate(pattern)) {
      if (isa<ExtentAttr>(index))
        continue;
      if (isErased(i))
        erasedOfEquation |= uint64_t(1) << terms.size();
      terms.push_back({Value(), unsigned(i)});
    }
    parts.push_back(call(equation, terms, erasedOfEquation, mode));
    pieces.push_back(join(Kind::And, parts));
  }
  return join(Kind::Or, pieces);
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
  bool isNew = !pending.empty();
  while (!pending.empty()) {
    PresenceNode *next = pending.pop_back_val();
    if (auto equations = dyn_cast<EquationsOp>(next->definition)) {
      next->body = buildEquations(equations, next->erased, next->mode);
      continue;
    }
    auto einsum = cast<EinsumOp>(next->definition);
    SmallVector<Formula> parts;
    auto eraseSpace = [&](Builder &builder, Region &region) {
      for (auto [i, argument] : llvm::enumerate(region.getArguments()))
        if (i >= einsum.getSpace().size() || (next->erased >> i & 1))
          builder.erase(argument);
    };
    if (!einsum.getGuard().empty()) {
      Builder builder(*this);
      eraseSpace(builder, einsum.getGuard());
      Value condition =
          cast<YieldOp>(einsum.getGuard().front().back()).getOperand(0);
      parts.push_back(builder.truth(condition, true));
    }
    if (einsum.getGuard().empty() || !einsum.isReduction()) {
      Builder builder(*this);
      eraseSpace(builder, einsum.getMap());
      for (Value value : einsum.getMapYield().getOperands())
        parts.push_back(next->mode == Mode::Present
                            ? builder.present(value)
                            : builder.truth(value, next->mode == Mode::IsTrue));
    }
    next->body = join(Kind::And, parts);
  }
  if (!isNew)
    return;
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
