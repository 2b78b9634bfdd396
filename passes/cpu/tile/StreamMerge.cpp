//===- StreamMerge.cpp - two states of a stream become one ------*- C++ -*-===//
#include "passes/cpu/tile/StreamMerge.h"
#include "mlir/Transforms/RegionUtils.h"

using namespace mlir;
using namespace attn;
using namespace attn;

/// What `value` is made of, by operations on states alone.
bool StreamMerge::collect(Value value, State &state, bool &readsNew) {
  Block &body = stream.getBody().front();
  if (!stream.getBody().isAncestor(value.getParentRegion()))
    return true;
  if (llvm::is_contained(merged, value)) {
    readsNew = true;
    return true;
  }
  if (auto argument = dyn_cast<BlockArgument>(value))
    return argument.getOwner() == &body && argument.getArgNumber() > 0;
  auto op = value.getDefiningOp<tile::EinsumOp>();
  if (!op || op->getBlock() != &body || op.getMonoid())
    return false;
  if (llvm::is_contained(state.repair, op))
    return true;
  for (Value tile : op.getTiles())
    if (!collect(tile, state, readsNew))
      return false;
  // Not of the step that it is.
  llvm::SetVector<Value> captured;
  getUsedValuesDefinedAbove(op.getMap(), captured);
  if (llvm::any_of(captured, [&](Value scalar) {
        return stream.getBody().isAncestor(scalar.getParentRegion());
      }))
    return false;
  state.repair.push_back(op);
  return true;
}

std::optional<StreamMerge> StreamMerge::of(tile::StreamOp stream) {
  StreamMerge merge;
  merge.stream = stream;
  Block &body = stream.getBody().front();
  ValueRange next = body.back().getOperands();
  SmallVector<std::pair<tile::EinsumOp, unsigned>> steps;
  for (auto [number, value] : llvm::enumerate(next)) {
    auto op = value.getDefiningOp<tile::EinsumOp>();
    if (!op || op->getBlock() != &body || !op.getMonoid() || !op.getInit() ||
        op.getResult().getType().getMasked() || llvm::count(next, value) != 1)
      return std::nullopt;
    steps.push_back({op, number});
  }
  llvm::sort(steps, [](auto &x, auto &y) {
    return x.first->isBeforeInBlock(y.first);
  });
  for (auto [op, number] : steps) {
    State state{number, *op.getMonoid(), op.getInit(), {}};
    bool readsNew = false;
    if (!merge.collect(op.getInit(), state, readsNew))
      return std::nullopt;
    // A start that is neither the state itself nor repaired is a decay: the
    // order of the steps matters.
    bool isItself = op.getInit() == body.getArgument(number + 1);
    if (!isItself && !readsNew)
      return std::nullopt;
    merge.states.push_back(std::move(state));
    merge.merged.push_back(op.getResult());
  }
  return merge;
}
