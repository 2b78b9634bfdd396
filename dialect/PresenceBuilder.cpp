//===- PresenceBuilder.cpp - where values are present -----------*- C++ -*-===//
#include "dialect/PresenceBuilder.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace attn;
using Formula = PresenceFormulas::Formula;
using Kind = PresenceFormula::Kind;
using Mode = PresenceNode::Mode;

bool PresenceBuilder::involvesErased(Value value) {
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

Formula PresenceBuilder::atom(Value value, bool wanted) {
  if (involvesErased(value))
    return formulas.constant(true);
  PresenceFormula formula(Kind::Condition);
  formula.value = value;
  formula.negated = !wanted;
  return formulas.make(std::move(formula));
}

Formula PresenceBuilder::inExtent(ReadOp read, unsigned position) {
  Value index = read.getIndices()[position];
  StringAttr rank = read.getTensor().getType().getRanks()[position];
  if (involvesErased(index))
    return formulas.constant(true);
  if (!space)
    space.emplace(analysis.getCascade());
  if (space->isInside(read, position))
    return formulas.constant(true);
  PresenceFormula formula(Kind::InExtent);
  formula.terms.push_back({index});
  formula.rank = rank;
  return formulas.make(std::move(formula));
}

/// Integer division by 0 is absent. An extent that divides is that of a part
/// of a product: where it is 0 the whole is empty.
Formula PresenceBuilder::divisor(Operation *op) {
  auto map = dyn_cast<MapOp>(op);
  if (!map || (map.getFn() != Fn::floordiv && map.getFn() != Fn::mod))
    return formulas.constant(true);
  Value by = map.getOperand(1);
  if (by.getDefiningOp<ExtentOp>() || involvesErased(by))
    return formulas.constant(true);
  if (auto constant = by.getDefiningOp<arith::ConstantOp>())
    return formulas.constant(
        !cast<IntegerAttr>(constant.getValue()).getValue().isZero());
  PresenceFormula formula(Kind::NonZero);
  formula.value = by;
  return formulas.make(std::move(formula));
}

/// Every index of a read that may leave is inside; base points count unless
/// the indices are data.
Formula PresenceBuilder::domain(ReadOp read) {
  SmallVector<Formula> box;
  for (unsigned i = 0; i < read.getIndices().size(); ++i)
    box.push_back(inExtent(read, i));
  Formula result = formulas.join(Kind::And, box);
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
        points.push_back(formulas.make(std::move(formula)));
      }
    }
    if (isBase)
      pieces.push_back(formulas.join(Kind::And, points));
  }
  return formulas.join(Kind::Or, pieces);
}

/// An access of a tensor: its indices are present and inside, and the element
/// is as `mode` says, if at all.
Formula PresenceBuilder::access(ReadOp read, std::optional<Mode> mode) {
  SmallVector<Formula> parts;
  for (Value index : read.getIndices())
    parts.push_back(present(index));
  if (read.getBounds() != Bounds::inside)
    parts.push_back(domain(read));
  if (mode) {
    SmallVector<PresenceTerm> terms;
    uint64_t erased = 0;
    for (auto [i, index] : llvm::enumerate(read.getIndices())) {
      terms.push_back({index});
      if (involvesErased(index))
        erased |= uint64_t(1) << i;
    }
    parts.push_back(analysis.call(read.getTensor(), terms, erased, *mode));
  }
  return formulas.join(Kind::And, parts);
}

Formula PresenceBuilder::present(Value value) {
  Operation *op = value.getDefiningOp();
  if (!op || isa<arith::ConstantOp, ExtentOp>(op))
    return formulas.constant(true);
  if (auto it = presentOf.find(value); it != presentOf.end())
    return it->second;
  Formula result = computePresent(op);
  return presentOf[value] = result;
}

Formula PresenceBuilder::computePresent(Operation *op) {
  if (auto read = dyn_cast<ReadOp>(op))
    return access(read, Mode::Present);
  if (auto where = dyn_cast<WhereOp>(op))
    return formulas.join(Kind::And, {present(where.getValue()),
                                     truth(where.getCondition(), true)});
  if (isa<ElseOp>(op))
    return formulas.join(
        Kind::Or, {present(op->getOperand(0)), present(op->getOperand(1))});
  SmallVector<Formula> parts;
  for (Value operand : op->getOperands())
    parts.push_back(present(operand));
  parts.push_back(divisor(op));
  Formula result = formulas.join(Kind::And, parts);
  // One false (true) operand decides an `and` (`or`).
  auto map = dyn_cast<MapOp>(op);
  if (!map || (map.getFn() != Fn::and_ && map.getFn() != Fn::or_))
    return result;
  bool decides = map.getFn() == Fn::or_;
  return formulas.join(Kind::Or, {result, truth(map.getOperand(0), decides),
                                  truth(map.getOperand(1), decides)});
}

Formula PresenceBuilder::truth(Value value, bool wanted) {
  if (auto constant = value.getDefiningOp<arith::ConstantOp>())
    return formulas.constant(
        !cast<IntegerAttr>(constant.getValue()).getValue().isZero() == wanted);
  if (auto it = truthOf[wanted].find(value); it != truthOf[wanted].end())
    return it->second;
  auto unfolded = computeTruth(value, wanted);
  Formula result = unfolded ? *unfolded : atom(value, wanted);
  return truthOf[wanted][value] = result;
}

/// None: the value is an atom.
std::optional<Formula> PresenceBuilder::computeTruth(Value value, bool wanted) {
  if (auto map = value.getDefiningOp<MapOp>()) {
    if (map.getFn() == Fn::not_)
      return truth(map.getOperand(0), !wanted);
    if (map.getFn() != Fn::and_ && map.getFn() != Fn::or_)
      return std::nullopt;
    return formulas.join(
        (map.getFn() == Fn::and_) == wanted ? Kind::And : Kind::Or,
        {truth(map.getOperand(0), wanted), truth(map.getOperand(1), wanted)});
  }
  auto read = value.getDefiningOp<ReadOp>();
  if (!read)
    return std::nullopt;
  // Bool tensors are unfolded where they are maps. Of an input or a reduction
  // the value alone is an atom: that an index is present and inside, is not
  // part of it, or a name for the tensor would change the formula.
  Operation *definition = read.getTensor().getDefiningOp();
  auto einsum = dyn_cast_or_null<EinsumOp>(definition);
  if (isa_and_nonnull<EquationsOp>(definition) ||
      (einsum && !einsum.isReduction()))
    return access(read, wanted ? Mode::IsTrue : Mode::IsFalse);
  return involvesErased(value) ? std::optional(access(read, std::nullopt))
                               : std::nullopt;
}
