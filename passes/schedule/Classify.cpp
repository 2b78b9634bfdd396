//===- Classify.cpp - which tiles a condition leaves ------------*- C++ -*-===//
#include "passes/schedule/Classify.h"
#include "dialect/Functions.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace attn;

/// Rank of a coordinate argument of an einsum; null for other arguments.
static StringAttr rankOf(BlockArgument argument) {
  auto op = dyn_cast<EinsumOp>(argument.getOwner()->getParentOp());
  if (!op)
    return {};
  size_t i = argument.getArgNumber(), n = op.getSpace().size();
  return cast<StringAttr>(i < n ? op.getSpace()[i] : op.getReduced()[i - n]);
}

static EinsumOp einsumOf(Value value) {
  return cast<EinsumOp>(value.getParentRegion()->getParentOp());
}

Classifier::Sides Classifier::sidesOf(Value value) {
  Sides result;
  SmallVector<Value> work{value};
  while (!work.empty()) {
    Value next = work.pop_back_val();
    if (auto argument = dyn_cast<BlockArgument>(next)) {
      StringAttr rank = rankOf(argument);
      if (!rank)
        continue;
      if (rank == ranks.lane)
        result.lane = true;
      else if (rank == ranks.stream || rank == ranks.tile)
        result.stream = true;
      else
        result.unknown |= !llvm::is_contained(ranks.rows, rank);
      continue;
    }
    Operation *def = next.getDefiningOp();
    if (isa<NamedTensorType>(next.getType())) {
      result.unknown |= def && isa<KernelOp>(def->getParentOp());
      continue;
    }
    result.reads |= isa<ReadOp>(def);
    llvm::append_range(work, def->getOperands());
  }
  return result;
}

//===----------------------------------------------------------------------===//
// Values
//===----------------------------------------------------------------------===//

Value Classifier::wide(Value value) {
  Type i64 = e->b.getI64Type();
  if (value.getType() == i64)
    return value;
  IntegerAttr constant;
  if (matchPattern(value, m_Constant(&constant)))
    return e->constant(IntegerAttr::get(i64, constant.getInt()));
  return CastOp::create(e->b, e->loc, i64, value, i64);
}

/// `value` of an einsum's region, at the tile; it depends on no side of it.
Value Classifier::clone(Value value) {
  IRMapping mapping;
  EinsumOp op = einsumOf(value);
  for (Region &region : op->getRegions())
    if (!region.empty())
      for (BlockArgument argument : region.getArguments())
        if (Value place = at->lookup(rankOf(argument)))
          mapping.map(argument, place);
  return cloneExpr(e->b, value, mapping);
}

Value Classifier::summary(Value value, const Sides &sides, Reduce kind) {
  Value &made = known[{kind, conditions.text(value)}];
  if (made)
    return e->read(made, *at);
  EinsumOp op = einsumOf(value);
  Block &block = value.getParentRegion()->front();
  Dependence dependence(block);
  EinsumSpec spec;
  std::string name =
      (cast<StringAttr>(op.getNames()[0]).getValue() + ".tiles").str();
  spec.name = name;
  const TilePieces::Side &side = sides.lane ? pieces.lanes : pieces.points;
  for (int i : dependence.of(value).set_bits()) {
    StringAttr rank = rankOf(block.getArgument(i));
    if (rank != ranks.lane && rank != ranks.stream && rank != ranks.tile)
      spec.space.push_back(rank);
  }
  spec.space.push_back(side.number);
  spec.reduced.push_back(side.tile);
  spec.monoid = ReduceAttr::get(e->b.getContext(), kind);
  spec.element = value.getType();
  EinsumOp einsum = buildEinsum(
      summaries, value.getLoc(), spec,
      [&](ExprBuilder &inner, Coordinates &own) {
        auto point = [&](Value number) {
          Value start = inner.map(Fn::mul, {number, inner.integer(side.size)});
          return inner.map(Fn::add, {start, own[side.tile]});
        };
        if (sides.lane) {
          own[ranks.lane] = point(own[side.number]);
        } else if (side.number != ranks.stream) {
          Value parts = inner.integer(ranks.tileSize / side.size);
          own[ranks.stream] =
              inner.map(Fn::floordiv, {own[side.number], parts});
          own[ranks.tile] =
              point(inner.map(Fn::mod, {own[side.number], parts}));
        }
        IRMapping mapping;
        for (BlockArgument argument : block.getArguments())
          if (Value place = own.lookup(rankOf(argument)))
            mapping.map(argument, place);
        // The last tile may reach beyond the tensors: nothing is there.
        return cloneExpr(inner.b, value, mapping, [&](Operation *def) -> Value {
          auto read = dyn_cast<ReadOp>(def);
          if (!read)
            return {};
          SmallVector<Value> indices;
          for (Value index : read.getIndices())
            indices.push_back(cloneExpr(inner.b, index, mapping));
          return inner.read(read.getTensor(), indices,
                            read.getBounds() == Bounds::inside
                                ? Bounds::absent
                                : read.getBounds());
        });
      });
  made = einsum.getResult(0);
  return e->read(made, *at);
}

std::optional<Classifier::Interval> Classifier::interval(Value value) {
  if (!isa<IntegerType>(value.getType()) || value.getType().isInteger(1))
    return std::nullopt;
  Sides sides = sidesOf(value);
  if (sides.unknown)
    return std::nullopt;
  bool partial = mayBeAbsentValue(value);
  if (!sides.lane && !sides.stream) {
    Value scalar = wide(clone(value));
    return Interval{scalar, scalar, partial};
  }
  if (sides.isOne() && sides.reads)
    return Interval{wide(summary(value, sides, Reduce::min)),
                    wide(summary(value, sides, Reduce::max)), partial};
  if (auto argument = dyn_cast<BlockArgument>(value)) {
    StringAttr rank = rankOf(argument);
    auto range = [&](Value low, int64_t size) {
      Value high = e->map(Fn::add, {low, wide(e->integer(size - 1))});
      return Interval{low, high};
    };
    if (rank == ranks.tile)
      return range(wide(at->lookup(rank)), pieces.points.size);
    if (rank == ranks.stream)
      return range(wide(at->lookup(rank)), 1);
    const TilePieces::Side &lanes = pieces.lanes;
    Value start = e->map(Fn::mul, {wide(at->lookup(lanes.number)),
                                   wide(e->integer(lanes.size))});
    Interval rows = range(start, lanes.size);
    Value last =
        e->map(Fn::sub, {wide(e->extent(ranks.lane)), wide(e->integer(1))});
    rows.high = e->map(Fn::min, {rows.high, last});
    return rows;
  }
  auto map = value.getDefiningOp<MapOp>();
  return map ? intervalOf(map) : std::nullopt;
}

std::optional<Classifier::Interval> Classifier::intervalOf(MapOp map) {
  SmallVector<Interval> x;
  bool partial = false;
  for (Value operand : map.getOperands()) {
    auto range = interval(operand);
    if (!range)
      return std::nullopt;
    partial |= range->partial;
    x.push_back(*range);
  }
  auto both = [&](Fn fn) {
    return Interval{e->map(fn, {x[0].low, x[1].low}),
                    e->map(fn, {x[0].high, x[1].high}), partial};
  };
  APInt right;
  bool positive = x.size() == 2 &&
                  matchPattern(map.getOperand(1), m_ConstantInt(&right)) &&
                  right.isStrictlyPositive();
  switch (map.getFn()) {
  case Fn::add:
  case Fn::min:
  case Fn::max:
    return both(map.getFn());
  case Fn::neg:
    return Interval{e->map(Fn::neg, {x[0].high}), e->map(Fn::neg, {x[0].low}),
                    partial};
  case Fn::sub:
    return Interval{e->map(Fn::sub, {x[0].low, x[1].high}),
                    e->map(Fn::sub, {x[0].high, x[1].low}), partial};
  case Fn::mul: // one side a constant: ends keep or change places
    if (x[1].low != x[1].high)
      std::swap(x[0], x[1]);
    if (x[1].low == x[1].high) {
      Value a = e->map(Fn::mul, {x[0].low, x[1].low});
      Value b = e->map(Fn::mul, {x[0].high, x[1].low});
      return Interval{e->map(Fn::min, {a, b}), e->map(Fn::max, {a, b}),
                      partial};
    }
    return std::nullopt;
  case Fn::floordiv:
    return positive ? std::optional(both(Fn::floordiv)) : std::nullopt;
  default:
    return std::nullopt;
  }
}

//===----------------------------------------------------------------------===//
// Conditions
//===----------------------------------------------------------------------===//

Holds Classifier::constant(bool some, bool all) {
  return {e->boolean(some), e->boolean(all)};
}

std::optional<Holds> Classifier::compare(MapOp map) {
  auto x = interval(map.getOperand(0));
  auto y = x ? interval(map.getOperand(1)) : std::nullopt;
  if (!y)
    return std::nullopt;
  auto is = [&](Fn fn, Value a, Value b) { return e->map(fn, {a, b}); };
  auto both = [&](Value a, Value b) { return e->map(Fn::and_, {a, b}); };
  Holds equal{both(is(Fn::le, x->low, y->high), is(Fn::le, y->low, x->high)),
              both(is(Fn::eq, x->low, y->high), is(Fn::eq, x->high, y->low))};
  Holds result;
  switch (map.getFn()) {
  case Fn::lt:
  case Fn::le:
    result = {is(map.getFn(), x->low, y->high),
              is(map.getFn(), x->high, y->low)};
    break;
  case Fn::gt:
  case Fn::ge:
    result = {is(map.getFn(), x->high, y->low),
              is(map.getFn(), x->low, y->high)};
    break;
  case Fn::eq:
    result = equal;
    break;
  case Fn::ne:
    result = {e->map(Fn::not_, {equal.all}), e->map(Fn::not_, {equal.some})};
    break;
  default:
    return std::nullopt;
  }
  if (x->partial || y->partial)
    result.all = e->boolean(false);
  return result;
}

std::optional<Holds> Classifier::holds(Value condition) {
  Sides sides = sidesOf(condition);
  if (sides.unknown)
    return std::nullopt;
  bool partial = mayBeAbsentValue(condition);
  if (!sides.lane && !sides.stream && !partial) {
    Value scalar = clone(condition);
    return Holds{scalar, scalar};
  }
  auto map = condition.getDefiningOp<MapOp>();
  // Absent operands: and, or, not are Kleene's, intervals are not.
  if (map && !partial && info(map.getFn()).typing == FnTyping::Logic) {
    SmallVector<Holds> x;
    for (Value operand : map.getOperands()) {
      auto part = holds(operand);
      if (!part)
        return std::nullopt;
      x.push_back(*part);
    }
    if (map.getFn() == Fn::not_)
      return Holds{e->map(Fn::not_, {x[0].all}), e->map(Fn::not_, {x[0].some})};
    return Holds{e->map(map.getFn(), {x[0].some, x[1].some}),
                 e->map(map.getFn(), {x[0].all, x[1].all})};
  }
  if (map)
    if (auto compared = compare(map))
      return compared;
  if (!sides.isOne() || !sides.reads)
    return std::nullopt;
  Value some = summary(condition, sides, Reduce::any);
  return Holds{some, partial ? e->boolean(false)
                             : summary(condition, sides, Reduce::all)};
}

std::optional<Holds> Classifier::holds(ExprBuilder &builder, Value condition,
                                       const Coordinates &coordinates) {
  e = &builder;
  at = &coordinates;
  return holds(condition);
}
