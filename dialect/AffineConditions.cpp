//===- AffineConditions.cpp - conditions of a region as sets ----*- C++ -*-===//
// Truth and presence of Affine.h. Every answer errs on the side the caller
// names: facts may only be lost, never invented.
#include "dialect/Affine.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace attn;
using presburger::IntegerRelation;
using presburger::PresburgerSet;
using presburger::PresburgerSpace;
using presburger::VarKind;

static PointSet unknown(Approximation side) {
  return side == Approximation::Over ? PointSet::all() : PointSet::none();
}
static Approximation opposite(Approximation side) {
  return side == Approximation::Over ? Approximation::Under
                                     : Approximation::Over;
}
static bool isOver(Approximation side) { return side == Approximation::Over; }

//===----------------------------------------------------------------------===//
// Truth
//===----------------------------------------------------------------------===//

PointSet IterationSpace::compare(MapOp op, bool value) {
  AffineForm a = formOf(op.getOperand(0)), b = formOf(op.getOperand(1));
  auto less = [](const AffineForm &x, const AffineForm &y) {
    return PointSet::nonNegative(y - x - 1);
  };
  auto atMost = [](const AffineForm &x, const AffineForm &y) {
    return PointSet::nonNegative(y - x);
  };
  switch (op.getFn()) {
  case Fn::lt:
    return value ? less(a, b) : atMost(b, a);
  case Fn::le:
    return value ? atMost(a, b) : less(b, a);
  case Fn::gt:
    return value ? less(b, a) : atMost(a, b);
  case Fn::ge:
    return value ? atMost(b, a) : less(a, b);
  default:
    break;
  }
  if (value == (op.getFn() == Fn::eq))
    return PointSet::zero(a - b);
  return less(a, b).unite(less(b, a));
}

/// `and` and `or` are Kleene: one false (true) operand decides.
PointSet IterationSpace::logic(MapOp op, Approximation side, bool value) {
  PointSet a = truth(op.getOperand(0), side, value);
  PointSet b = truth(op.getOperand(1), side, value);
  bool needsBoth = (op.getFn() == Fn::and_) == value;
  return needsBoth ? a.intersect(b, isOver(side)) : a.unite(b, isOver(side));
}

PointSet IterationSpace::elseTruth(ElseOp op, Approximation side, bool value) {
  PointSet absent =
      presence(op.getValue(), opposite(side)).complement(isOver(side));
  PointSet other = truth(op.getOtherwise(), side, value);
  return truth(op.getValue(), side, value)
      .unite(absent.intersect(other, isOver(side)), isOver(side));
}

/// The truth of a bool tensor that is a plain map, at the read's indices.
std::optional<PointSet>
IterationSpace::unfoldTruth(ReadOp read, Approximation side, bool value) {
  auto einsum = read.getTensor().getDefiningOp<EinsumOp>();
  if (!einsum || einsum.getNumResults() != 1)
    return std::nullopt;
  PointSet inside = isOver(side) ? PointSet::all() : inDomain(read);
  Scope *outer = enterDefinition(read, einsum);
  if (!outer)
    return std::nullopt;
  PointSet result = truth(einsum.getMapYield().getOperand(0), side, value);
  leave(outer, einsum);
  return result.intersect(inside, isOver(side));
}

PointSet IterationSpace::remembered(Value value, unsigned question,
                                    llvm::function_ref<PointSet()> answer) {
  auto key = std::pair(value, question);
  if (auto it = scope->sets.find(key); it != scope->sets.end())
    return it->second;
  ++depth;
  PointSet result = answer();
  if (--depth == 0) {
    scope->sets.clear();
    scope->definitions.clear();
  } else {
    scope->sets[key] = result;
  }
  return result;
}

PointSet IterationSpace::truth(Value condition, Approximation side,
                               bool value) {
  return remembered(condition, 2 * unsigned(isOver(side)) + value,
                    [&] { return computeTruth(condition, side, value); });
}

PointSet IterationSpace::presence(Value scalar, Approximation side) {
  return remembered(scalar, 4 + unsigned(isOver(side)),
                    [&] { return computePresence(scalar, side); });
}

PointSet IterationSpace::computeTruth(Value condition, Approximation side,
                                      bool value) {
  Operation *op = condition.getDefiningOp();
  if (!op)
    return unknown(side);
  if (auto constant = dyn_cast<arith::ConstantOp>(op)) {
    bool isTrue = !cast<IntegerAttr>(constant.getValue()).getValue().isZero();
    return isTrue == value ? PointSet::all() : PointSet::none();
  }
  if (auto where = dyn_cast<WhereOp>(op))
    return truth(where.getValue(), side, value)
        .intersect(truth(where.getCondition(), side), isOver(side));
  if (auto otherwise = dyn_cast<ElseOp>(op))
    return elseTruth(otherwise, side, value);
  if (auto read = dyn_cast<ReadOp>(op)) {
    if (auto result = unfoldTruth(read, side, value))
      return *result;
    return isOver(side) ? presence(condition, side) : PointSet::none();
  }
  auto map = dyn_cast<MapOp>(op);
  if (!map)
    return unknown(side);
  switch (map.getFn()) {
  case Fn::not_:
    return truth(map.getOperand(0), side, !value);
  case Fn::and_:
  case Fn::or_:
    return logic(map, side, value);
  case Fn::lt:
  case Fn::le:
  case Fn::gt:
  case Fn::ge:
  case Fn::eq:
  case Fn::ne: {
    PointSet defined =
        presence(map.getOperand(0), side)
            .intersect(presence(map.getOperand(1), side), isOver(side));
    if (map.getOperand(0).getType().isSignlessInteger(32) ||
        map.getOperand(0).getType().isSignlessInteger(64))
      return defined.intersect(compare(map, value), isOver(side));
    return isOver(side) ? defined : PointSet::none();
  }
  default:
    return unknown(side);
  }
}

//===----------------------------------------------------------------------===//
// Presence
//===----------------------------------------------------------------------===//

bool IterationSpace::tensorIsTotal(Value tensor) {
  if (isTotal)
    return isTotal(tensor);
  auto argument = dyn_cast<BlockArgument>(tensor);
  return argument && isa<CascadeOp>(argument.getOwner()->getParentOp());
}

PointSet IterationSpace::computePresence(Value scalar, Approximation side) {
  Operation *op = scalar.getDefiningOp();
  if (!op || isa<arith::ConstantOp, ExtentOp>(op))
    return PointSet::all();
  bool over = isOver(side);
  if (auto where = dyn_cast<WhereOp>(op))
    return presence(where.getValue(), side)
        .intersect(truth(where.getCondition(), side), over);
  if (isa<ElseOp>(op))
    return presence(op->getOperand(0), side)
        .unite(presence(op->getOperand(1), side), over);
  PointSet result = PointSet::all();
  if (auto map = dyn_cast<MapOp>(op)) {
    if (map.getFn() == Fn::and_ || map.getFn() == Fn::or_)
      return truth(scalar, side, true).unite(truth(scalar, side, false), over);
    if (map.getFn() == Fn::floordiv || map.getFn() == Fn::mod) {
      AffineForm divisor = formOf(map.getOperand(1));
      result = PointSet::nonNegative(divisor - 1)
                   .unite(PointSet::nonNegative(-divisor - 1), over);
    }
  }
  for (Value operand : op->getOperands())
    if (!isa<NamedTensorType>(operand.getType()))
      result = result.intersect(presence(operand, side), over);
  if (auto read = dyn_cast<ReadOp>(op)) {
    if (read.getBounds() != Bounds::inside)
      result = result.intersect(inDomain(read), over);
    if (!over && !tensorIsTotal(read.getTensor()))
      return PointSet::none();
  }
  return result;
}

//===----------------------------------------------------------------------===//
// Queries
//===----------------------------------------------------------------------===//

PointSet IterationSpace::withFacts(const PointSet &set, bool fallbackAll) {
  PointSet result = set;
  llvm::SmallBitVector done;
  for (bool changed = true; changed;) {
    changed = false;
    llvm::SmallBitVector used = result.variables();
    done.resize(std::max(done.size(), used.size()));
    for (unsigned variable : used.set_bits()) {
      if (done.test(variable))
        continue;
      done.set(variable);
      result = result.intersect(variables[variable].definition, fallbackAll);
      changed = true;
    }
  }
  return result;
}

bool IterationSpace::isEmpty(const PointSet &set) {
  if (set.isNone() || set.isAll())
    return set.isNone();
  return withFacts(set).isEmpty();
}

bool IterationSpace::implies(const PointSet &set, const PointSet &fact) {
  if (fact.isAll())
    return true;
  return isEmpty(set.intersect(fact.complement(true)));
}

PresburgerSet IterationSpace::toPresburger(const PointSet &set,
                                           ArrayRef<Value> dims,
                                           SmallVectorImpl<unsigned> &symbols,
                                           Approximation side) {
  PointSet full = withFacts(set, isOver(side));
  llvm::SmallBitVector used = full.variables();
  SmallVector<unsigned> order, locals;
  for (Value dim : dims)
    order.push_back(*formOf(dim).getVariable());
  for (unsigned variable : used.set_bits()) {
    auto kind = variables[variable].kind;
    bool isSymbol =
        kind == SpaceVariable::Extent || kind == SpaceVariable::Scalar;
    if (isSymbol && !llvm::is_contained(symbols, variable))
      symbols.push_back(variable);
    else if (!isSymbol && !llvm::is_contained(order, variable))
      locals.push_back(variable);
  }
  llvm::append_range(order, symbols);
  llvm::append_range(order, locals);
  auto space = PresburgerSpace::getSetSpace(dims.size(), symbols.size());
  PresburgerSet result = PresburgerSet::getEmpty(space);
  for (const PointSet::Conjunction &conjunction : full.getDisjuncts()) {
    IntegerRelation relation(PresburgerSpace::getSetSpace(
        dims.size(), symbols.size(), locals.size()));
    for (const Constraint &constraint : conjunction) {
      SmallVector<int64_t> row;
      for (unsigned variable : order)
        row.push_back(constraint.form.coefficient(variable));
      row.push_back(constraint.form.constant);
      if (constraint.equality)
        relation.addEquality(row);
      else
        relation.addInequality(row);
    }
    result.unionInPlace(relation);
  }
  return result;
}

PresburgerSet IterationSpace::setOf(Value condition, bool whenUnknown,
                                    ArrayRef<Value> dims,
                                    SmallVectorImpl<unsigned> &symbols) {
  auto side = whenUnknown ? Approximation::Over : Approximation::Under;
  return toPresburger(truth(condition, side), dims, symbols, side);
}
