//===- Refusals.cpp - which condition a stream does not meet ----*- C++ -*-===//
#include "dialect/PrintExpr.h"
#include "passes/derive/Finder.h"
#include "passes/derive/PointConditions.h"

using namespace mlir;
using namespace attn;

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
  for (const ShiftTerm &term : form.terms())
    add(term.tensor, /*isOperand=*/false);
  if (needed.empty())
    return std::nullopt;
  PointConditions moved(stream, /*movesOnly=*/true);
  PointConditions present(stream, /*movesOnly=*/false);
  const auto &own = moved.of(op.getMapYield().getOperand(0)).needed;
  for (EinsumOp statistic : needed) {
    const auto &other =
        present.of(statistic.getMapYield().getOperand(0)).needed;
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
  for (const ShiftTerm &term : form.terms())
    moving.push_back(term.tensor);
  for (const LateFactor &factor : form.factors)
    moving.push_back(factor.tensor);
  for (Value tensor : moving)
    if (StringAttr rank = rankNotKept(op, tensor))
      return Refusal{Law::Online, tensorName(tensor).str() + " has rank " +
                                      rank.str() +
                                      ", which the accumulator does not keep"};
  return std::nullopt;
}
