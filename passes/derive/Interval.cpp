//===- Interval.cpp - what values of a cascade can be -----------*- C++ -*-===//
#include "passes/derive/Interval.h"
#include "dialect/Functions.h"
#include "dialect/PrintExpr.h"
#include "mlir/IR/Matchers.h"
#include "passes/Expr.h"
#include <cmath>

using namespace mlir;
using namespace attn;

constexpr double inf = std::numeric_limits<double>::infinity();

static Interval make(double a, double b) {
  return std::isnan(a) || std::isnan(b) ? Interval{} : Interval{a, b};
}

Interval Intervals::of(Value value) {
  auto [it, isNew] = known.try_emplace(value, Interval{});
  if (!isNew)
    return it->second; // of a recurrence: anything
  return known[value] = compute(value);
}

Interval Intervals::compute(Value value) {
  Operation *def = value.getDefiningOp();
  FloatAttr real;
  IntegerAttr integer;
  if (matchPattern(value, m_Constant(&real)))
    return make(real.getValueAsDouble(), real.getValueAsDouble());
  if (matchPattern(value, m_Constant(&integer)))
    return make(integer.getInt(), integer.getInt());
  if (!def)
    return {};
  if (auto extent = dyn_cast<ExtentOp>(def)) {
    auto size = cascade.staticExtent(extent.getRankAttr());
    return size ? make(*size, *size) : make(0, inf);
  }
  if (auto where = dyn_cast<WhereOp>(def))
    return of(where.getValue());
  if (auto otherwise = dyn_cast<ElseOp>(def)) {
    Interval a = of(otherwise.getValue()), b = of(otherwise.getOtherwise());
    return {std::min(a.low, b.low), std::max(a.high, b.high)};
  }
  if (auto read = dyn_cast<ReadOp>(def)) {
    auto op = read.getTensor().getDefiningOp<EinsumOp>();
    if (!op || op.getNumResults() != 1 || op.getRounded())
      return {};
    return op.isReduction() ? ofReduction(op)
                            : of(op.getMapYield().getOperand(0));
  }
  if (auto map = dyn_cast<MapOp>(def))
    return ofMap(map);
  return {};
}

Interval Intervals::ofMap(MapOp map) {
  Interval a = of(map.getOperand(0)), b = of(map.getOperands().back());
  auto product = [](double x, double y) {
    return x == 0 || y == 0 ? 0 : x * y;
  };
  auto corners = [&](Interval x, Interval y) {
    double c[] = {product(x.low, y.low), product(x.low, y.high),
                  product(x.high, y.low), product(x.high, y.high)};
    return make(*std::min_element(c, c + 4), *std::max_element(c, c + 4));
  };
  switch (map.getFn()) {
  case Fn::add:
    return make(a.low + b.low, a.high + b.high);
  case Fn::sub:
    return make(a.low - b.high, a.high - b.low);
  case Fn::neg:
    return make(-a.high, -a.low);
  case Fn::mul:
    return map.getOperand(0) == map.getOperand(1)
               ? make(a.low > 0    ? a.low * a.low
                      : a.high < 0 ? a.high * a.high
                                   : 0,
                      std::max(a.low * a.low, a.high * a.high))
               : corners(a, b);
  case Fn::div: // what may be 0 divides to anything
    return b.low > 0 || b.high < 0 ? corners(a, make(1 / b.high, 1 / b.low))
                                   : Interval{};
  case Fn::min:
    return {std::min(a.low, b.low), std::min(a.high, b.high)};
  case Fn::max:
    return {std::max(a.low, b.low), std::max(a.high, b.high)};
  case Fn::abs:
    return {a.low > 0    ? a.low
            : a.high < 0 ? -a.high
                         : 0,
            std::max(std::fabs(a.low), std::fabs(a.high))};
  case Fn::tanh:
  case Fn::erf: {
    auto x = evaluateReal(map.getFn(), a.low, 0),
         y = evaluateReal(map.getFn(), a.high, 0);
    return x && y ? make(x->real, y->real) : Interval{-1, 1};
  }
  case Fn::sin:
  case Fn::cos:
    return {-1, 1};
  case Fn::uniform:
    return {0, 1};
  case Fn::real:
    return a;
  case Fn::exp:
  case Fn::exp2:
  case Fn::sqrt: {
    double low = map.getFn() == Fn::sqrt ? std::max(a.low, 0.0) : a.low;
    auto x = evaluateReal(map.getFn(), low, 0),
         y = evaluateReal(map.getFn(), a.high, 0);
    return x && y ? make(x->real, y->real) : Interval{};
  }
  default:
    return {};
  }
}

//===----------------------------------------------------------------------===//
// Reductions
//===----------------------------------------------------------------------===//

/// The value that a read of a map at the reader's own point stands for.
static Value through(Value value) {
  while (auto read = value.getDefiningOp<ReadOp>()) {
    auto map = read.getTensor().getDefiningOp<EinsumOp>();
    auto reader = read->getParentOfType<EinsumOp>();
    if (!map || map.isReduction() || map.getNumResults() != 1 ||
        map.getRounded() || read->getParentRegion() != &reader.getMap() ||
        !isPlainRead(read, reader))
      break;
    value = map.getMapYield().getOperand(0);
  }
  return value;
}

/// One text for equal values of regions with coordinates of the same names.
static std::string textOf(Value value) {
  value = through(value);
  std::string text;
  llvm::raw_string_ostream os(text);
  if (auto argument = dyn_cast<BlockArgument>(value)) {
    os << (isa<NamedTensorType>(value.getType()) ? tensorName(value)
                                                 : coordinateName(argument));
    return text;
  }
  Operation *op = value.getDefiningOp();
  if (isa<NamedTensorType>(value.getType())) {
    os << op;
    return text;
  }
  os << op->getName() << op->getAttrDictionary() << "(";
  for (Value operand : op->getOperands())
    os << textOf(operand) << ",";
  os << ")";
  return text;
}

/// The tensor is sum[rank](x * x), x as the text says.
static bool isSquaredLength(Value tensor, StringAttr rank, StringRef x) {
  auto op = tensor.getDefiningOp<EinsumOp>();
  if (!op || op.builtinReduce() != Reduce::sum ||
      op.getReduced() != ArrayAttr::get(op.getContext(), {rank}))
    return false;
  auto map = op.getMapYield().getOperand(0).getDefiningOp<MapOp>();
  if (!map)
    return false;
  FloatAttr power;
  bool isSquare =
      map.getFn() == Fn::mul
          ? textOf(map.getOperand(0)) == textOf(map.getOperand(1))
          : map.getFn() == Fn::pow &&
                matchPattern(map.getOperand(1), m_Constant(&power)) &&
                power.getValueAsDouble() == 2;
  return isSquare && textOf(map.getOperand(0)) == x;
}

/// An upper bound of the Euclidean length of `value` over `rank`; infinity if
/// none is known.
double Intervals::lengthOf(Value value, StringAttr rank) {
  if (auto read = value.getDefiningOp<ReadOp>()) {
    auto op = read.getTensor().getDefiningOp<EinsumOp>();
    // Under another name of the rank it is another vector.
    if (op && !op.isReduction() && op.getNumResults() == 1 &&
        !op.getRounded() && op.coordinate(rank)) {
      auto argument = dyn_cast<BlockArgument>(
          read.getIndices()[cast<BlockArgument>(op.coordinate(rank))
                                .getArgNumber()]);
      if (argument && coordinateName(argument) == rank.getValue())
        return lengthOf(op.getMapYield().getOperand(0), rank);
    }
  }
  auto map = value.getDefiningOp<MapOp>();
  if (map && map.getFn() == Fn::div) {
    // x / sqrt(sum(x x)), or x / max(sqrt(sum(x x)), c).
    SmallVector<Value> divisors{map.getOperand(1)};
    auto larger = through(divisors[0]).getDefiningOp<MapOp>();
    if (larger && larger.getFn() == Fn::max)
      divisors.assign(larger->operand_begin(), larger->operand_end());
    for (Value divisor : divisors) {
      auto root = through(divisor).getDefiningOp<MapOp>();
      auto read = root && root.getFn() == Fn::sqrt
                      ? through(root.getOperand(0)).getDefiningOp<ReadOp>()
                      : ReadOp();
      auto reader = read ? read->getParentOfType<EinsumOp>() : EinsumOp();
      if (reader && isPlainRead(read, reader) &&
          isSquaredLength(read.getTensor(), rank, textOf(map.getOperand(0))))
        return 1;
    }
  }
  if (map && map.getFn() == Fn::mul)
    for (unsigned i : {0u, 1u}) {
      Interval c = of(map.getOperand(i));
      if (c.isBounded())
        return std::max(std::fabs(c.low), std::fabs(c.high)) *
               lengthOf(map.getOperand(1 - i), rank);
    }
  Interval each = of(value);
  auto size = cascade.staticExtent(rank);
  return size && each.isBounded()
             ? std::sqrt(double(*size)) *
                   std::max(std::fabs(each.low), std::fabs(each.high))
             : inf;
}

Interval Intervals::ofReduction(EinsumOp op) {
  Value value = op.getMapYield().getOperand(0);
  auto kind = op.builtinReduce();
  if (kind == Reduce::max || kind == Reduce::min) {
    // Of nothing it is the identity.
    Interval x = of(value);
    return kind == Reduce::max ? Interval{-inf, x.high} : Interval{x.low, inf};
  }
  if (kind != Reduce::sum)
    return {};
  Interval best;
  auto meet = [&](Interval x) {
    best = {std::max(best.low, x.low), std::min(best.high, x.high)};
  };
  Interval x = of(value);
  if (x.low >= 0)
    meet({0, inf});
  double points = 1;
  for (StringAttr rank : strings(op.getReduced()))
    points *= cascade.staticExtent(rank).value_or(inf);
  if (points < inf && x.isBounded())
    meet({points * std::min(x.low, 0.0), points * std::max(x.high, 0.0)});
  auto product = value.getDefiningOp<MapOp>();
  if (op.getReduced().size() == 1 && product && product.getFn() == Fn::mul) {
    auto rank = cast<StringAttr>(op.getReduced()[0]);
    double length = lengthOf(product.getOperand(0), rank) *
                    lengthOf(product.getOperand(1), rank);
    if (length < inf)
      meet({-length, length});
  }
  return best;
}
