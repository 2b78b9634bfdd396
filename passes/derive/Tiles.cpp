//===- Tiles.cpp - points and late values of a stream, on tiles -*- C++ -*-===//
// Expressions of the stream at a step: points over (n1, n0), late tensors now,
// before, or finished, late factors left out.
#include "passes/derive/Deriver.h"

using namespace mlir;
using namespace attn;

/// The value of a late tensor at a step, at the coordinates of its ranks.
Value Deriver::readLate(ExprBuilder &e, Value tensor, Coordinates &at,
                        Step step) {
  auto op = tensor.getDefiningOp<EinsumOp>();
  if (stream.late.contains(op))
    tensor = lateTensor(op, step);
  else if (step == Step::Final)
    tensor = finish(op);
  else
    tensor = running.lookup(tensor);
  SmallVector<Value> indices;
  bool isMap = stream.late.contains(op);
  for (StringAttr rank : cast<NamedTensorType>(tensor.getType()).getRanks()) {
    Value index = at.lookup(rank);
    if (rank == n1 && step == Step::Before && !isMap)
      index = e.map(Fn::sub, {index, e.integer(1)});
    indices.push_back(index);
  }
  Value value = e.read(tensor, indices);
  if (isMap || step == Step::Final)
    return value;
  // The state lacks its factors until the end; whoever needs it now has them as
  // they are now.
  for (const LateFactor &late : summandForm(forms, op).factors) {
    if (late.kind == LateFactor::Requires)
      continue;
    Value by = readLate(e, late.tensor, at, step);
    value = late.kind == LateFactor::Clears
                ? e.otherwise(by, value)
                : e.map(late.kind == LateFactor::Divides ? Fn::div : Fn::mul,
                        {value, by});
  }
  return value;
}

/// A late tensor, 0 where it is the identity of a maximum or minimum.
Value Deriver::readFinite(ExprBuilder &e, Value tensor, Coordinates &at,
                          Step step) {
  Value value = readLate(e, tensor, at, step);
  auto kind = tensor.getDefiningOp<EinsumOp>().builtinReduce();
  if (kind != Reduce::max && kind != Reduce::min)
    return value;
  Value empty =
      e.map(Fn::eq, {value, e.constant(identityOf(*kind, value.getType()))});
  return e.otherwise(e.where(e.real(0), empty), value);
}

/// For points: the identity of a maximum is no value to subtract.
Value Deriver::readSafe(ExprBuilder &e, Value tensor, Coordinates &at) {
  auto op = tensor.getDefiningOp<EinsumOp>();
  auto kind = op.builtinReduce();
  if (kind != Reduce::max && kind != Reduce::min)
    return readLate(e, tensor, at, Step::Now);
  Value &known = safe[tensor];
  if (!known) {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToEnd(body);
    std::string name = nameOf(op, ".finite");
    EinsumSpec spec{name, with(op.getSpace(), {n1}), {}, {}, computeType(op)};
    known = buildEinsum(b, op.getLoc(), spec,
                        [&](ExprBuilder &f, Coordinates &row) {
                          return readFinite(f, tensor, row, Step::Now);
                        })
                .getResult(0);
  }
  return e.read(known, at);
}

/// The expression on a tile: points and late tensors of this step, late
/// factors left out.
Value Deriver::rebuild(ExprBuilder &e, EinsumOp op, Value value,
                       Coordinates &at) {
  IRMapping mapping = substitution(coordinatesOf(op), at);
  // A late factor leaves; where it is present stays.
  auto without = [&](Value late, Value rest) {
    Value there = presence(e, op, late, at);
    return there ? e.where(rest, there) : rest;
  };
  std::function<Value(Operation *)> leaf = [&](Operation *def) -> Value {
    if (auto read = dyn_cast<ReadOp>(def)) {
      Value tensor = read.getTensor();
      if (stream.isPoint(tensor))
        return e.read(pointTile(tensor.getDefiningOp<EinsumOp>()), at);
      if (stream.isLate(tensor))
        return readSafe(e, tensor, at);
      return {};
    }
    if (forms.of(def->getResult(0)).kind != Form::Scale)
      return {};
    if (isa<ElseOp>(def) && forms.of(def->getOperand(0)).kind == Form::Late)
      return cloneExpr(e.b, def->getOperand(1), mapping, leaf);
    auto map = dyn_cast<MapOp>(def);
    if (!map)
      return {};
    bool isSquare =
        map.getFn() == Fn::pow ||
        (map.getFn() == Fn::mul && map.getOperand(0) == map.getOperand(1));
    if (isSquare && halved == map.getOperand(0))
      return cloneExpr(e.b, halved, mapping, leaf);
    if (isSquare && leftOut.count(map.getOperand(0)))
      return e.read(leftOut.lookup(map.getOperand(0)), at);
    auto late = [&](unsigned i) {
      return forms.of(map.getOperand(i)).kind == Form::Late;
    };
    // As a factor; the same value in an exponent stands.
    auto isLeftOut = [&](unsigned i) {
      return leftOut.count(map.getOperand(i)) > 0;
    };
    auto operand = [&](unsigned i) {
      return isLeftOut(i) ? e.read(leftOut.lookup(map.getOperand(i)), at)
                          : cloneExpr(e.b, map.getOperand(i), mapping, leaf);
    };
    if (map.getFn() == Fn::mul && (late(0) || late(1))) {
      Value rest = !late(0)   ? operand(0)
                   : !late(1) ? operand(1)
                              : without(map.getOperand(1), e.real(1));
      return without(map.getOperand(late(0) ? 0 : 1), rest);
    }
    if (map.getFn() == Fn::div && late(1))
      return without(map.getOperand(1),
                     late(0) ? without(map.getOperand(0), e.real(1))
                             : operand(0));
    if ((map.getFn() == Fn::mul || map.getFn() == Fn::div) &&
        (isLeftOut(0) || isLeftOut(1)))
      return e.map(map.getFn(), {operand(0), operand(1)});
    return {};
  };
  if (Value one = leftOut.lookup(value))
    return e.read(one, at);
  // A summand that is a late value alone: the factor of a 1.
  if (op.builtinReduce() == Reduce::sum &&
      value == op.getMapYield().getOperand(0) &&
      forms.of(value).kind == Form::Late) {
    std::function<Value(Value)> one = [&](Value late) -> Value {
      if (auto where = late.getDefiningOp<WhereOp>())
        return e.where(one(where.getValue()),
                       cloneExpr(e.b, where.getCondition(), mapping, leaf));
      return without(
          late, e.constant(cast<TypedAttr>(
                    isa<FloatType>(late.getType())
                        ? Attribute(e.b.getFloatAttr(late.getType(), 1))
                        : Attribute(e.b.getIntegerAttr(late.getType(), 1)))));
    };
    return one(value);
  }
  return cloneExpr(e.b, value, mapping, leaf);
}

/// An input inside of its bounds, or a statistic.
bool Deriver::isAlwaysThere(ReadOp read) {
  Value tensor = read.getTensor();
  if (stream.isPoint(tensor))
    return false;
  return stream.isLate(tensor) ||
         (isa<BlockArgument>(tensor) && read.getBounds() == Bounds::inside);
}

EinsumOp Deriver::mapOf(ReadOp read, EinsumOp op) {
  auto point = read.getTensor().getDefiningOp<EinsumOp>();
  return point && stream.isPoint(read.getTensor()) && !point.isReduction()
             ? point
             : EinsumOp();
}

/// Clones a point of the stream over (n1, n0), absent beyond the extent.
Value Deriver::pointTile(EinsumOp op) {
  Value &known = tiles[op.getResult(0)];
  if (known)
    return known;
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToEnd(body);
  EinsumSpec spec;
  std::string name = nameOf(op);
  spec.name = name;
  spec.space = with(op.getSpace(), {n1, n0});
  spec.reduced = strings(op.getReduced());
  spec.monoid = op.getMonoidAttr();
  spec.element = cast<NamedTensorType>(op.getResultTypes()[0]).getElementType();
  spec.rounded = op.getRounded();
  auto whole = [&](ExprBuilder &e, Coordinates &at) {
    at[stream.rank] = wholeCoordinate(e, at);
  };
  auto map = [&](ExprBuilder &e, Coordinates &at) {
    whole(e, at);
    Value value = rebuild(e, op, op.getMapYield().getOperand(0), at);
    return e.where(value, inside(e, at));
  };
  auto exists = [&](ExprBuilder &e, Coordinates &at) {
    whole(e, at);
    Value condition = inside(e, at);
    return op.getGuard().empty()
               ? condition
               : e.map(Fn::and_, {condition, guardAt(e, op, at)});
  };
  Value tile = buildEinsum(b, op.getLoc(), spec, map,
                           op.isReduction() ? ExprFn(exists) : ExprFn())
                   .getResult(0);
  return tiles[op.getResult(0)] = tile;
}

/// A map over rows, on the statistics of this step, the one before, or the
/// finished ones.
Value Deriver::lateTensor(EinsumOp op, Step step) {
  auto key = std::pair(op.getResult(0), static_cast<int>(step));
  if (Value known = lates.lookup(key))
    return known;
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToEnd(body);
  EinsumSpec spec;
  constexpr StringLiteral suffixes[] = {".now", ".before", ""};
  std::string name = nameOf(op, suffixes[static_cast<int>(step)]);
  spec.name = name;
  spec.space =
      step == Step::Final ? strings(op.getSpace()) : with(op.getSpace(), {n1});
  spec.element = computeType(op);
  if (step == Step::Final) {
    spec.element =
        cast<NamedTensorType>(op.getResultTypes()[0]).getElementType();
    spec.rounded = op.getRounded();
  }
  Value tensor =
      buildEinsum(b, op.getLoc(), spec, [&](ExprBuilder &e, Coordinates &at) {
        IRMapping mapping = substitution(coordinatesOf(op), at);
        return cloneExpr(e.b, op.getMapYield().getOperand(0), mapping,
                         [&](Operation *def) -> Value {
                           auto read = dyn_cast<ReadOp>(def);
                           if (!read || !stream.isLate(read.getTensor()))
                             return {};
                           return readLate(e, read.getTensor(), at, step);
                         });
      }).getResult(0);
  return lates[key] = tensor;
}
