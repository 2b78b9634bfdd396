//===- Clusters.cpp - which definitions run a row at a time -----*- C++ -*-===//
#include "passes/schedule/Clusters.h"

using namespace mlir;
using namespace attn;

// Rows of a block whose rows read their neighbours.
constexpr int64_t haloBlock = 32;

static ArrayRef<StringAttr> ranksOf(Value tensor) {
  return cast<NamedTensorType>(tensor.getType()).getRanks();
}

static std::string nameOfOp(Operation *op, unsigned result = 0) {
  if (auto einsum = dyn_cast<EinsumOp>(op))
    return strings(einsum.getNames())[result].str();
  if (auto equations = dyn_cast<EquationsOp>(op))
    return equations.getName().str();
  if (auto order = dyn_cast<OrderOp>(op))
    return order.getName().str();
  if (auto kernel = dyn_cast<tile::KernelOp>(op))
    return kernel.getName().str();
  return "a kernel";
}

std::string attn::definitionName(Value tensor) {
  if (Operation *op = tensor.getDefiningOp())
    return nameOfOp(op, cast<OpResult>(tensor).getResultNumber());
  return "an input";
}

//===----------------------------------------------------------------------===//
// The graph
//===----------------------------------------------------------------------===//

namespace {
/// Tarjan's components, dependences first.
class Components {
public:
  explicit Components(const std::vector<llvm::SetVector<unsigned>> &edges)
      : edges(edges), index(edges.size()), low(edges.size()),
        onStack(edges.size()) {
    for (unsigned i = 0; i < edges.size(); ++i)
      if (!index[i])
        visit(i);
  }
  std::vector<SmallVector<unsigned>> found;

private:
  void visit(unsigned u) {
    index[u] = low[u] = next++;
    stack.push_back(u);
    onStack[u] = true;
    for (unsigned v : edges[u]) {
      if (!index[v]) {
        visit(v);
        low[u] = std::min(low[u], low[v]);
      } else if (onStack[v]) {
        low[u] = std::min(low[u], index[v]);
      }
    }
    if (low[u] != index[u])
      return;
    found.emplace_back();
    unsigned v;
    do {
      v = stack.pop_back_val();
      onStack[v] = false;
      found.back().push_back(v);
    } while (v != u);
    llvm::sort(found.back());
  }

  const std::vector<llvm::SetVector<unsigned>> &edges;
  std::vector<unsigned> index, low;
  SmallVector<unsigned> stack;
  std::vector<bool> onStack;
  unsigned next = 1;
};
} // namespace

void Clusters::buildNodes() {
  SmallVector<Operation *> ops;
  DenseMap<Operation *, unsigned> position;
  for (Operation &op : cascade.getBody().front())
    if (isa<EinsumOp, OrderOp, EquationsOp, tile::KernelOp, KernelOp>(op)) {
      position[&op] = ops.size();
      ops.push_back(&op);
    }
  std::vector<llvm::SetVector<unsigned>> edges(ops.size());
  for (auto [i, op] : llvm::enumerate(ops)) {
    for (const TensorAccess &access : accessesOf(op))
      if (Operation *def = access.tensor.getDefiningOp())
        if (auto it = position.find(def); it != position.end())
          edges[i].insert(it->second);
    // An equation is stored where its tensor is: both are one.
    if (auto equations = dyn_cast<EquationsOp>(op))
      for (Value operand : equations.getEquations())
        if (Operation *def = operand.getDefiningOp();
            isa_and_nonnull<EinsumOp, OrderOp>(def))
          edges[position[def]].insert(i);
  }
  for (const SmallVector<unsigned> &component : Components(edges).found) {
    Node node;
    for (unsigned i : component) {
      node.ops.push_back(ops[i]);
      numbers[ops[i]] = nodes.size();
    }
    nodes.push_back(std::move(node));
  }
  for (auto [n, node] : llvm::enumerate(nodes))
    for (Operation *op : node.ops)
      for (const TensorAccess &access : accessesOf(op))
        if (int64_t m = nodeOf(access.tensor); m >= 0 && m != int64_t(n))
          node.needs.insert(m);
  for (Node &node : nodes) {
    llvm::SmallBitVector all(nodes.size());
    for (unsigned m : node.needs) {
      all.set(m);
      all |= reach[m];
    }
    reach.push_back(std::move(all));
  }
}

int64_t Clusters::nodeOf(Value tensor) const {
  Operation *op = tensor.getDefiningOp();
  auto it = op ? numbers.find(op) : numbers.end();
  return it == numbers.end() ? -1 : int64_t(it->second);
}

bool Clusters::isLarge(Value tensor) {
  return !sizes.isSmall(ranksOf(tensor)) && !materialised.contains(tensor);
}

bool Clusters::isLarge(unsigned node) {
  return llvm::any_of(nodes[node].ops, [&](Operation *op) {
    return llvm::any_of(op->getResults(), [&](Value v) { return isLarge(v); });
  });
}

/// True if others read a small tensor of the node.
bool Clusters::hasSmallResult(unsigned node) {
  for (Operation *op : nodes[node].ops)
    for (Value result : op->getResults()) {
      if (isLarge(result))
        continue;
      for (Operation *user : result.getUsers()) {
        Operation *top = cascade.getBody().front().findAncestorOpInBlock(*user);
        auto it = numbers.find(top);
        if (it == numbers.end() || it->second != node)
          return true;
      }
    }
  return false;
}

//===----------------------------------------------------------------------===//
// Ranks
//===----------------------------------------------------------------------===//

int64_t Clusters::rowsOf(const Cluster &cluster, StringAttr rank, bool &halo,
                         std::string &why) {
  halo = false;
  int64_t rows = 1;
  for (unsigned n : cluster.nodes)
    for (Operation *op : nodes[n].ops) {
      int64_t own = rowsAtATime(cascade, op, rank);
      if (own == 0 || (rows > 1 && own > 1 && own != rows)) {
        auto einsum = dyn_cast<EinsumOp>(op);
        bool reduced = einsum && llvm::is_contained(einsum.getReduced(), rank);
        why = reduced ? nameOfOp(op) + " reduces it"
                      : "every row needs all of " + nameOfOp(op);
        return 0;
      }
      rows = std::max(rows, own);
    }
  // Consumers first: how many rows around its own each node computes.
  SmallVector<unsigned> order(cluster.nodes.begin(), cluster.nodes.end());
  llvm::sort(order);
  DenseMap<unsigned, Window> needed;
  for (unsigned n : llvm::reverse(order)) {
    Window own = needed.lookup(n);
    bool tiled = isa<tile::KernelOp>(nodes[n].ops.front());
    if (!own.isRow() && (cluster.sinks.contains(n) || tiled)) {
      why = nameOfOp(nodes[n].ops.front()) + " is read at other rows";
      return 0;
    }
    halo |= !own.isRow();
    for (Operation *op : nodes[n].ops)
      for (const TensorAccess &access : accessesOf(op)) {
        int64_t m = nodeOf(access.tensor);
        if (m < 0 || !cluster.nodes.contains(m))
          continue;
        auto window = windowOf(cascade, op, access, rank);
        if (!window || (m == int64_t(n) && !window->isRow())) {
          why = nameOfOp(op) + " reads " + definitionName(access.tensor) +
                " across it";
          return 0;
        }
        if (m != int64_t(n))
          needed[m].unite(own + *window);
      }
  }
  return rows;
}

/// What is left of every intermediate at a point of `parallel` is small.
bool Clusters::isResident(const Cluster &cluster, RankRef parallel) {
  for (unsigned n : cluster.nodes)
    for (Operation *op : nodes[n].ops)
      for (Value tensor : op->getResults()) {
        if (!isLarge(tensor))
          continue;
        Ranks rest;
        for (StringAttr rank : ranksOf(tensor))
          if (!llvm::is_contained(parallel, rank))
            rest.push_back(rank);
        if (!sizes.isSmall(rest))
          return false;
      }
  return true;
}

bool Clusters::choose(Cluster &cluster) {
  reasons.clear();
  struct Candidate {
    StringAttr rank;
    int64_t block;
    bool halo;
  };
  Ranks plain;
  SmallVector<Candidate> blocked;
  Operation *first = nodes[cluster.sinks.front()].ops.front();
  Ranks order(ranksOf(first->getResult(0)));
  for (StringAttr rank : order) {
    bool halo;
    int64_t rows = rowsOf(cluster, rank, halo, reasons[rank.str()]);
    if (rows == 1 && !halo)
      plain.push_back(rank);
    else if (rows)
      blocked.push_back({rank, rows > 1 ? rows : haloBlock, halo});
  }
  auto take = [&](const Candidate *extra) {
    Ranks parallel;
    for (StringAttr rank : order)
      if (llvm::is_contained(plain, rank) || (extra && extra->rank == rank))
        parallel.push_back(rank);
    if (parallel.empty() || !isResident(cluster, parallel))
      return false;
    cluster.parallel = parallel;
    cluster.blocked = extra ? extra->rank : StringAttr();
    cluster.block = extra ? extra->block : 1;
    cluster.stream = {};
    return true;
  };
  // Blocks of tile kernels cost nothing, halos are computed twice.
  for (const Candidate &candidate : blocked)
    if (!candidate.halo && take(&candidate))
      return true;
  if (take(nullptr))
    return true;
  for (const Candidate &candidate : blocked)
    if (candidate.halo && take(&candidate))
      return true;
  return chooseStream(cluster, plain);
}

bool Clusters::accumulates(unsigned node, StringAttr rank) {
  auto op = dyn_cast<EinsumOp>(nodes[node].ops.front());
  if (!op || nodes[node].ops.size() != 1 ||
      !llvm::is_contained(op.getReduced(), rank))
    return false;
  return op.builtinReduce() || op.getReduced()[0] == rank;
}

/// All members have the rank but reductions over it, whose results no member
/// reads; nothing is read at another row of it.
bool Clusters::canStream(const Cluster &cluster, StringAttr rank) {
  bool any = false;
  for (unsigned n : cluster.nodes) {
    bool sums = cluster.sinks.contains(n) && accumulates(n, rank);
    any |= sums;
    for (Operation *op : nodes[n].ops) {
      if (!sums &&
          (rowsAtATime(cascade, op, rank) != 1 || isa<tile::KernelOp>(op)))
        return false;
      for (const TensorAccess &access : accessesOf(op)) {
        int64_t m = nodeOf(access.tensor);
        if (m < 0 || !cluster.nodes.contains(m))
          continue;
        auto window = windowOf(cascade, op, access, rank);
        if (!window || !window->isRow())
          return false;
      }
    }
  }
  return any;
}

/// FUBINI and COLUMN: the sinks' other rank in order, a row at a time.
bool Clusters::chooseStream(Cluster &cluster, RankRef parallel) {
  if (parallel.empty())
    return false;
  llvm::SetVector<StringAttr> candidates;
  for (unsigned n : cluster.sinks)
    if (auto einsum = dyn_cast<EinsumOp>(nodes[n].ops.front()))
      candidates.insert_range(strings(einsum.getReduced()));
  for (StringAttr rank : candidates) {
    Ranks all(parallel);
    all.push_back(rank);
    if (!canStream(cluster, rank) || !isResident(cluster, all))
      continue;
    cluster.parallel.assign(parallel.begin(), parallel.end());
    cluster.blocked = {};
    cluster.block = 1;
    cluster.stream = rank;
    return true;
  }
  return false;
}

//===----------------------------------------------------------------------===//
// Clusters
//===----------------------------------------------------------------------===//

/// A node and all large tensors it needs; none if there are none.
std::optional<Cluster> Clusters::clusterOf(unsigned sink) {
  Cluster cluster;
  cluster.sinks.insert(sink);
  cluster.nodes.insert(sink);
  for (size_t i = 0; i < cluster.nodes.size(); ++i)
    for (Operation *op : nodes[cluster.nodes[i]].ops)
      for (const TensorAccess &access : accessesOf(op))
        if (int64_t m = nodeOf(access.tensor); m >= 0 && isLarge(access.tensor))
          cluster.nodes.insert(m);
  if (cluster.nodes.size() == 1 && !isLarge(sink))
    return std::nullopt;
  return cluster;
}

/// No cluster runs before and after another one.
bool Clusters::isAcyclic(ArrayRef<Cluster> trial) {
  std::vector<unsigned> home(nodes.size());
  for (unsigned n = 0; n < nodes.size(); ++n)
    home[n] = n;
  for (auto [c, cluster] : llvm::enumerate(trial))
    for (unsigned n : cluster.sinks)
      home[n] = nodes.size() + c;
  std::vector<llvm::SetVector<unsigned>> edges(nodes.size() + trial.size());
  for (unsigned n = 0; n < nodes.size(); ++n)
    if (home[n] == n)
      for (unsigned m : nodes[n].needs)
        edges[n].insert(home[m]);
  for (auto [c, cluster] : llvm::enumerate(trial))
    for (unsigned n : cluster.nodes)
      for (unsigned m : nodes[n].needs)
        if (!cluster.nodes.contains(m))
          edges[nodes.size() + c].insert(home[m]);
  return llvm::all_of(Components(edges).found, [](const auto &component) {
    return component.size() == 1;
  });
}

/// Adds what runs between the cluster's members, whole clusters included.
void Clusters::close(Cluster &cluster) {
  for (bool changed = true; changed;) {
    changed = false;
    for (unsigned n = 0; n < nodes.size(); ++n) {
      if (cluster.nodes.contains(n))
        continue;
      bool after = llvm::any_of(cluster.sinks,
                                [&](unsigned s) { return reaches(s, n); });
      bool before = llvm::any_of(cluster.sinks,
                                 [&](unsigned s) { return reaches(n, s); });
      if (!after || !before)
        continue;
      changed = true;
      cluster.nodes.insert(n);
      if (!hasSmallResult(n))
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
  if (!choose(joint))
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

/// Large tensors of the cluster that keep it from fixing a rank.
SmallVector<Value> Clusters::blockersOf(const Cluster &cluster,
                                        StringAttr rank) {
  SmallVector<Value> blockers;
  for (unsigned n : cluster.nodes)
    for (Operation *op : nodes[n].ops)
      if (!rowsAtATime(cascade, op, rank))
        for (Value tensor : op->getResults())
          if (isLarge(tensor))
            blockers.push_back(tensor);
  return blockers;
}

/// No ranks fit: what keeps the cluster from fixing some rank is kept in full,
/// as few tensors as do; or else the first of all.
void Clusters::give(const Cluster &cluster) {
  auto why = [&] {
    std::string text;
    for (auto &[rank, reason] : reasons)
      if (!reason.empty())
        text += (text.empty() ? "" : "; ") + rank + ": " + reason;
    return text;
  }();
  SmallVector<unsigned> order(cluster.nodes.begin(), cluster.nodes.end());
  llvm::sort(order);
  SmallVector<SmallVector<Value>> choices;
  Operation *first = nodes[cluster.sinks.front()].ops.front();
  for (StringAttr rank : ranksOf(first->getResult(0)))
    choices.push_back(blockersOf(cluster, rank));
  SmallVector<Value> large;
  for (unsigned n : order)
    for (Operation *op : nodes[n].ops)
      for (Value tensor : op->getResults())
        if (isLarge(tensor))
          large.push_back(tensor);
  for (Value tensor : llvm::reverse(large))
    choices.push_back({tensor});
  // The smallest first.
  auto cost = [&](const SmallVector<Value> &choice) {
    std::tuple<size_t, size_t, size_t> cost{0, 0, choice.size()};
    for (Value tensor : choice) {
      auto [factors, beyond] = sizes.degree(ranksOf(tensor));
      std::get<0>(cost) = std::max(std::get<0>(cost), factors);
      std::get<1>(cost) = std::max(std::get<1>(cost), beyond);
    }
    return cost;
  };
  llvm::erase_if(choices, [](const auto &choice) { return choice.empty(); });
  llvm::stable_sort(choices, [&](const auto &a, const auto &b) {
    return cost(a) < cost(b);
  });
  // First of all where other members remain, then where the sink alone does.
  for (bool alone : {false, true})
    for (const SmallVector<Value> &choice : choices) {
      if (alone && cost({large.front()}) < cost(choice))
        break;
      for (Value tensor : choice)
        materialised[tensor] = why;
      auto smaller = clusterOf(cluster.sinks.front());
      if (alone ? !smaller
                : smaller && smaller->nodes.size() > 1 && choose(*smaller))
        return;
      for (Value tensor : choice)
        materialised.erase(tensor);
    }
  materialised[large.front()] = why;
}

void Clusters::find() {
  for (bool settled = false; !settled;) {
    settled = true;
    clusters.clear();
    for (unsigned n = 0; n < nodes.size() && settled; ++n) {
      if (!hasSmallResult(n))
        continue;
      std::optional<Cluster> cluster = clusterOf(n);
      if (!cluster)
        continue;
      if (choose(*cluster)) {
        clusters.push_back(std::move(*cluster));
        continue;
      }
      give(*cluster);
      settled = false;
    }
  }
}

Clusters::Clusters(CascadeOp cascade) : cascade(cascade), sizes(cascade) {
  buildNodes();
  find();
  merge();
}
