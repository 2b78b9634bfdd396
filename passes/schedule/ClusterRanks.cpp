//===- ClusterRanks.cpp - over which ranks a cluster has rows ---*- C++ -*-===//
#include "passes/schedule/ClusterRanks.h"
#include "dialect/tile/Tile.h"
#include "passes/schedule/Windows.h"

using namespace mlir;
using namespace attn;

int64_t ClusterRanks::memberOf(Value tensor) const {
  int64_t node = graph.nodeOf(tensor);
  return node >= 0 && cluster.nodes.contains(node) ? node : -1;
}

/// What is left of every intermediate at a point of `parallel` is small.
bool ClusterRanks::isResident(RankRef parallel) {
  for (Operation *op : graph.opsOf(cluster.nodes))
    for (Value tensor : op->getResults()) {
      if (!graph.isLarge(tensor))
        continue;
      Ranks rest(llvm::make_filter_range(ranksOf(tensor), [&](StringAttr rank) {
        return !llvm::is_contained(parallel, rank);
      }));
      if (!graph.sizes.isSmall(rest))
        return false;
    }
  return true;
}

//===----------------------------------------------------------------------===//
// Rows
//===----------------------------------------------------------------------===//

std::nullopt_t ClusterRanks::refuse(StringAttr rank, std::string why) {
  reasons[rank.str()] = std::move(why);
  return std::nullopt;
}

std::string ClusterRanks::reason() const {
  std::string text;
  for (auto &[rank, why] : reasons)
    text += (text.empty() ? "" : "; ") + rank + ": " + why;
  return text;
}

std::optional<int64_t> ClusterRanks::rowsOf(StringAttr rank) {
  int64_t rows = 1;
  for (Operation *op : graph.opsOf(cluster.nodes)) {
    int64_t own = rowsAtATime(graph.cascade, op, rank);
    if (own == 0 || (rows > 1 && own > 1 && own != rows)) {
      auto einsum = dyn_cast<EinsumOp>(op);
      bool reduced = einsum && llvm::is_contained(einsum.getReduced(), rank);
      return refuse(rank, reduced
                              ? definitionName(op) + " reduces it"
                              : "every row needs all of " + definitionName(op));
    }
    rows = std::max(rows, own);
  }
  return rows;
}

std::optional<bool> ClusterRanks::hasHalo(StringAttr rank) {
  bool halo = false;
  // Consumers first: how many rows around its own each node computes.
  SmallVector<unsigned> order(cluster.nodes.begin(), cluster.nodes.end());
  llvm::sort(order);
  DenseMap<unsigned, Window> needed;
  for (unsigned n : llvm::reverse(order)) {
    ArrayRef<Operation *> ops = graph.nodes[n].ops;
    Window own = needed.lookup(n);
    bool tiled = isa<tile::KernelOp>(ops.front());
    if (!own.isRow() && (cluster.sinks.contains(n) || tiled))
      return refuse(rank,
                    definitionName(ops.front()) + " is read at other rows");
    halo |= !own.isRow();
    for (Operation *op : ops)
      for (const TensorAccess &access : accessesOf(op)) {
        int64_t m = memberOf(access.tensor);
        if (m < 0)
          continue;
        auto window = windowOf(graph.cascade, op, access, rank);
        if (!window || (m == int64_t(n) && !window->isRow()))
          return refuse(rank, definitionName(op) + " reads " +
                                  definitionName(access.tensor) + " across it");
        if (m != int64_t(n))
          needed[m].unite(own + *window);
      }
  }
  return halo;
}

std::optional<ClusterRanks::Candidate>
ClusterRanks::candidate(StringAttr rank) {
  // Rows of a block whose rows read their neighbours.
  constexpr int64_t haloBlock = 32;
  std::optional<int64_t> rows = rowsOf(rank);
  std::optional<bool> halo = rows ? hasHalo(rank) : std::nullopt;
  if (!halo)
    return std::nullopt;
  return Candidate{rank, *halo && *rows == 1 ? haloBlock : *rows, *halo};
}

bool ClusterRanks::choose() {
  reasons.clear();
  Ranks plain;
  SmallVector<Candidate> blocked;
  Operation *first = graph.nodes[cluster.sinks.front()].ops.front();
  RankRef order = ranksOf(first->getResult(0));
  for (StringAttr rank : order)
    if (auto found = candidate(rank)) {
      if (found->isPlain())
        plain.push_back(rank);
      else
        blocked.push_back(*found);
    }
  auto take = [&](const Candidate *extra) {
    Ranks parallel;
    for (StringAttr rank : order)
      if (llvm::is_contained(plain, rank) || (extra && extra->rank == rank))
        parallel.push_back(rank);
    if (parallel.empty() || !isResident(parallel))
      return false;
    cluster.parallel = parallel;
    cluster.blocked = extra ? extra->rank : StringAttr();
    cluster.block = extra ? extra->block : 1;
    cluster.stream = {};
    return true;
  };
  // Blocks of tile kernels cost nothing, halos are computed twice.
  for (const Candidate &extra : blocked)
    if (!extra.halo && take(&extra))
      return true;
  if (take(nullptr))
    return true;
  for (const Candidate &extra : blocked)
    if (extra.halo && take(&extra))
      return true;
  return chooseStream(plain);
}

//===----------------------------------------------------------------------===//
// Streams
//===----------------------------------------------------------------------===//

/// The node is a reduction over the rank whose parts may be combined in
/// ascending order.
static bool accumulates(const Node &node, StringAttr rank) {
  auto op = dyn_cast<EinsumOp>(node.ops.front());
  if (!op || node.ops.size() != 1 || !llvm::is_contained(op.getReduced(), rank))
    return false;
  return op.builtinReduce() || op.getReduced()[0] == rank;
}

/// All members have the rank but reductions over it, whose results no member
/// reads; nothing is read at another row of it.
bool ClusterRanks::canStream(StringAttr rank) {
  bool any = false;
  for (unsigned n : cluster.nodes) {
    const Node &node = graph.nodes[n];
    bool sums = cluster.sinks.contains(n) && accumulates(node, rank);
    any |= sums;
    for (Operation *op : node.ops) {
      if (!sums && (rowsAtATime(graph.cascade, op, rank) != 1 ||
                    isa<tile::KernelOp>(op)))
        return false;
      for (const TensorAccess &access : accessesOf(op)) {
        if (memberOf(access.tensor) < 0)
          continue;
        auto window = windowOf(graph.cascade, op, access, rank);
        if (!window || !window->isRow())
          return false;
      }
    }
  }
  return any;
}

/// FUBINI and COLUMN: the sinks' other rank in order, a row at a time.
bool ClusterRanks::chooseStream(RankRef parallel) {
  if (parallel.empty())
    return false;
  llvm::SetVector<StringAttr> candidates;
  for (unsigned n : cluster.sinks)
    if (auto einsum = dyn_cast<EinsumOp>(graph.nodes[n].ops.front()))
      candidates.insert_range(strings(einsum.getReduced()));
  for (StringAttr rank : candidates) {
    Ranks all(parallel);
    all.push_back(rank);
    if (!canStream(rank) || !isResident(all))
      continue;
    cluster.parallel.assign(parallel.begin(), parallel.end());
    cluster.blocked = {};
    cluster.block = 1;
    cluster.stream = rank;
    return true;
  }
  return false;
}
