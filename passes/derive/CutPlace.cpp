//===- CutPlace.cpp - definitions of a cut cascade at a place ---*- C++ -*-===//
#include "passes/derive/CutPlace.h"

using namespace mlir;
using namespace attn;

void CutPlace::addInputs(StringRef suffix) {
  for (const Component &c : state.components)
    (*this)[c] = writer.addInput(c.name + suffix.str(), c.space, c.element);
}

void CutPlace::rewire(Operation *op) {
  op->walk([&](Operation *inner) {
    for (OpOperand &operand : inner->getOpOperands()) {
      Value value = operand.get();
      bool isSource = isa<NamedTensorType>(value.getType()) &&
                      value.getParentRegion() == &state.source.getBody();
      if (isSource)
        operand.set(tensor(value));
    }
  });
}

Value CutPlace::tensor(Value value) {
  if (auto argument = dyn_cast<BlockArgument>(value))
    return writer.input(argument);
  if (Value there = known.lookup(value))
    return there;
  Operation *op = value.getDefiningOp();
  auto einsum = dyn_cast<EinsumOp>(op);
  if (state.isReduction(op))
    return known[value] =
               finished(einsum, cast<OpResult>(value).getResultNumber());
  if (kind == Piece && einsum && state.hasCut(value) &&
      op->getNumResults() == 1)
    return point(einsum);
  // Known before what it reads: it may read itself.
  Operation *clone = OpBuilder::atBlockEnd(writer.body()).clone(*op);
  for (auto [from, to] : llvm::zip(op->getResults(), clone->getResults()))
    known[from] = to;
  rewire(clone);
  return known[value];
}

/// The value of a reduction as far as the place knows it: late factors applied,
/// 0 where no point is present, nothing where the fibre does not exist.
Value CutPlace::finished(EinsumOp op, unsigned result) {
  Value sum = states.lookup(op.getResult(result));
  const Form &form = state.formOf(op);
  bool isFinal = kind == Final;
  if (form.factors.empty() && !isFinal)
    return sum;
  OpBuilder b = OpBuilder::atBlockEnd(writer.body());
  std::string name = strings(op.getNames())[result].str();
  auto type = cast<NamedTensorType>(op.getResult(result).getType());
  EinsumSpec spec{name,
                  strings(op.getSpace()),
                  {},
                  {},
                  isFinal ? type.getElementType() : computeType(op, result),
                  isFinal && op.getRounded()};
  EinsumOp built =
      buildEinsum(b, op.getLoc(), spec, [&](ExprBuilder &e, Coordinates &at) {
        Value whole = e.read(sum, at), value = whole;
        for (const LateFactor &factor : form.factors)
          value = e.map(factor.kind == LateFactor::Divides ? Fn::div : Fn::mul,
                        {value, e.read(factor.tensor, at)});
        Value yield = op.getMapYield().getOperand(0);
        if (Value flag = flags.lookup(op))
          value =
              e.otherwise(e.where(value, e.read(flag, at)),
                          state.mayBeCleared(op, yield) ? whole : e.real(0));
        return isFinal && !op.getGuard().empty()
                   ? e.where(value, guardAt(e, op, at))
                   : value;
      });
  rewire(built);
  return built.getResult(0);
}

/// Something over the cut rank, over a piece.
Value CutPlace::point(EinsumOp op) {
  OpBuilder b = OpBuilder::atBlockEnd(writer.body());
  IRMapping none;
  auto clone = cast<EinsumOp>(b.cloneWithoutRegions(*op, none));
  known[op.getResult(0)] = clone.getResult(0);
  Block *block = b.createBlock(&clone.getMap());
  for (BlockArgument argument : op.getMap().getArguments())
    block->addArgument(argument.getType(), argument.getLoc());
  Coordinates at = coordinatesOf(op.mapRanks(), *block);
  ExprBuilder e(b, op.getLoc());
  Value value = state.rebuild(e, op, op.getMapYield().getOperand(0), at);
  YieldOp::create(b, op.getLoc(), value);
  if (!op.getGuard().empty())
    op.getGuard().cloneInto(&clone.getGuard(), none);
  rewire(clone);
  return clone.getResult(0);
}
