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

/// The unit's points of the items, which are those of `ranks`.
void CascadeLowering::emitPlain(const Unit &unit, ArrayRef<StringAttr> ranks,
                                StepFunction &f) {
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
  func::FuncOp function =
      step([&](StepFunction &f) { emitPlain(unit, ranks, f); }, kernel);
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

//===----------------------------------------------------------------------===//
// Several at a time, on a GPU
//===----------------------------------------------------------------------===//

SmallVector<const Unit *> CascadeLowering::togetherFrom(size_t first) const {
  SmallVector<const Unit *> result;
  if (!device)
    return result;
  for (const Step &step : ArrayRef(plan.steps).drop_front(first)) {
    const Unit &unit = plan.units[step.units.front()];
    if (step.rows || step.recurrent || !isa<EinsumOp>(unit.op) ||
        unit.space.empty() || plan.isPacked(unit) ||
        !unit.dependencies.empty() || unit.targets.front().pattern ||
        !llvm::all_of(plan.tensorsRead(unit), llvm::IsaPred<BlockArgument>))
      break;
    if (!result.empty() && isSharedByLanes(cascade, unit) !=
                               isSharedByLanes(cascade, *result.front()))
      break;
    result.push_back(&unit);
  }
  return result;
}

void CascadeLowering::lowerTogether(ArrayRef<const Unit *> together) {
  DeviceKernel kernel;
  kernel.scratch = false;
  if (isSharedByLanes(cascade, *together.front()))
    kernel.lanes = warpLanes;
  func::FuncOp function = step(
      [&](StepFunction &f) {
        CodeBuilder &b = f.b;
        Value first = b.i64(0);
        for (const Unit *unit : together) {
          Value end = b.add(first, itemsOf(f.frame, unit->space));
          Value isMine =
              b.bitAnd(b.compare(arith::CmpIPredicate::sge, f.begin, first),
                       b.compare(arith::CmpIPredicate::slt, f.begin, end));
          StepFunction own = f;
          own.begin = b.sub(f.begin, first);
          own.end = b.add(own.begin, b.i64(1));
          b.ifThen(isMine, [&] { emitPlain(*unit, unit->space, own); });
          first = end;
        }
      },
      kernel);
  parallelFor(
      function,
      [&](RunFunction &run) {
        Value items = run.b.i64(0);
        for (const Unit *unit : together)
          items = run.b.add(items, itemsOf(run.frame, unit->space));
        return run.b.mul(items, run.b.i64(kernel.lanes));
      },
      [&](RunFunction &run) { return run.b.i64(1); });
}
