//===- Presence.cpp - conditions under which points exist -------*- C++ -*-===//
#include "passes/schedule/Presence.h"
#include "dialect/Functions.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace attn;

bool attn::mayBeAbsentValue(Value value, const DenseSet<Value> &absent) {
  Operation *def = value.getDefiningOp();
  if (!def)
    return absent.contains(value);
  if (isa<WhereOp>(def))
    return true;
  if (auto otherwise = dyn_cast<ElseOp>(def))
    return mayBeAbsentValue(otherwise.getOtherwise(), absent);
  if (auto read = dyn_cast<ReadOp>(def))
    return read.getBounds() != Bounds::inside || mayBeAbsent(read.getTensor());
  if (auto map = dyn_cast<MapOp>(def))
    if (map.getFn() == Fn::floordiv || map.getFn() == Fn::mod)
      if (!matchPattern(map.getOperand(1), m_Constant()) &&
          !map.getOperand(1).getDefiningOp<ExtentOp>())
        return true;
  return llvm::any_of(def->getOperands(), [&](Value operand) {
    return mayBeAbsentValue(operand, absent);
  });
}

bool attn::mayBeAbsent(Value tensor) {
  Operation *def = tensor.getDefiningOp();
  if (!def)
    return false;
  if (auto kernel = dyn_cast<KernelOp>(def))
    return mayBeAbsent(kernel.getReturn().getOperand(
        cast<OpResult>(tensor).getResultNumber()));
  auto op = dyn_cast<EinsumOp>(def);
  if (!op)
    return true;
  if (isGuarded(op))
    return true;
  if (op.isReduction())
    return !identityOf(op.builtinReduce().value_or(Reduce::first),
                       op.getMapYield().getOperand(0).getType());
  return mayBeAbsentValue(op.getMapYield().getOperand(0));
}

void PresenceConditions::conjuncts(Value condition,
                                   SmallVectorImpl<Value> &result) {
  auto map = condition.getDefiningOp<MapOp>();
  if (map && map.getFn() == Fn::and_) {
    conjuncts(map.getOperand(0), result);
    conjuncts(map.getOperand(1), result);
  } else {
    result.push_back(condition);
  }
}

std::string PresenceConditions::coordinateName(BlockArgument argument) {
  auto op = cast<EinsumOp>(argument.getOwner()->getParentOp());
  size_t i = argument.getArgNumber(), n = op.getSpace().size();
  Attribute rank = i < n ? op.getSpace()[i] : op.getReduced()[i - n];
  return cast<StringAttr>(rank).getValue().str();
}

std::string PresenceConditions::text(Value value) {
  if (auto argument = dyn_cast<BlockArgument>(value))
    if (isa<EinsumOp>(argument.getOwner()->getParentOp()))
      return coordinateName(argument);
  std::string result;
  llvm::raw_string_ostream os(result);
  Operation *def = value.getDefiningOp();
  if (!def || isa<NamedTensorType>(value.getType())) {
    // Texts are in order where they are applied: a number, no address.
    os << '%' << numbers.try_emplace(value, numbers.size()).first->second;
    return result;
  }
  os << def->getName();
  // Where they are both present, reads with other bounds agree.
  if (!isa<ReadOp>(def))
    os << def->getAttrDictionary();
  os << '(';
  for (Value operand : def->getOperands())
    os << text(operand) << ',';
  os << ')';
  return result;
}

/// Of equal conditions, one that is known to be present.
void PresenceConditions::remember(const std::string &text, Value condition) {
  auto [it, isNew] = sources.try_emplace(text, condition);
  if (!isNew && mayBeAbsentValue(it->second) && !mayBeAbsentValue(condition))
    it->second = condition;
}

const PresenceConditions::Texts &PresenceConditions::of(EinsumOp op) {
  const void *key = op.getAsOpaquePointer();
  if (auto it = cache.find(key); it != cache.end())
    return it->second;
  cache[key]; // a recurrence implies nothing more
  Texts result;
  if (!op.isReduction())
    result = of(op.getMapYield().getOperand(0));
  if (Value condition = op.guardCondition()) {
    SmallVector<Value> parts;
    conjuncts(condition, parts);
    for (Value part : parts) {
      std::string name = text(part);
      remember(name, part);
      result.insert(name);
    }
  }
  return cache[key] = result;
}

PresenceConditions::Texts PresenceConditions::of(Value value) {
  Operation *def = value.getDefiningOp();
  Texts result;
  if (!def || isa<NamedTensorType>(value.getType()))
    return result;
  if (auto read = dyn_cast<ReadOp>(def)) {
    auto op = read.getTensor().getDefiningOp<EinsumOp>();
    auto reader = cast<EinsumOp>(read->getParentOp());
    if (op && op->getParentOp() == reader->getParentOp() &&
        isPlainRead(read, reader))
      return of(op);
    return result;
  }
  if (isa<ElseOp>(def))
    return result;
  if (auto map = dyn_cast<MapOp>(def))
    if (map.getFn() == Fn::and_ || map.getFn() == Fn::or_) {
      // Kleene: one present operand is enough.
      Texts other = of(map.getOperand(1));
      for (const std::string &text : of(map.getOperand(0)))
        if (other.count(text))
          result.insert(text);
      return result;
    }
  if (auto where = dyn_cast<WhereOp>(def)) {
    result = of(where.getValue());
    SmallVector<Value> parts;
    conjuncts(where.getCondition(), parts);
    for (Value part : parts) {
      std::string name = text(part);
      remember(name, part);
      result.insert(name);
    }
    return result;
  }
  for (Value operand : def->getOperands())
    result.merge(of(operand));
  return result;
}

//===----------------------------------------------------------------------===//
// Linear conditions
//===----------------------------------------------------------------------===//

std::optional<PresenceConditions::Linear>
PresenceConditions::linearForm(Value value) {
  if (auto argument = dyn_cast<BlockArgument>(value)) {
    if (!isa<EinsumOp>(argument.getOwner()->getParentOp()))
      return Linear{.isConstant = false};
    std::string name = coordinateName(argument);
    if (name == ranks.stream.getValue())
      return Linear{.step = 1};
    if (name == ranks.tile.getValue())
      return Linear{.tile = 1};
    if (ranks.lane && name == ranks.lane.getValue())
      return Linear{.lane = 1};
    if (llvm::any_of(ranks.rows, [&](StringAttr r) { return r == name; }))
      return Linear{.isConstant = false};
    return std::nullopt;
  }
  IntegerAttr constant;
  if (matchPattern(value, m_Constant(&constant)))
    return Linear{.constant = constant.getInt()};
  Operation *def = value.getDefiningOp();
  if (isa<ExtentOp>(def))
    return Linear{.isConstant = false};
  SmallVector<Linear> operands;
  bool isTensorFree = true;
  for (Value operand : def->getOperands()) {
    if (isa<NamedTensorType>(operand.getType())) {
      // What this kernel computes is not known before its loop.
      isTensorFree &=
          !operand.getDefiningOp() || operand.getDefiningOp()->getParentOp() !=
                                          def->getParentOp()->getParentOp();
      continue;
    }
    auto linear = linearForm(operand);
    if (!linear)
      return std::nullopt;
    operands.push_back(*linear);
  }
  bool isUniform = isTensorFree && llvm::all_of(operands, [](Linear &l) {
                     return !l.step && !l.tile && !l.lane;
                   });
  auto map = dyn_cast<MapOp>(def);
  if (map && (map.getFn() == Fn::add || map.getFn() == Fn::sub)) {
    int64_t sign = map.getFn() == Fn::add ? 1 : -1;
    Linear a = operands[0], c = operands[1];
    return Linear{a.step + sign * c.step, a.tile + sign * c.tile,
                  a.lane + sign * c.lane, a.constant + sign * c.constant,
                  a.isConstant && c.isConstant};
  }
  if (map && map.getFn() == Fn::mul) {
    for (auto [a, c] : {std::pair(operands[0], operands[1]),
                        std::pair(operands[1], operands[0])})
      if (c.isConstant && !c.step && !c.tile && !c.lane)
        return Linear{a.step * c.constant, a.tile * c.constant,
                      a.lane * c.constant, a.constant * c.constant,
                      a.isConstant};
  }
  if (map && map.getFn() == Fn::neg)
    return Linear{-operands[0].step, -operands[0].tile, -operands[0].lane,
                  -operands[0].constant, operands[0].isConstant};
  // Absent run-time values have no place in a bound.
  if (isUniform && !mayBeAbsentValue(value))
    return Linear{.isConstant = false};
  return std::nullopt;
}

SmallVector<LinearClause> PresenceConditions::linear(Value condition) {
  auto map = condition.getDefiningOp<MapOp>();
  if (map && map.getFn() == Fn::or_) {
    LinearClause any;
    for (Value operand : map.getOperands()) {
      SmallVector<LinearClause> all = linear(operand);
      if (all.size() != 1)
        return {};
      llvm::append_range(any, all.front());
    }
    auto isOneWay = [&](const LinearCondition &c) {
      return c.stream && (c.stream < 0) == (any.front().stream < 0);
    };
    if (!llvm::all_of(any, isOneWay))
      return {};
    return {any};
  }
  if (!map || map.getNumOperands() != 2 ||
      !map.getOperand(0).getType().isInteger(32))
    return {};
  // {left <= right as right - left >= 0, both directions for ==}
  struct Row {
    Fn fn;
    bool forward, backward, strict;
  };
  constexpr Row rows[] = {{Fn::le, true, false, false},
                          {Fn::lt, true, false, true},
                          {Fn::ge, false, true, false},
                          {Fn::gt, false, true, true},
                          {Fn::eq, true, true, false}};
  const Row *row =
      llvm::find_if(rows, [&](const Row &r) { return r.fn == map.getFn(); });
  if (row == std::end(rows))
    return {};
  SmallVector<LinearClause> result;
  auto require = [&](Value left, Value right, bool mirrored) {
    auto x = linearForm(left), y = linearForm(right);
    if (!x || !y)
      return false;
    int64_t sign = mirrored ? 1 : -1;
    int64_t step = y->step + sign * x->step, tile = y->tile + sign * x->tile;
    // n = n1 * |n0| + n0 enters whole or not at all.
    if (step != tile * ranks.tileSize)
      return false;
    result.push_back({LinearCondition{left, right, mirrored, row->strict, tile,
                                      y->lane + sign * x->lane}});
    return true;
  };
  // |x| <= y is x <= y and -x <= y.
  auto requireAtMost = [&](Value left, Value right) {
    auto distance = left.getDefiningOp<MapOp>();
    if (!distance || distance.getFn() != Fn::abs)
      return require(left, right, /*mirrored=*/false);
    Value inner = distance.getOperand(0);
    return require(inner, right, false) && require(inner, right, true);
  };
  Value x = map.getOperand(0), y = map.getOperand(1);
  if ((row->forward && !requireAtMost(x, y)) ||
      (row->backward && !requireAtMost(y, x)))
    return {};
  return result;
}
