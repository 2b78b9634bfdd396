//===- Streams.cpp - which reductions stream together -----------*- C++ -*-===//
#include "passes/derive/Finder.h"

using namespace mlir;
using namespace attn;

bool Stream::isLate(Value tensor) const {
  auto op = tensor.getDefiningOp<EinsumOp>();
  return op && (reductions.contains(op) || late.contains(op));
}

bool Stream::isMember(EinsumOp op) const {
  return reductions.contains(op) || points.contains(op) || late.contains(op);
}

StreamTensors Stream::tensors() const {
  return {[this](Value v) { return isLate(v); },
          [this](Value v) -> EinsumOp {
            return isPoint(v) ? v.getDefiningOp<EinsumOp>() : EinsumOp();
          }};
}

bool Stream::isPoint(Value tensor) const {
  auto op = tensor.getDefiningOp<EinsumOp>();
  return op && points.contains(op);
}

/// True if presence of a map over rows is its own affair.
static bool hasCondition(Value tensor) {
  auto op = tensor.getDefiningOp<EinsumOp>();
  return op && !op.isReduction() && !op.getMap().getOps<WhereOp>().empty();
}

Form attn::summandForm(FormAnalysis &forms, EinsumOp op) {
  Value summand = op.getMapYield().getOperand(0);
  auto kind = op.builtinReduce();
  Form form =
      kind == Reduce::sum ? forms.ofSummand(summand) : forms.of(summand);
  if (form.kind != Form::Scale && form.kind != Form::Shift)
    return form;
  // Where a statistic is absent in the end, no point of the row is present.
  llvm::SetVector<Value> required;
  for (const ShiftTerm &term : form.terms())
    if (kind == Reduce::count || hasCondition(term.tensor))
      required.insert(term.tensor);
  if (kind == Reduce::count) {
    for (const LateFactor &factor : form.factors)
      if (factor.kind != LateFactor::Clears)
        required.insert(factor.tensor);
    // It asks for presence alone.
    bool clears = llvm::any_of(form.factors, [](const LateFactor &factor) {
      return factor.kind == LateFactor::Clears;
    });
    if (clears)
      return Form::other("a choice by unfinished statistics");
    form = {Form::Scale, {}, {}, {}, {}, {}};
  }
  for (Value tensor : required)
    form.factors.push_back({LateFactor::Requires, tensor});
  return form;
}

SmallVector<Stream> attn::findStreams(CascadeOp cascade) {
  return Finder(cascade).run();
}
