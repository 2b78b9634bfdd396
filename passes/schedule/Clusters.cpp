//===- Clusters.cpp - which definitions run a row at a time -----*- C++ -*-===//
#include "passes/schedule/Clusters.h"
#include "passes/schedule/Windows.h"

using namespace mlir;
using namespace attn;

/// A node and all large tensors it needs; none if there are none.
std::optional<Cluster> Clusters::clusterOf(unsigned sink) {
  Cluster cluster;
  cluster.sinks.insert(sink);
  cluster.nodes.insert(sink);
  for (size_t i = 0; i < cluster.nodes.size(); ++i)
    for (Operation *op : graph.nodes[cluster.nodes[i]].ops)
      for (const TensorAccess &access : accessesOf(op))
        if (int64_t m = graph.nodeOf(access.tensor);
            m >= 0 && graph.isLarge(access.tensor))
          cluster.nodes.insert(m);
  if (cluster.nodes.size() == 1 && !graph.isLarge(sink))
    return std::nullopt;
  return cluster;
}

/// No cluster runs before and after another one.
bool Clusters::isAcyclic(ArrayRef<Cluster> trial) {
  ArrayRef<Node> nodes = graph.nodes;
  std::vector<unsigned> home(nodes.size());
  for (unsigned n = 0; n < nodes.size(); ++n)
    home[n] = n;
  for (auto [c, cluster] : llvm::enumerate(trial))
    for (unsigned n : cluster.sinks)
      home[n] = nodes.size() + c;
  std::vector<NodeSet> edges(nodes.size() + trial.size());
  for (unsigned n = 0; n < nodes.size(); ++n)
    if (home[n] == n)
      for (unsigned m : nodes[n].needs)
        edges[n].insert(home[m]);
  for (auto [c, cluster] : llvm::enumerate(trial))
    for (unsigned n : cluster.nodes)
      for (unsigned m : nodes[n].needs)
        if (!cluster.nodes.contains(m))
          edges[nodes.size() + c].insert(home[m]);
  return llvm::all_of(componentsOf(edges), [](const auto &component) {
    return component.size() == 1;
  });
}

/// Adds what runs between the cluster's members, whole clusters included.
void Clusters::close(Cluster &cluster) {
  for (bool changed = true; changed;) {
    changed = false;
    for (unsigned n = 0; n < graph.nodes.size(); ++n) {
      if (cluster.nodes.contains(n))
        continue;
      bool after = llvm::any_of(
          cluster.sinks, [&](unsigned s) { return graph.reaches(s, n); });
      bool before = llvm::any_of(
          cluster.sinks, [&](unsigned s) { return graph.reaches(n, s); });
      if (!after || !before)
        continue;
      changed = true;
      cluster.nodes.insert(n);
      if (!graph.hasSmallResult(n))
        continue;
      cluster.sinks.insert(n);
      for (const Cluster &other : clusters)
        if (other.sinks.contains(n)) {
          cluster.nodes.insert_range(other.nodes);
          cluster.sinks.insert_range(other.sinks);
        }
    }
  }
}

bool Clusters::tryMerge(unsigned a, unsigned b) {
  Cluster joint = clusters[a];
  joint.nodes.insert_range(clusters[b].nodes);
  joint.sinks.insert_range(clusters[b].sinks);
  close(joint);
  if (!ClusterRanks(graph, joint).choose())
    return false;
  // Rows in order are fewer to run at once.
  if (joint.stream && !(clusters[a].stream && clusters[b].stream))
    return false;
  std::vector<Cluster> trial;
  for (const Cluster &other : clusters)
    if (!llvm::is_contained(joint.sinks, other.sinks.front()))
      trial.push_back(other);
  trial.push_back(joint);
  if (!isAcyclic(trial))
    return false;
  clusters = std::move(trial);
  return true;
}

/// Clusters that compute the same large tensors become one.
void Clusters::merge() {
  auto mergeOne = [&] {
    for (unsigned b = 0; b < clusters.size(); ++b)
      for (unsigned a = 0; a < b; ++a)
        if (llvm::any_of(
                clusters[a].nodes,
                [&](unsigned n) { return clusters[b].nodes.contains(n); }) &&
            tryMerge(a, b))
          return true;
    return false;
  };
  while (mergeOne())
    ;
}

//===----------------------------------------------------------------------===//
// Tensors that are kept
//===----------------------------------------------------------------------===//

/// What may be kept in full so that a cluster without it has rows: all that
/// keeps it from fixing some rank, or one large tensor. The smallest first.
std::vector<Clusters::Choice> Clusters::choicesOf(const Cluster &cluster,
                                                  ArrayRef<Value> large) {
  std::vector<Choice> choices;
  Operation *first = graph.nodes[cluster.sinks.front()].ops.front();
  for (StringAttr rank : ranksOf(first->getResult(0))) {
    Choice blockers;
    for (Operation *op : graph.opsOf(cluster.nodes))
      if (!rowsAtATime(graph.cascade, op, rank))
        llvm::copy_if(op->getResults(), std::back_inserter(blockers),
                      [&](Value tensor) { return graph.isLarge(tensor); });
    if (!blockers.empty())
      choices.push_back(blockers);
  }
  for (Value tensor : llvm::reverse(large))
    choices.push_back({tensor});
  llvm::stable_sort(choices, [&](const Choice &a, const Choice &b) {
    return costOf(a) < costOf(b);
  });
  return choices;
}

std::tuple<size_t, size_t, size_t> Clusters::costOf(ArrayRef<Value> choice) {
  size_t factors = 0, beyond = 0;
  for (Value tensor : choice) {
    auto degree = graph.sizes.degree(ranksOf(tensor));
    factors = std::max(factors, degree.first);
    beyond = std::max(beyond, degree.second);
  }
  return {factors, beyond, choice.size()};
}

/// No ranks fit: what keeps the cluster from fixing some rank is kept in full,
/// as few tensors as do; or else the first of all.
void Clusters::give(const Cluster &cluster, const std::string &why) {
  SmallVector<unsigned> order(cluster.nodes.begin(), cluster.nodes.end());
  llvm::sort(order);
  SmallVector<Value> large;
  for (unsigned n : order)
    for (Operation *op : graph.nodes[n].ops)
      llvm::copy_if(op->getResults(), std::back_inserter(large),
                    [&](Value tensor) { return graph.isLarge(tensor); });
  std::vector<Choice> choices = choicesOf(cluster, large);
  // First of all where other members remain, then where the sink alone does.
  for (bool alone : {false, true})
    for (const Choice &choice : choices) {
      if (alone && costOf(large.front()) < costOf(choice))
        break;
      for (Value tensor : choice)
        graph.materialised[tensor] = why;
      auto smaller = clusterOf(cluster.sinks.front());
      if (alone ? !smaller
                : smaller && smaller->nodes.size() > 1 &&
                      ClusterRanks(graph, *smaller).choose())
        return;
      for (Value tensor : choice)
        graph.materialised.erase(tensor);
    }
  graph.materialised[large.front()] = why;
}

void Clusters::find() {
  for (bool settled = false; !settled;) {
    settled = true;
    clusters.clear();
    for (unsigned n = 0; n < graph.nodes.size() && settled; ++n) {
      if (!graph.hasSmallResult(n))
        continue;
      std::optional<Cluster> cluster = clusterOf(n);
      if (!cluster)
        continue;
      ClusterRanks ranks(graph, *cluster);
      settled = ranks.choose();
      if (settled)
        clusters.push_back(std::move(*cluster));
      else
        give(*cluster, ranks.reason());
    }
  }
}

Clusters::Clusters(CascadeOp cascade) : graph(cascade) {
  find();
  merge();
}
