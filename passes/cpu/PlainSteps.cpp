//===- PlainSteps.cpp - a definition over all of its points -----*- C++ -*-===//
#include "passes/Expr.h"
#include "passes/cpu/LowerCascade.h"
#include "passes/cpu/Reduce.h"
#include "passes/cpu/Units.h"

using namespace mlir;
using namespace attn;
using namespace attn::cpu;

// Points of inner loops below which a work item is not worth handing out.
constexpr int64_t pointsPerChunk = 1 << 14;

/// A reduction of enough points to a state that lanes can join, where no point
/// is read for two results: a thread for each would read scattered rows one
/// element after the other.
static bool isSharedByLanes(CascadeOp cascade, const Unit &unit) {
  auto op = dyn_cast<EinsumOp>(unit.op);
  if (!op || !op.isReduction() || !Reduction::joins(op))
    return false;
  auto extent = cascade.staticExtent(strings(op.getReduced()).back());
  if (!extent || *extent == 0 || *extent % warpLanes != 0)
    return false;
  Dependence dependence(op.getMap().front());
  bool reads = false;
  for (auto read : op.getMap().getOps<ReadOp>()) {
    llvm::SmallBitVector ranks(op.getMap().getNumArguments());
    for (Value index : read.getIndices())
      ranks |= dependence.of(index);
    ranks.resize(op.getSpace().size());
    if (!ranks.all())
      return false;
    reads = true;
  }
  return reads;
}

void CascadeLowering::lowerPlain(const Unit &unit) {
  // The last rank stays a plain loop: it is the one that vectorises.
  ArrayRef<StringAttr> ranks = unit.space;
  if (ranks.size() > 1 && !device)
    ranks = ranks.drop_back();
  if (plan.isPacked(unit))
    ranks = {};
  if (isa<OrderOp>(unit.op))
    requestScratch([&unit](CodeBuilder &, Frame &frame) {
      return UnitEmitter::scratchBytes(frame, unit);
    });
  DeviceKernel kernel;
  kernel.scratch = isa<OrderOp>(unit.op);
  if (device && !ranks.empty() && isSharedByLanes(cascade, unit))
    kernel.lanes = warpLanes;
  auto body = [&](StepFunction &f) {
    UnitEmitter emitter(f.b, f.storages, f.worker);
    if (f.lane)
      emitter.shareReduced(f.lane);
    if (ranks.empty()) {
      emitter.emit(unit, Coordinates());
      return;
    }
    emitItems(ranks, f, [&](ArrayRef<Value> coordinates) {
      Coordinates at;
      for (auto [rank, value] : llvm::zip(ranks, coordinates))
        at[rank] = value;
      emitter.emit(unit, at);
    });
  };
  func::FuncOp function = step(body, kernel);
  if (ranks.empty())
    return call(function);
  parallelFor(
      function,
      [&](RunFunction &run) {
        Value items = itemsOf(run.frame, ranks);
        return kernel.lanes > 1 ? run.b.mul(items, run.b.i64(kernel.lanes))
                                : items;
      },
      [&](RunFunction &run) {
        SmallVector<StringAttr> inner(
            ArrayRef<StringAttr>(unit.space).drop_front(ranks.size()));
        if (auto einsum = dyn_cast<EinsumOp>(unit.op))
          llvm::append_range(inner, strings(einsum.getReduced()));
        if (auto order = dyn_cast<OrderOp>(unit.op))
          inner.push_back(order.getFromAttr());
        Value points = run.b.max(itemsOf(run.frame, inner), run.b.i64(1));
        return run.b.add(
            arith::DivUIOp::create(run.b, run.b.i64(pointsPerChunk), points),
            run.b.i64(1));
      });
}
