//===- Presence.cpp - where the points of a reduction are -------*- C++ -*-===//
#include "passes/derive/Presence.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace attn;

Value attn::isPresent(ExprBuilder &e, Value x) {
  bool isBool = x.getType().isInteger(1);
  Value left = isBool ? x : e.map(Fn::eq, {x, x});
  Value right = isBool ? e.map(Fn::not_, {x}) : e.map(Fn::ne, {x, x});
  return e.map(Fn::or_, {left, right});
}

/// `x else 0`.
static bool isClearing(Operation *def) {
  auto choice = dyn_cast<ElseOp>(def);
  return choice && matchPattern(choice.getOtherwise(), m_AnyZeroFloat());
}

static Value joined(ExprBuilder &e, Value a, Value b) {
  return a && b ? e.map(Fn::and_, {a, b}) : a ? a : b;
}

/// `inner` where the condition of `where` holds.
static Value under(ExprBuilder &e, Value inner, Value condition) {
  return e.where(inner ? inner : e.boolean(true), condition);
}

Value Presence::presence(ExprBuilder &e, EinsumOp op, Value value,
                         Coordinates &at) {
  Site site{e, at};
  return presence(site, op, value);
}

Value Presence::contributes(ExprBuilder &e, EinsumOp op, Value value,
                            Coordinates &at) {
  Site site{e, at};
  return contributes(site, op, value);
}

Value Presence::presence(Site &site, EinsumOp op, Value value) {
  if (auto it = site.present.find(value); it != site.present.end())
    return it->second;
  Value result = computePresence(site, op, value);
  return site.present[value] = result;
}

Value Presence::contributes(Site &site, EinsumOp op, Value value) {
  if (auto it = site.contributing.find(value); it != site.contributing.end())
    return it->second;
  Value result = computeContributes(site, op, value);
  return site.contributing[value] = result;
}

Value Presence::computePresence(Site &site, EinsumOp op, Value value) {
  ExprBuilder &e = site.e;
  Operation *def = value.getDefiningOp();
  if (!def || isa<NamedTensorType>(value.getType()))
    return {};
  if (auto where = dyn_cast<WhereOp>(def))
    return under(e, presence(site, op, where.getValue()),
                 rebuild(e, op, where.getCondition(), site.at));
  if (auto read = dyn_cast<ReadOp>(def)) {
    EinsumOp point = mapOf(read, op);
    if (point && !isWritten(read))
      return presence(site, point, point.getMapYield().getOperand(0));
    return isAlwaysThere(read) ? Value()
                               : isPresent(e, rebuild(e, op, value, site.at));
  }
  if (auto choice = dyn_cast<ElseOp>(def)) {
    Value second = presence(site, op, choice.getOtherwise());
    Value first = second ? presence(site, op, choice.getValue()) : Value();
    return first ? e.otherwise(first, second) : Value();
  }
  // One operand may be enough for these.
  auto map = dyn_cast<MapOp>(def);
  if (map && (map.getFn() == Fn::and_ || map.getFn() == Fn::or_))
    return isPresent(e, rebuild(e, op, value, site.at));
  Value result;
  for (Value operand : def->getOperands())
    result = joined(e, result, presence(site, op, operand));
  return result;
}

Value Presence::computeContributes(Site &site, EinsumOp op, Value value) {
  if (!mayBeCleared(op, value, site.cleared))
    return presence(site, op, value);
  ExprBuilder &e = site.e;
  Operation *def = value.getDefiningOp();
  if (isClearing(def))
    return contributes(site, op, def->getOperand(0));
  if (auto where = dyn_cast<WhereOp>(def))
    return under(e, contributes(site, op, where.getValue()),
                 rebuild(e, op, where.getCondition(), site.at));
  if (auto read = dyn_cast<ReadOp>(def)) {
    EinsumOp point = mapOf(read, op);
    return contributes(site, point, point.getMapYield().getOperand(0));
  }
  auto map = dyn_cast<MapOp>(def);
  if (!map)
    return presence(site, op, value);
  if (map.getFn() == Fn::add || map.getFn() == Fn::sub) {
    // One summand is enough, where the sum is.
    Value left = contributes(site, op, map.getOperand(0));
    Value right = contributes(site, op, map.getOperand(1));
    Value some = left && right ? e.otherwise(left, right) : Value();
    return joined(e, some, presence(site, op, value));
  }
  Value result;
  for (Value operand : map.getOperands())
    result = joined(e, result, contributes(site, op, operand));
  return result;
}

bool Presence::mayBeCleared(EinsumOp op, Value value) {
  llvm::DenseMap<Value, bool> known;
  return mayBeCleared(op, value, known);
}

bool Presence::mayBeCleared(EinsumOp op, Value value,
                            llvm::DenseMap<Value, bool> &known) {
  Operation *def = value.getDefiningOp();
  if (!def || isa<NamedTensorType>(value.getType()))
    return false;
  if (auto it = known.find(value); it != known.end())
    return it->second;
  bool result = isClearing(def);
  if (auto read = dyn_cast<ReadOp>(def)) {
    EinsumOp point = mapOf(read, op);
    result =
        point && mayBeCleared(point, point.getMapYield().getOperand(0), known);
  } else {
    for (Value operand : def->getOperands())
      result = result || mayBeCleared(op, operand, known);
  }
  return known[value] = result;
}
