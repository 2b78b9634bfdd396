//===- Bounds.cpp - conditions that are linear in the columns ---*- C++ -*-===//
// n <= f, of a coordinate n that moves with the columns and an f that does not,
// is c <= f - n0 for the column c places behind the thread's first one, whose
// coordinate is n0: the right side is there once for all columns of a lane, and
// several such conditions are one, with the least right side.
//
// The difference does not overflow: n0 is no less than 0, and f counts as -1
// where it is less.
//===----------------------------------------------------------------------===//
#include "mlir/IR/Matchers.h"
#include "passes/cpu/tile/Index.h"
#include "passes/gpu/Fragments.h"
#include "passes/gpu/hopper/Reduce.h"

using namespace mlir;
using namespace attn;
using namespace attn::cpu;
using namespace attn::gpu;
using arith::CmpIPredicate;

/// Coordinates, added and multiplied by constants: never negative.
static bool isCoordinate(Value value, Block &block, unsigned coordinates) {
  if (auto argument = dyn_cast<BlockArgument>(value))
    return value.getType().isInteger(32) &&
           (argument.getOwner() != &block ||
            argument.getArgNumber() < coordinates);
  APInt constant;
  if (matchPattern(value, m_ConstantInt(&constant)))
    return constant.isNonNegative();
  auto map = value.getDefiningOp<MapOp>();
  return map && (map.getFn() == Fn::add || map.getFn() == Fn::mul) &&
         llvm::all_of(map.getOperands(), [&](Value operand) {
           return isCoordinate(operand, block, coordinates);
         });
}

std::optional<Fragments::ColumnBound>
Fragments::columnBound(MapOp op, ArrayRef<StringAttr> ranks, int64_t lane) {
  Fn fn = op.getFn();
  if (!op->hasAttr("bounded") ||
      !llvm::is_contained({Fn::le, Fn::lt, Fn::ge, Fn::gt}, fn) ||
      !op.getOperand(0).getType().isInteger(32))
    return std::nullopt;
  Value less = op.getOperand(0), more = op.getOperand(1);
  bool isStrict = fn == Fn::lt || fn == Fn::gt;
  if (fn == Fn::ge || fn == Fn::gt)
    std::swap(less, more);
  Block &block = *op->getBlock();
  Value column;
  for (auto [argument, rank] : llvm::zip(block.getArguments(), ranks))
    if (rank != laneRank) {
      if (column)
        return std::nullopt;
      column = argument;
    }
  if (!column)
    return std::nullopt;
  auto moves = [&](Value value) { return coefficient(value, column); };
  bool isUpper = moves(less) == 1 && moves(more) == 0 &&
                 isCoordinate(less, block, ranks.size());
  bool isLower = !isStrict && moves(less) == 0 && moves(more) == 1 &&
                 isCoordinate(more, block, ranks.size());
  if (!isUpper && !isLower)
    return std::nullopt;
  // Both sides at the thread's first column; they read no tiles.
  FastRegion code(b, outside, b.getF32Type(), full);
  code.capture(surroundings(), *block.getParent());
  bindCoordinates(code, block, ranks, {lane, 0});
  std::function<bool(Value)> emit = [&](Value value) {
    if (code.lookup(value).value)
      return true;
    Operation *def = value.getDefiningOp();
    if (!def || !llvm::all_of(def->getOperands(), emit))
      return false;
    code.emit(def);
    return true;
  };
  if (!emit(less) || !emit(more))
    return std::nullopt;
  Scalar low = code.lookup(less), high = code.lookup(more);
  if (low.present || high.present)
    return std::nullopt;
  Value limit =
      isUpper ? b.sub(b.max(high.value, b.i32(isStrict ? 0 : -1)), low.value)
              : b.sub(b.max(low.value, b.i32(0)), high.value);
  if (isUpper && isStrict)
    limit = b.sub(limit, b.i32(1));
  return ColumnBound{known(limit), isUpper};
}

/// Of equal values of this block, the first.
Value Fragments::known(Value limit) {
  for (Value other : bounds.limits)
    if (isSame(other, limit))
      return other;
  bounds.limits.push_back(limit);
  return limit;
}

void Fragments::decideBounds(FastRegion &code, Block &block,
                             ArrayRef<StringAttr> ranks, Point point) {
  if (full && matchPattern(full, m_One()))
    return;
  if (bounds.block != b.getInsertionBlock()) {
    bounds = Bounds();
    bounds.block = b.getInsertionBlock();
  }
  for (auto op : block.getOps<MapOp>()) {
    if (!op->hasAttr("bounded"))
      continue;
    auto [it, isNew] = bounds.ofMaps.try_emplace({op, point.first});
    if (isNew) {
      auto bound = columnBound(op, ranks, point.first);
      it = bounds.ofMaps.find({op, point.first});
      it->second = bound;
    }
    if (it->second)
      code.decide(
          op, {b.compare(it->second->isUpper ? CmpIPredicate::sge
                                             : CmpIPredicate::sle,
                         it->second->limit, b.i32(columnNumber(point.second))),
               {},
               {},
               true});
  }
}

Value Fragments::joinBounds(Value flag) {
  if (!flag || bounds.limits.empty() || bounds.block != b.getInsertionBlock())
    return flag;
  // Two of one kind are one; in their order, so that equal flags stay equal.
  SmallVector<Value> work{flag}, parts;
  while (!work.empty()) {
    Value part = work.pop_back_val();
    if (auto both = part.getDefiningOp<arith::AndIOp>()) {
      work.push_back(both.getRhs());
      work.push_back(both.getLhs());
      continue;
    }
    auto kindOf = [&](Value value) {
      auto compare = value.getDefiningOp<arith::CmpIOp>();
      bool isBound =
          compare && llvm::is_contained(bounds.limits, compare.getLhs());
      return isBound ? compare : arith::CmpIOp();
    };
    auto bound = kindOf(part);
    auto same = llvm::find_if(parts, [&](Value other) {
      auto before = kindOf(other);
      return bound && before && bound.getPredicate() == before.getPredicate() &&
             isSame(bound.getRhs(), before.getRhs());
    });
    if (same == parts.end()) {
      parts.push_back(part);
      continue;
    }
    auto before = kindOf(*same);
    Value x = before.getLhs(), y = bound.getLhs();
    if (x == y)
      continue;
    bool isUpper = bound.getPredicate() == CmpIPredicate::sge;
    Value &limit = bounds.joined[{x, y}];
    if (!limit) {
      limit = isUpper ? b.min(x, y) : b.max(x, y);
      bounds.limits.push_back(limit);
    }
    *same = b.compare(bound.getPredicate(), limit, bound.getRhs());
  }
  Value result;
  for (Value part : parts)
    result = b.both(result, part);
  return result;
}
