//===- PointConditions.cpp - what a point needs to be present ---*- C++ -*-===//
#include "passes/derive/PointConditions.h"
#include "dialect/PrintExpr.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace attn;

/// The value of a map that is read at its own coordinates; else null.
static Value namedValue(ReadOp read) {
  auto def = read.getTensor().getDefiningOp<EinsumOp>();
  if (!def || def.isReduction() || def.getNumResults() != 1 ||
      def.getRounded() || def->hasAttr("attn.scc"))
    return {};
  for (auto [index, rank] :
       llvm::zip(read.getIndices(), read.getTensor().getType().getRanks())) {
    auto argument = dyn_cast<BlockArgument>(index);
    if (!argument || coordinateName(argument) != rank.getValue())
      return {};
  }
  return def.getMapYield().getOperand(0);
}

/// The same text for the same value, in whatever region it stands, named or
/// not. Where a read is known to be inside of the tensor is no part of it: the
/// value is the same.
static std::string textOf(Value value) {
  std::string text;
  llvm::raw_string_ostream os(text);
  if (auto argument = dyn_cast<BlockArgument>(value)) {
    os << coordinateName(argument);
    return text;
  }
  Operation *op = value.getDefiningOp();
  if (auto read = dyn_cast<ReadOp>(op))
    if (Value named = namedValue(read))
      return textOf(named);
  os << op->getName() << value.getType();
  auto read = dyn_cast<ReadOp>(op);
  if (!read || read.getBounds() == Bounds::data)
    os << op->getAttrDictionary();
  os << "(";
  for (Value operand : op->getOperands()) {
    if (isa<NamedTensorType>(operand.getType()))
      os << operand.getAsOpaquePointer();
    else
      os << textOf(operand);
    os << ",";
  }
  os << ")";
  return text;
}

const PointConditions::Conditions &PointConditions::of(Value value) {
  auto it = cache.find(value.getAsOpaquePointer());
  if (it != cache.end())
    return it->second;
  Conditions result = compute(value);
  return cache[value.getAsOpaquePointer()] = std::move(result);
}

PointConditions::Conditions PointConditions::compute(Value value) {
  Operation *op = value.getDefiningOp();
  if (!op)
    return {};
  if (auto read = dyn_cast<ReadOp>(op))
    return ofRead(read);
  if (auto otherwise = dyn_cast<ElseOp>(op))
    return ofElse(otherwise);
  Conditions result;
  if (auto where = dyn_cast<WhereOp>(op)) {
    result = of(where.getValue());
    addConjuncts(where.getCondition(), result);
    return result;
  }
  auto isMap = [&](auto... fns) {
    auto map = dyn_cast<MapOp>(op);
    return map && ((map.getFn() == fns) || ...);
  };
  for (Value operand : op->getOperands())
    if (!isa<NamedTensorType>(operand.getType())) {
      const Conditions &part = of(operand);
      result.needed.insert(part.needed.begin(), part.needed.end());
      result.isExact &= part.isExact;
      result.isCleared |= part.isCleared;
    }
  // Of these one operand may be enough.
  if (isMap(Fn::and_, Fn::or_) || (result.isCleared && isMap(Fn::add, Fn::sub)))
    result.isExact = false;
  return result;
}

PointConditions::Conditions PointConditions::ofRead(ReadOp read) {
  Value tensor = read.getTensor();
  if (stream.isLate(tensor))
    return {};
  if (stream.isPoint(tensor)) {
    auto point = tensor.getDefiningOp<EinsumOp>();
    if (!point.isReduction())
      return of(point.getMapYield().getOperand(0));
    Conditions result;
    if (Value exists = point.guardCondition())
      addConjuncts(exists, result);
    return result;
  }
  if (isa<BlockArgument>(tensor) && read.getBounds() == Bounds::inside)
    return {};
  return {{textOf(read.getResult())}};
}

PointConditions::Conditions PointConditions::ofElse(ElseOp op) {
  const Conditions &first = of(op.getValue()), &second = of(op.getOtherwise());
  Conditions result;
  if (movesOnly) {
    if (matchPattern(op.getOtherwise(), m_Constant())) {
      result = first;
      result.isCleared = true;
      result.isExact &= matchPattern(op.getOtherwise(), m_AnyZeroFloat());
      return result;
    }
    auto read = op.getValue().getDefiningOp<ReadOp>();
    if (read && stream.isLate(read.getTensor())) {
      result = second;
      result.isExact = false;
      return result;
    }
  }
  std::set_intersection(first.needed.begin(), first.needed.end(),
                        second.needed.begin(), second.needed.end(),
                        std::inserter(result.needed, result.needed.end()));
  // One of the two.
  if (!first.needed.empty() && !second.needed.empty()) {
    result.needed.insert(textOf(op.getResult()));
    result.isExact = false;
  } else {
    result.isExact = first.isExact && second.isExact;
  }
  result.isCleared = first.isCleared || second.isCleared;
  return result;
}

void PointConditions::addConjuncts(Value condition, Conditions &result) {
  auto map = condition.getDefiningOp<MapOp>();
  if (map && map.getFn() == Fn::and_) {
    for (Value operand : map.getOperands())
      addConjuncts(operand, result);
    return;
  }
  if (!matchPattern(condition, m_One()))
    result.needed.insert(textOf(condition));
}

/// The value without the conditions that it is under, through maps that are
/// read at their own points.
static Value bare(Value value) {
  if (auto where = value.getDefiningOp<WhereOp>())
    return bare(where.getValue());
  auto read = value.getDefiningOp<ReadOp>();
  Value named = read ? namedValue(read) : Value();
  return named ? bare(named) : value;
}

static bool isNot(Value condition, const std::string &value, double identity) {
  auto map = condition.getDefiningOp<MapOp>();
  if (map && map.getFn() == Fn::and_)
    return llvm::any_of(map.getOperands(), [&](Value operand) {
      return isNot(operand, value, identity);
    });
  FloatAttr constant;
  return map && map.getFn() == Fn::ne &&
         matchPattern(map.getOperand(1), m_Constant(&constant)) &&
         constant.getValueAsDouble() == identity &&
         textOf(bare(map.getOperand(0))) == value;
}

bool PointConditions::excludes(Value value, double identity) {
  if (auto read = value.getDefiningOp<ReadOp>()) {
    Value named = namedValue(read);
    return named && excludes(named, identity);
  }
  auto where = value.getDefiningOp<WhereOp>();
  return where && (isNot(where.getCondition(), textOf(bare(value)), identity) ||
                   excludes(where.getValue(), identity));
}
