//===- Refusals.cpp - which condition a stream does not meet ----*- C++ -*-===//
#include "dialect/PrintExpr.h"
#include "mlir/IR/Matchers.h"
#include "passes/derive/Finder.h"
#include <map>
#include <set>

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

namespace {

/// What has to hold for a value to be present at a point, and, if `movesOnly`,
/// to be more than a constant that no statistic moves.
class PresenceConditions {
public:
  using Set = std::set<std::string>;
  PresenceConditions(const Stream &stream, bool movesOnly)
      : stream(stream), movesOnly(movesOnly) {}
  const Set &of(Value value) {
    auto it = cache.find(value.getAsOpaquePointer());
    if (it != cache.end())
      return it->second;
    Set result = compute(value);
    return cache[value.getAsOpaquePointer()] = std::move(result);
  }

private:
  Set compute(Value value) {
    Operation *op = value.getDefiningOp();
    if (!op)
      return {};
    if (auto read = dyn_cast<ReadOp>(op))
      return ofRead(read);
    if (auto otherwise = dyn_cast<ElseOp>(op))
      return ofElse(otherwise);
    Set result;
    if (auto where = dyn_cast<WhereOp>(op))
      addConjuncts(where.getCondition(), result);
    for (Value operand : op->getOperands())
      if (!isa<NamedTensorType>(operand.getType()))
        result.insert(of(operand).begin(), of(operand).end());
    return result;
  }

  Set ofRead(ReadOp read) {
    Value tensor = read.getTensor();
    if (stream.isLate(tensor))
      return {};
    if (stream.isPoint(tensor)) {
      auto point = tensor.getDefiningOp<EinsumOp>();
      if (!point.isReduction())
        return of(point.getMapYield().getOperand(0));
      if (point.getGuard().empty())
        return {};
      auto yield = cast<YieldOp>(point.getGuard().front().back());
      Set result;
      addConjuncts(yield.getOperand(0), result);
      return result;
    }
    if (isa<BlockArgument>(tensor) && read.getBounds() == Bounds::inside)
      return {};
    return {textOf(read.getResult())};
  }

  Set ofElse(ElseOp op) {
    const Set &first = of(op.getValue()), &second = of(op.getOtherwise());
    if (movesOnly) {
      if (matchPattern(op.getOtherwise(), m_Constant()))
        return first;
      auto read = op.getValue().getDefiningOp<ReadOp>();
      if (read && stream.isLate(read.getTensor()))
        return second;
    }
    Set result;
    std::set_intersection(first.begin(), first.end(), second.begin(),
                          second.end(), std::inserter(result, result.end()));
    // One of the two.
    if (!first.empty() && !second.empty())
      result.insert(textOf(op.getResult()));
    return result;
  }

  void addConjuncts(Value condition, Set &result) {
    auto map = condition.getDefiningOp<MapOp>();
    if (map && map.getFn() == Fn::and_) {
      for (Value operand : map.getOperands())
        addConjuncts(operand, result);
      return;
    }
    result.insert(textOf(condition));
  }

  const Stream &stream;
  bool movesOnly;
  std::map<void *, Set> cache;
};

} // namespace

/// Everything read from outside must be finished before the stream starts, and
/// what moves in it must be repairable.
std::optional<Finder::Refusal> Finder::refusal(const Stream &stream) {
  for (auto *set : {&stream.reductions, &stream.points, &stream.late})
    for (EinsumOp op : *set)
      for (ReadOp read : readsOf(op)) {
        Operation *def = read.getTensor().getDefiningOp();
        if (!def)
          continue;
        auto einsum = dyn_cast<EinsumOp>(def);
        if (einsum && stream.isMember(einsum)) {
          // Whether a fibre exists is asked when its reduction is finished.
          bool inGuard = read->getParentRegion() == &op.getGuard();
          bool isFinished =
              stream.reductions.contains(op) && stream.isLate(read.getTensor());
          if ((inGuard && !isFinished) || !isPlain(read, op) || isIndex(read))
            return Refusal{Law::Online,
                           tensorName(read.getTensor()).str() +
                               " is read elsewhere than at its own point"};
          continue;
        }
        for (EinsumOp reduction : stream.reductions)
          if (dependsOnOp(def, reduction))
            return Refusal{Law::Online, tensorName(read.getTensor()).str() +
                                            " needs all of " +
                                            nameOf(reduction)};
      }
  FormAnalysis forms(stream.tensors());
  for (EinsumOp op : stream.reductions) {
    Form form = summandForm(forms, op);
    if (auto why = refusal(op, form))
      return why;
    if (auto why = refuseEmpty(stream, forms, op, form))
      return why;
  }
  return std::nullopt;
}

/// Points that were combined with a statistic of nothing (-inf, log 0, 0 / 0)
/// cannot be repaired: where a point is present that a statistic moves, the
/// statistic must have one.
std::optional<Finder::Refusal> Finder::refuseEmpty(const Stream &stream,
                                                   FormAnalysis &forms,
                                                   EinsumOp op,
                                                   const Form &form) {
  // Reductions that may be no number of nothing, or make one of nothing.
  llvm::SetVector<EinsumOp> needed;
  DenseSet<Operation *> seen;
  std::function<void(Value, bool)> add = [&](Value tensor, bool isOperand) {
    auto def = tensor.getDefiningOp<EinsumOp>();
    if (!def || !stream.isLate(tensor) || !seen.insert(def).second)
      return;
    if (stream.late.contains(def)) {
      for (ReadOp read : readsOf(def))
        add(read.getTensor(), /*isOperand=*/true);
      return;
    }
    Reduce kind = *def.builtinReduce();
    Form own = summandForm(forms, def);
    if (isOperand || kind == Reduce::max || kind == Reduce::min ||
        !own.factors.empty())
      needed.insert(def);
    for (const LateFactor &factor : own.factors)
      add(factor.tensor, /*isOperand=*/true);
  };
  auto addTerms = [&](ArrayRef<ShiftTerm> shift) {
    for (const ShiftTerm &term : shift)
      add(term.tensor, /*isOperand=*/false);
  };
  addTerms(form.shift);
  for (const Exponential &e : form.exponentials)
    addTerms(e.shift);
  for (const ShiftFactor &factor : form.shifts)
    addTerms(factor.shift);
  if (needed.empty())
    return std::nullopt;
  PresenceConditions moved(stream, /*movesOnly=*/true);
  PresenceConditions present(stream, /*movesOnly=*/false);
  const auto &own = moved.of(op.getMapYield().getOperand(0));
  for (EinsumOp statistic : needed) {
    const auto &other = present.of(statistic.getMapYield().getOperand(0));
    if (!std::includes(own.begin(), own.end(), other.begin(), other.end()))
      return Refusal{Law::Online, nameOf(statistic) +
                                      " may have no point yet where " +
                                      nameOf(op) + " has one"};
  }
  return std::nullopt;
}

/// Conditions of ONLINE, ONLINE-LINEAR, ONLINE-SHIFT and HOIST on one map.
std::optional<Finder::Refusal> Finder::refusal(EinsumOp op, const Form &form) {
  if (form.kind == Form::Free)
    return std::nullopt;
  if (form.kind == Form::Other)
    return Refusal{Law::Online, "no repair of " + form.why};
  Reduce kind = *op.builtinReduce();
  std::string name = stringifyReduce(kind).str();
  bool isExtremum = kind == Reduce::max || kind == Reduce::min;
  bool isMovedExtremum = isExtremum && form.kind == Form::Shift;
  if (kind != Reduce::sum && kind != Reduce::count && !isMovedExtremum)
    return Refusal{Law::Hoist, "* does not distribute over " + name};
  // The repair depends only on ranks that the accumulator keeps.
  SmallVector<Value> moving;
  auto collect = [&](ArrayRef<ShiftTerm> shift) {
    for (const ShiftTerm &term : shift)
      moving.push_back(term.tensor);
  };
  collect(form.shift);
  for (const Exponential &e : form.exponentials)
    collect(e.shift);
  for (const ShiftFactor &factor : form.shifts)
    collect(factor.shift);
  for (const LateFactor &factor : form.factors)
    moving.push_back(factor.tensor);
  for (Value tensor : moving)
    for (StringAttr rank : cast<NamedTensorType>(tensor.getType()).getRanks())
      if (!contains(op.getSpace(), rank))
        return Refusal{Law::Online,
                       tensorName(tensor).str() + " has rank " + rank.str() +
                           ", which the accumulator does not keep"};
  return std::nullopt;
}
