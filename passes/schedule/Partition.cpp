//===- Partition.cpp - --attn-partition -------------------------*- C++ -*-===//
// Definitions that run a row at a time become kernels: each cluster is cloned
// into one, whose results replace those of the originals.
#include "passes/schedule/Clusters.h"
#include "passes/schedule/Passes.h"

namespace attn {
#define GEN_PASS_DEF_ATTNPARTITION
#include "passes/schedule/Passes.h.inc"
} // namespace attn

using namespace mlir;
using namespace attn;

namespace {

/// A kernel whose stream no tile program covers: its definitions run like all
/// others.
void dissolve(KernelOp kernel) {
  ReturnOp ret = kernel.getReturn();
  for (auto [result, value] : llvm::zip(kernel.getResults(), ret.getOperands()))
    result.replaceAllUsesWith(value);
  Block &body = kernel.getBody().front();
  ret.erase();
  kernel->getBlock()->getOperations().splice(kernel->getIterator(),
                                             body.getOperations());
  kernel.erase();
}

class Builder {
public:
  Builder(CascadeOp cascade, Clusters &clusters)
      : cascade(cascade), clusters(clusters), b(cascade.getContext()) {}

  void run() {
    for (const Cluster &cluster : clusters.clusters)
      build(cluster);
    // Kernels read each other's results, and so does what is outside.
    for (auto [original, result] : replaced)
      original.replaceAllUsesWith(result);
  }

private:
  /// Results that something outside of the cluster reads.
  SmallVector<Value> results(const Cluster &cluster) {
    DenseSet<Operation *> members;
    for (unsigned n : cluster.nodes)
      members.insert(clusters.graph.nodes[n].ops.begin(),
                     clusters.graph.nodes[n].ops.end());
    SmallVector<Value> values;
    Block &body = cascade.getBody().front();
    for (unsigned n : cluster.sinks)
      for (Operation *op : clusters.graph.nodes[n].ops)
        for (Value value : op->getResults())
          if (llvm::any_of(value.getUsers(), [&](Operation *user) {
                return !members.contains(body.findAncestorOpInBlock(*user));
              }))
            values.push_back(value);
    return values;
  }

  void build(const Cluster &cluster) {
    SmallVector<Value> values = results(cluster);
    MLIRContext *ctx = cascade.getContext();
    b.setInsertionPoint(cascade.getReturn());
    DictionaryAttr tile;
    if (cluster.blocked)
      tile = b.getDictionaryAttr(
          b.getNamedAttr(cluster.blocked, b.getI64IntegerAttr(cluster.block)));
    auto schedule = ScheduleAttr::get(ctx, cluster.parallel, cluster.stream,
                                      tile, StringAttr(), 1);
    auto types =
        llvm::map_to_vector(values, [](Value v) { return v.getType(); });
    auto kernel = KernelOp::create(b, cascade.getLoc(), types, schedule);
    b.createBlock(&kernel.getBody());
    IRMapping mapping;
    SmallVector<unsigned> order(cluster.nodes.begin(), cluster.nodes.end());
    llvm::sort(order);
    for (unsigned n : order)
      for (Operation *op : clusters.graph.nodes[n].ops)
        b.clone(*op, mapping);
    auto inside =
        llvm::map_to_vector(values, [&](Value v) { return mapping.lookup(v); });
    ReturnOp::create(b, cascade.getLoc(), inside);
    // What a recurrence read before it was cloned.
    kernel.walk([&](Operation *op) {
      for (OpOperand &operand : op->getOpOperands())
        if (Value clone = mapping.lookupOrNull(operand.get());
            clone && isa<NamedTensorType>(clone.getType()))
          operand.set(clone);
    });
    for (auto [value, result] : llvm::zip(values, kernel.getResults()))
      replaced.push_back({value, result});
  }

  CascadeOp cascade;
  Clusters &clusters;
  OpBuilder b;
  SmallVector<std::pair<Value, Value>> replaced;
};

struct Partition : attn::impl::AttnPartitionBase<Partition> {
  void runOnOperation() override {
    CascadeOp cascade = getOperation();
    for (KernelOp kernel : llvm::make_early_inc_range(
             cascade.getBody().front().getOps<KernelOp>()))
      if (ScheduleAttr schedule = kernel.getScheduleAttr();
          schedule && schedule.getStream() && schedule.getTile())
        dissolve(kernel);
    Clusters clusters(cascade);
    for (auto &[tensor, why] : clusters.graph.materialised)
      tensor.getDefiningOp()->setAttr("attn.materialised",
                                      StringAttr::get(&getContext(), why));
    Builder(cascade, clusters).run();
    eraseDead(cascade);
  }
};

} // namespace
