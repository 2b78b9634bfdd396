//===- Evaluate.cpp - integers of a kernel on intervals ---------*- C++ -*-===//
#include "compiler/explain/Evaluate.h"
#include "mlir/IR/Matchers.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace attn;
using namespace attn::explain;

void Evaluator::bind(Value argument, Interval interval) {
  bound[argument] = interval;
  known.clear();
}

std::optional<Interval> Evaluator::of(Value value) {
  if (auto it = bound.find(value); it != bound.end())
    return it->second;
  if (auto it = known.find(value); it != known.end())
    return it->second;
  std::optional<Interval> result = compute(value);
  known[value] = result;
  return result;
}

static std::optional<Interval> pointOf(Attribute attribute) {
  auto integer = dyn_cast_if_present<IntegerAttr>(attribute);
  if (!integer)
    return std::nullopt;
  int64_t value = integer.getType().isInteger(1)
                      ? integer.getValue().getZExtValue()
                      : integer.getValue().getSExtValue();
  return Interval{value, value};
}

std::optional<Interval> Evaluator::compute(Value value) {
  Operation *op = value.getDefiningOp();
  if (!op)
    return std::nullopt;
  Attribute constant;
  if (matchPattern(value, m_Constant(&constant)))
    return pointOf(constant);
  if (auto extent = dyn_cast<ExtentOp>(op)) {
    int64_t size = extents.lookup(extent.getRankAttr());
    return Interval{size, size};
  }
  if (auto map = dyn_cast<MapOp>(op))
    return this->map(map);
  if (auto cast = dyn_cast<CastOp>(op))
    return isa<IntegerType>(cast.getOperand().getType()) ? of(cast.getOperand())
                                                         : std::nullopt;
  if (auto where = dyn_cast<WhereOp>(op))
    return of(where.getValue());
  // A run-time scalar is taken to be its default.
  if (auto read = dyn_cast<ReadOp>(op))
    if (auto port = dyn_cast<BlockArgument>(read.getTensor());
        port && port.getOwner()->getParentOp() == cascade)
      return pointOf(
          mlir::cast<PortAttr>(cascade.getInputs()[port.getArgNumber()])
              .getInit());
  return std::nullopt;
}

static Interval hull(std::initializer_list<int64_t> values) {
  return {std::min(values), std::max(values)};
}

static std::optional<Interval> quotient(Interval a, Interval b) {
  if (b.low <= 0)
    return std::nullopt;
  return hull({llvm::divideFloorSigned(a.low, b.low),
               llvm::divideFloorSigned(a.low, b.high),
               llvm::divideFloorSigned(a.high, b.low),
               llvm::divideFloorSigned(a.high, b.high)});
}

static std::optional<Interval> remainder(Interval a, Interval b) {
  if (b.low <= 0)
    return std::nullopt;
  if (b.low == b.high && llvm::divideFloorSigned(a.low, b.low) ==
                             llvm::divideFloorSigned(a.high, b.low))
    return Interval{llvm::mod(a.low, b.low), llvm::mod(a.high, b.low)};
  return Interval{0, b.high - 1};
}

static Interval truth(bool always, bool never) { return {always, !never}; }

/// `and`, `or`: one side may decide what the other one is not known to be.
static std::optional<Interval> logic(bool isAnd, std::optional<Interval> a,
                                     std::optional<Interval> b) {
  for (auto &side : {a, b})
    if (side && side->low == side->high && side->low == (isAnd ? 0 : 1))
      return side;
  if (!a || !b)
    return std::nullopt;
  return isAnd ? Interval{std::min(a->low, b->low), std::min(a->high, b->high)}
               : Interval{std::max(a->low, b->low), std::max(a->high, b->high)};
}

std::optional<Interval> Evaluator::map(MapOp op) {
  if (op.getNumOperands() == 0 || op.getNumOperands() > 2 ||
      !isa<IntegerType>(op.getOperand(0).getType()) ||
      !isa<IntegerType>(op.getType()))
    return std::nullopt;
  std::optional<Interval> first = of(op.getOperand(0)), second = first;
  if (op.getNumOperands() == 2)
    second = of(op.getOperand(1));
  Fn fn = op.getFn();
  if (fn == Fn::and_ || fn == Fn::or_)
    return logic(fn == Fn::and_, first, second);
  if (!first || !second)
    return std::nullopt;
  Interval a = *first, b = *second;
  switch (fn) {
  case Fn::add:
    return Interval{a.low + b.low, a.high + b.high};
  case Fn::sub:
    return Interval{a.low - b.high, a.high - b.low};
  case Fn::mul:
    return hull(
        {a.low * b.low, a.low * b.high, a.high * b.low, a.high * b.high});
  case Fn::floordiv:
    return quotient(a, b);
  case Fn::mod:
    return remainder(a, b);
  case Fn::neg:
    return Interval{-a.high, -a.low};
  case Fn::min:
    return Interval{std::min(a.low, b.low), std::min(a.high, b.high)};
  case Fn::max:
    return Interval{std::max(a.low, b.low), std::max(a.high, b.high)};
  case Fn::abs:
    return Interval{a.low > 0    ? a.low
                    : a.high < 0 ? -a.high
                                 : 0,
                    std::max(a.high, -a.low)};
  case Fn::lt:
    return truth(a.high < b.low, a.low >= b.high);
  case Fn::le:
    return truth(a.high <= b.low, a.low > b.high);
  case Fn::gt:
    return truth(a.low > b.high, a.high <= b.low);
  case Fn::ge:
    return truth(a.low >= b.high, a.high < b.low);
  case Fn::eq:
  case Fn::ne: {
    bool same = a.low == a.high && b.low == b.high && a.low == b.low;
    bool apart = a.high < b.low || b.high < a.low;
    return fn == Fn::eq ? truth(same, apart) : truth(apart, same);
  }
  case Fn::not_:
    return Interval{1 - a.high, 1 - a.low};
  default:
    return std::nullopt;
  }
}
