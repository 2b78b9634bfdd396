//===- Reference.cpp - a maximum that need not be the latest ----*- C++ -*-===//
#include "passes/cpu/matrix/Reference.h"
#include "passes/cpu/matrix/Shift.h"
#include "passes/cpu/tile/Absence.h"

using namespace mlir;
using namespace attn;
using namespace attn::cpu;

namespace {

/// A constant (of a bool 0 or 1), a value, or neither.
struct Folded {
  std::optional<double> constant;
  Value value;

  explicit operator bool() const { return constant || value; }
  bool operator==(const Folded &o) const {
    return *this && constant == o.constant && value == o.value;
  }
};

} // namespace

/// The map of `op` where its operands are `tiles`.
static Folded foldMap(tile::EinsumOp op, ArrayRef<Folded> tiles) {
  Block &block = op.getMap().front();
  llvm::DenseMap<Value, Folded> known;
  auto look = [&](Value value) -> Folded {
    if (auto real = constantReal(value))
      return {real, {}};
    return known.lookup(value);
  };
  size_t first = block.getNumArguments() - tiles.size();
  for (auto [argument, tile] :
       llvm::zip(block.getArguments().drop_front(first), tiles))
    known[argument] = tile;
  for (Operation &inner : block.without_terminator()) {
    Folded &result =
        known[inner.getNumResults() ? inner.getResult(0) : Value()];
    if (auto where = dyn_cast<WhereOp>(inner)) {
      if (look(where.getCondition()).constant == 1)
        result = look(where.getValue());
    } else if (auto other = dyn_cast<ElseOp>(inner)) {
      // What is known is present.
      result = look(other.getValue());
    } else if (auto map = dyn_cast<MapOp>(inner)) {
      Folded x = look(map.getOperand(0));
      Folded y = map.getNumOperands() > 1 ? look(map.getOperand(1)) : Folded();
      Fn fn = map.getFn();
      if (fn == Fn::eq && x == y)
        result = {1.0, {}};
      else if (fn == Fn::sub && x == y)
        result = {0.0, {}};
      else if ((fn == Fn::exp || fn == Fn::exp2) && x.constant == 0)
        result = {1.0, {}};
      else if (fn == Fn::mul && y.constant == 1)
        result = x;
      else if (fn == Fn::mul && x.constant == 1)
        result = y;
    }
  }
  return look(block.back().getOperand(0));
}

std::optional<Reference> cpu::findReference(const MatrixRoles &roles) {
  tile::StreamOp stream = roles.stream;
  Block &body = stream.getBody().front();
  Operation *yield = body.getTerminator();
  Reference r;
  if (roles.phases.size() != 2 || roles.phases[0].reductions.size() != 1 ||
      !roles.phases[0].laneOps.empty() || !roles.lastOps.empty())
    return std::nullopt;
  r.maximum = roles.phases[0].reductions[0];
  auto stateOf = [&](Value value) -> std::optional<unsigned> {
    for (auto [i, next] : llvm::enumerate(yield->getOperands()))
      if (next == value)
        return i;
    return std::nullopt;
  };
  auto state = stateOf(r.maximum.getResult());
  if (!state || *r.maximum.getMonoid() != Reduce::max ||
      r.maximum.getInit() != body.getArgument(1 + *state) ||
      !r.maximum.getResult().getType().getElementType().isF32() ||
      r.maximum.getResult().getType().getMasked())
    return std::nullopt;
  r.state = *state;

  // Weights are exponentials, and summed in a state.
  const MatrixRoles::Phase &last = roles.phases[1];
  for (tile::EinsumOp op : last.reductions) {
    Block &block = op.getMap().front();
    auto point = dyn_cast<BlockArgument>(block.back().getOperand(0));
    if (*op.getMonoid() != Reduce::sum || !point ||
        !op.getResult().getType().getElementType().isF32() ||
        point.getOwner() != &block || op.getTiles().size() != 1 ||
        !stateOf(op.getResult()))
      continue;
    auto weights = op.getTiles()[0].getDefiningOp<tile::EinsumOp>();
    MapOp power;
    if (weights)
      power =
          weights.getMap().front().back().getOperand(0).getDefiningOp<MapOp>();
    if (power && (power.getFn() == Fn::exp || power.getFn() == Fn::exp2) &&
        llvm::all_of(last.factors, [&](const MatrixProduct *p) {
          return p->right == op.getTiles()[0];
        }))
      r.mass = op;
  }
  if (!r.mass || last.factors.empty() ||
      !isFreeOfShift(roles, r.state, r.maximum))
    return std::nullopt;

  llvm::DenseMap<Value, Folded> folded;
  for (Value argument : body.getArguments().drop_front())
    folded[argument].value = argument;
  folded[r.maximum.getResult()].value = body.getArgument(1 + r.state);
  for (auto op : body.getOps<tile::EinsumOp>())
    if (!op.getMonoid()) {
      SmallVector<Folded> tiles;
      for (Value operand : op.getTiles())
        tiles.push_back(folded.lookup(operand));
      folded[op.getResult()] = foldMap(op, tiles);
    }
  for (auto &[value, what] : folded)
    if (what.value && !isa<BlockArgument>(value))
      r.kept[value] = what.value;
  // States start a step as they are.
  for (auto [i, next] : llvm::enumerate(yield->getOperands())) {
    auto op = next.getDefiningOp<tile::EinsumOp>();
    if (i == r.state)
      continue;
    Value state = body.getArgument(1 + i);
    if (!op || !op.getMonoid() || !op.getInit() ||
        folded.lookup(op.getInit()).value != state)
      return std::nullopt;
  }
  r.rows.factors = last.factors;
  for (tile::EinsumOp op : last.reductions) {
    auto state = stateOf(op.getResult());
    if (*op.getMonoid() == Reduce::any && state &&
        op.getInit() == body.getArgument(1 + *state)) {
      r.flags.reductions.push_back(op);
      r.kept[op.getResult()] = op.getInit();
    } else {
      r.rows.reductions.push_back(op);
    }
  }
  for (tile::EinsumOp op : last.laneOps)
    if (r.kept.contains(op.getResult()) ||
        llvm::all_of(op->getUsers(), [&](Operation *user) {
          return user->getNumResults() == 1 &&
                 r.kept.contains(user->getResult(0));
        }))
      r.idle.insert(op);
  return r;
}
