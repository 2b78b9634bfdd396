//===- Mergeable.cpp - can a tensor be merged from pieces -------*- C++ -*-===//
// Classifies every value by how it depends on statistics, that is on results of
// reductions over the cut rank, which a piece knows only unfinished.
#include "passes/cascade/Mergeable.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/DenseSet.h"

using namespace mlir;
using namespace attn;

namespace {
enum class Use {
  None,      // of no statistic
  Shift,     // x + statistic: exp of it is a Scale, max commutes with it
  Scale,     // x * g(statistics)
  Separable, // sum of such products: sums of it can be separated
  Statistic, // of statistics alone
  Bad
};

struct Class {
  Use use = Use::None;
  bool varies = false; // along the cut rank
  StringRef statistic; // one that it uses: "sum", "max"
  std::string reason;  // of Bad
};

class Analysis {
public:
  Analysis(CascadeOp cascade, StringAttr rank);

  Class tensor(Value tensor);
  bool isCut(StringAttr rank) const { return ranks.contains(rank); }

private:
  Class definition(Operation *op, unsigned result);
  Class einsum(EinsumOp op, unsigned result);
  Class value(Value v);
  Class read(ReadOp op);
  Class map(MapOp op);
  Class combine(Operation *op, StringRef name);

  llvm::DenseSet<StringAttr> ranks;
  llvm::DenseMap<Value, Class> known;
  llvm::DenseSet<Operation *> active;
};
} // namespace

Analysis::Analysis(CascadeOp cascade, StringAttr rank) {
  // A piece of the rank is a piece of what it is made of and of what it makes.
  ranks.insert(rank);
  for (bool changed = true; changed;) {
    changed = false;
    for (Attribute relation : cascade.getRelations()) {
      auto [whole, parts] = partsOf(relation);
      if (ranks.contains(whole))
        for (StringAttr part : parts)
          changed |= ranks.insert(part).second;
    }
  }
}

static Class bad(std::string reason) {
  return {Use::Bad, true, {}, std::move(reason)};
}

/// `relu` is what everybody calls max(x, 0).
static std::string nameOf(MapOp op) {
  if (op.getFn() == Fn::max)
    for (Value operand : op.getOperands())
      if (auto constant = operand.getDefiningOp<arith::ConstantOp>())
        if (auto real = dyn_cast<FloatAttr>(constant.getValue());
            real && real.getValue().isZero())
          return "relu";
  return stringifyFn(op.getFn()).str();
}

/// A strict function that commutes with nothing.
Class Analysis::combine(Operation *op, StringRef name) {
  Class result;
  bool usesStatistic = false;
  for (Value operand : op->getOperands()) {
    Class c = value(operand);
    if (c.use == Use::Bad)
      return c;
    result.varies |= c.varies;
    if (c.use == Use::None)
      continue;
    usesStatistic = true;
    result.statistic = c.statistic;
  }
  if (usesStatistic && result.varies)
    return bad((name + " of an unfinished " + result.statistic).str());
  result.use = usesStatistic ? Use::Statistic : Use::None;
  return result;
}

Class Analysis::map(MapOp op) {
  Fn fn = op.getFn();
  bool isSum = fn == Fn::add || fn == Fn::sub;
  bool isProduct = fn == Fn::mul || fn == Fn::div;
  bool isExp = fn == Fn::exp || fn == Fn::exp2;
  if (fn == Fn::neg)
    return value(op.getOperand(0));
  if (isExp) {
    Class c = value(op.getOperand(0));
    if (c.use == Use::Shift)
      c.use = Use::Scale;
    else if (c.use == Use::Scale || c.use == Use::Separable)
      return bad((stringifyFn(fn) + " of an unfinished " + c.statistic).str());
    return c;
  }
  if (!isSum && !isProduct)
    return combine(op, nameOf(op));
  Class a = value(op.getOperand(0)), b = value(op.getOperand(1));
  if (a.use == Use::Bad || b.use == Use::Bad)
    return a.use == Use::Bad ? a : b;
  Class result;
  result.varies = a.varies || b.varies;
  result.statistic = a.statistic.empty() ? b.statistic : a.statistic;
  auto either = [&](Use use) { return a.use == use || b.use == use; };
  auto within = [&](std::initializer_list<Use> uses) {
    return llvm::is_contained(uses, a.use) && llvm::is_contained(uses, b.use);
  };
  if (within({Use::None}))
    result.use = Use::None;
  else if (!result.varies)
    result.use = Use::Statistic;
  else if (isSum)
    result.use = within({Use::None, Use::Statistic, Use::Shift})
                     ? Use::Shift
                     : Use::Separable;
  else if (within({Use::None, Use::Statistic, Use::Scale}))
    result.use = Use::Scale;
  else if (fn == Fn::div && (b.use == Use::Shift || b.use == Use::Separable))
    return bad(("div of an unfinished " + b.statistic).str());
  else
    result.use = either(Use::Bad) ? Use::Bad : Use::Separable;
  return result;
}

Class Analysis::read(ReadOp op) {
  Class result = tensor(op.getTensor());
  NamedTensorType type = op.getTensor().getType();
  for (auto [rank, index] : llvm::zip(type.getRanks(), op.getIndices())) {
    Class c = value(index);
    if (c.use == Use::Bad)
      return c;
    // Gathering from the cut rank needs pieces that are elsewhere.
    if (isCut(rank) && c.use != Use::None)
      return bad(("gather by an unfinished " + c.statistic).str());
    if (c.use != Use::None) {
      if (c.varies || result.varies)
        return bad(("gather by an unfinished " + c.statistic).str());
      result.use = Use::Statistic;
      result.statistic = c.statistic;
    }
    // Along other ranks an index may still walk the cut one.
    result.varies |= c.varies;
  }
  return result;
}

Class Analysis::value(Value v) {
  if (auto argument = dyn_cast<BlockArgument>(v)) {
    // Only coordinates of the cut rank differ between pieces.
    Class result;
    unsigned i = argument.getArgNumber();
    Operation *parent = argument.getOwner()->getParentOp();
    if (auto op = dyn_cast<EinsumOp>(parent)) {
      result.varies = isCut(op.mapRanks()[i]);
    } else if (auto op = dyn_cast<OrderOp>(parent)) {
      result.varies = i + 1 < op.getSpace().size()
                          ? isCut(cast<StringAttr>(op.getSpace()[i]))
                          : isCut(op.getFromAttr());
    }
    return result;
  }
  if (auto it = known.find(v); it != known.end())
    return it->second;
  Operation *op = v.getDefiningOp();
  Class result;
  if (auto readOp = dyn_cast<ReadOp>(op))
    result = read(readOp);
  else if (auto mapOp = dyn_cast<MapOp>(op))
    result = map(mapOp);
  else if (auto castOp = dyn_cast<CastOp>(op);
           castOp && isa<FloatType>(castOp.getType()))
    result = value(castOp.getOperand());
  else if (auto where = dyn_cast<WhereOp>(op)) {
    Class condition = value(where.getCondition());
    result = value(where.getValue());
    if (condition.use == Use::Bad)
      result = condition;
    else if (condition.use != Use::None && (result.varies || condition.varies))
      result = bad(("condition on an unfinished " + condition.statistic).str());
    result.varies |= condition.varies;
  } else if (isa<ElseOp>(op)) {
    Class a = value(op->getOperand(0)), b = value(op->getOperand(1));
    bool isSame = a.use == b.use || b.use == Use::None;
    result = a.use == Use::Bad ? a : b.use == Use::Bad ? b : a;
    if (result.use != Use::Bad && !isSame)
      result.use = a.varies || b.varies ? Use::Separable : Use::Statistic;
    result.varies = a.varies || b.varies;
    if (result.statistic.empty())
      result.statistic = b.statistic;
  } else {
    result = combine(op, "a function");
  }
  known[v] = result;
  return result;
}

Class Analysis::einsum(EinsumOp op, unsigned result) {
  Class c = value(op.getMapYield().getOperand(result));
  if (!op.isReduction() || c.use == Use::Bad)
    return c;
  auto kind = op.builtinReduce();
  StringRef name = kind
                       ? stringifyReduce(*kind)
                       : cast<FlatSymbolRefAttr>(op.getMonoidAttr()).getValue();
  bool isSum = kind == Reduce::sum;
  bool commutesWithShift = isSum || kind == Reduce::max || kind == Reduce::min;
  bool isOverCut = llvm::any_of(op.getReduced().getAsRange<StringAttr>(),
                                [&](StringAttr rank) { return isCut(rank); });
  bool isMergeable = c.use == Use::None || c.use == Use::Statistic || isSum ||
                     (c.use == Use::Shift && commutesWithShift) ||
                     kind == Reduce::count;
  if (!isMergeable)
    return bad((name + " of a map of an unfinished " + c.statistic).str());
  if (isOverCut) {
    bool varies = llvm::any_of(op.getSpace().getAsRange<StringAttr>(),
                               [&](StringAttr rank) { return isCut(rank); });
    return {Use::Statistic, varies, name, {}};
  }
  // A sum over another rank of scaled terms: one accumulator a term.
  if (c.use == Use::Scale)
    c.use = Use::Separable;
  return c;
}

Class Analysis::definition(Operation *op, unsigned result) {
  if (auto einsumOp = dyn_cast<EinsumOp>(op))
    return einsum(einsumOp, result);
  if (auto order = dyn_cast<OrderOp>(op)) {
    // Selections merge; what they select by must be finished.
    for (Value key :
         cast<YieldOp>(order.getKeys().front().back()).getOperands()) {
      Class c = value(key);
      if (c.use == Use::Bad)
        return c;
      if (c.use != Use::None)
        return bad(("order by an unfinished " + c.statistic).str());
    }
    bool isOverCut = isCut(order.getFromAttr());
    return {isOverCut ? Use::Statistic : Use::None, false, "order", {}};
  }
  Class joined;
  if (auto equations = dyn_cast<EquationsOp>(op))
    for (Value equation : equations.getEquations()) {
      Class c = tensor(equation);
      if (c.use == Use::Bad)
        return c;
      joined.varies |= c.varies;
      if (c.use == Use::None)
        continue;
      joined.use = joined.use == Use::None || joined.use == c.use
                       ? c.use
                       : Use::Separable;
      joined.statistic = c.statistic;
    }
  return joined;
}

Class Analysis::tensor(Value tensor) {
  if (auto it = known.find(tensor); it != known.end())
    return it->second;
  auto type = cast<NamedTensorType>(tensor.getType());
  Class result;
  result.varies = llvm::any_of(type.getRanks(),
                               [&](StringAttr rank) { return isCut(rank); });
  Operation *op = tensor.getDefiningOp();
  if (!op)
    return result;
  // A step of a recurrence: the earlier state is what a piece begins from. A
  // transition that is linear in it composes.
  if (!active.insert(op).second)
    return {Use::Statistic, false, "recurrence", {}};
  result = definition(op, cast<OpResult>(tensor).getResultNumber());
  active.erase(op);
  known[tensor] = result;
  return result;
}

std::string attn::whyNotMergeable(CascadeOp cascade, Value tensor,
                                  StringAttr rank) {
  Analysis analysis(cascade, rank);
  auto type = cast<NamedTensorType>(tensor.getType());
  for (StringAttr kept : type.getRanks())
    if (analysis.isCut(kept))
      return "it keeps rank " + kept.str();
  return analysis.tensor(tensor).reason;
}
