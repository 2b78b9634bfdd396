//===- Costs.cpp - operations and bytes -------------------------*- C++ -*-===//
// Real operations of a point times the points that are computed, and the memory
// that must move at least: each tensor once. No cost model of the schedule; it
// says where on the roofline a kernel can be.
#include "compiler/explain/Analyse.h"
#include "dialect/tile/Tile.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace attn;
using namespace attn::explain;

static bool isTranscendental(Fn fn) {
  constexpr Fn all[] = {Fn::exp,  Fn::exp2, Fn::log, Fn::log2, Fn::log1p,
                        Fn::tanh, Fn::sin,  Fn::cos, Fn::erf,  Fn::pow};
  return llvm::is_contained(all, fn);
}

namespace {
class Counter {
public:
  Counter(CascadeOp cascade, const Extents &extents, const Report &report)
      : cascade(cascade), extents(extents), report(report) {}

  /// Of one definition of the cascade's body.
  Cost of(Operation *op);

private:
  void count(Region &region, double points);
  void einsum(EinsumOp op, double times);
  void tiles(Block &block, double times);
  void memory(Operation *op);
  double sizeOf(tile::TileType type);
  double stepsOf(tile::StreamOp stream);

  CascadeOp cascade;
  const Extents &extents;
  const Report &report;
  Cost cost;
};
} // namespace

void Counter::count(Region &region, double points) {
  region.walk([&](MapOp op) {
    if (!isa<FloatType>(op.getType()))
      return;
    cost.flops += points;
    if (isTranscendental(op.getFn()))
      cost.transcendental += points;
  });
}

void Counter::einsum(EinsumOp op, double times) {
  double points = times * pointsOf(strings(op.getSpace()), extents) *
                  pointsOf(strings(op.getReduced()), extents);
  count(op.getMap(), points);
  // Reductions of truths and coordinates are no arithmetic.
  if (op.isReduction() &&
      isa<FloatType>(op.getMapYield().getOperand(0).getType()))
    cost.flops += points * op.getNumResults();
}

double Counter::sizeOf(tile::TileType type) {
  double size = 1;
  for (auto [rank, extent] : llvm::zip(type.getRanks(), type.getSizes()))
    size *= extent < 0 ? extents.lookup(rank) : extent;
  return size;
}

/// Steps of a stream that are taken, on average over the rows.
double Counter::stepsOf(tile::StreamOp stream) {
  std::string kernel = nameOf(stream->getParentOp()->getResult(0));
  for (const TileMap &map : report.maps)
    if (map.isSkipped && map.kernel == kernel && map.rows > 0)
      return double(map.visited()) / map.rows;
  return extents.lookup(stream.getRankAttr());
}

void Counter::tiles(Block &block, double times) {
  for (Operation &op : block) {
    if (auto stream = dyn_cast<tile::StreamOp>(op)) {
      tiles(stream.getBody().front(), times * stepsOf(stream));
    } else if (auto load = dyn_cast<tile::LoadOp>(op)) {
      Type element =
          cast<NamedTensorType>(load.getTensor().getType()).getElementType();
      cost.loads += times * sizeOf(load.getResult().getType()) *
                    ((element.getIntOrFloatBitWidth() + 7) / 8);
    } else if (auto einsum = dyn_cast<tile::EinsumOp>(op)) {
      double points = times * sizeOf(einsum.getResult().getType());
      for (auto [rank, size] :
           llvm::zip(strings(einsum.getReduced()), einsum.getReducedSizes()))
        points *= size < 0 ? extents.lookup(rank) : size;
      count(einsum.getMap(), points);
      if (einsum.getMonoid() &&
          isa<FloatType>(einsum.getResult().getType().getElementType()))
        cost.flops += points;
    }
  }
}

/// Each tensor that is read or written, once.
void Counter::memory(Operation *op) {
  llvm::SetVector<Value> tensors;
  op->walk([&](Operation *inner) {
    for (Value operand : inner->getOperands()) {
      if (!isa<NamedTensorType>(operand.getType()))
        continue;
      Operation *def = operand.getDefiningOp();
      if (!def || !op->isAncestor(def))
        tensors.insert(operand);
    }
  });
  tensors.insert_range(op->getResults());
  for (Value tensor : tensors)
    cost.bytes += bytesOf(tensor, extents);
}

Cost Counter::of(Operation *op) {
  cost = Cost();
  if (isa<EquationsOp>(op))
    return cost;
  memory(op);
  if (auto kernel = dyn_cast<tile::KernelOp>(op))
    tiles(kernel.getBody().front(),
          pointsOf(strings(kernel.getGrid()), extents));
  else if (auto kernel = dyn_cast<KernelOp>(op))
    for (auto inner : kernel.getBody().front().getOps<EinsumOp>())
      einsum(inner, 1);
  else if (auto definition = dyn_cast<EinsumOp>(op))
    einsum(definition, 1);
  return cost;
}

static void add(Cost &sum, const Cost &cost) {
  sum.flops += cost.flops;
  sum.transcendental += cost.transcendental;
  sum.bytes += cost.bytes;
  sum.loads += cost.loads;
}

void explain::countCosts(const Stages &stages, const Extents &scheduled,
                         const Extents &written, Report &report) {
  CascadeOp source = stages.written, kernels = stages.scheduled;
  Counter before(source, written, report);
  for (Operation &op : source.getBody().front())
    if (op.getNumResults() && isa<NamedTensorType>(op.getResultTypes()[0]))
      add(report.written, before.of(&op));
  Counter after(kernels, scheduled, report);
  unsigned number = 0;
  for (Operation &op : kernels.getBody().front()) {
    if (op.getNumResults() == 0 || isa<EquationsOp>(op) ||
        !isa<NamedTensorType>(op.getResultTypes()[0]))
      continue;
    Kernel &kernel = report.kernels[number++];
    kernel.cost = after.of(&op);
    add(report.derived, kernel.cost);
  }
}
