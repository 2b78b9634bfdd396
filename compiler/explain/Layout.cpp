//===- Layout.cpp - a graph of statements in layers -------------*- C++ -*-===//
// The usual four steps (Sugiyama): layers by the longest path, a dummy box
// where an edge crosses a layer, order by the mean of the neighbours,
// coordinates by least squares under that order.
//===----------------------------------------------------------------------===//
#include "compiler/explain/Layout.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallVector.h"

using namespace attn::explain;

constexpr double letter = 7.3, padding = 22, boxHeight = 40, gapX = 22,
                 gapY = 46, dummyWidth = 6, margin = 12;

namespace {
struct Node {
  double width = 0, x = 0;
  unsigned layer = 0;
  std::vector<unsigned> up, down; // neighbours in the layers beside
};

class Layouter {
public:
  explicit Layouter(const std::vector<Statement> &statements)
      : statements(statements) {}
  Layout run();

private:
  void chooseLayers();
  void addEdges();
  void order();
  void place();
  void placeLayer(std::vector<unsigned> &layer, bool byUpper);

  const std::vector<Statement> &statements;
  std::vector<Node> nodes;
  std::vector<std::vector<unsigned>> layers;
  std::vector<std::pair<Layout::Edge, std::vector<unsigned>>> paths;
};
} // namespace

void Layouter::chooseLayers() {
  for (auto [i, s] : llvm::enumerate(statements)) {
    Node node;
    size_t length = std::max({s.name.size(), s.type.size(), s.does.size()});
    node.width = letter * length + padding;
    for (unsigned read : s.reads)
      if (read < i)
        node.layer = std::max(node.layer, nodes[read].layer + 1);
    nodes.push_back(std::move(node));
  }
  // Inputs stand right above what reads them first.
  std::vector<unsigned> first(nodes.size(), ~0u);
  for (auto [i, s] : llvm::enumerate(statements))
    for (unsigned read : s.reads)
      if (read < i)
        first[read] = std::min(first[read], nodes[i].layer);
  for (auto [i, s] : llvm::enumerate(statements))
    if (s.kind == Statement::Input && first[i] != ~0u && first[i] > 0)
      nodes[i].layer = first[i] - 1;
}

void Layouter::addEdges() {
  auto connect = [&](unsigned upper, unsigned lower) {
    nodes[upper].down.push_back(lower);
    nodes[lower].up.push_back(upper);
  };
  for (auto [i, s] : llvm::enumerate(statements))
    for (unsigned read : s.reads) {
      bool isBack = read >= i;
      std::vector<unsigned> path{read};
      if (!isBack)
        for (unsigned l = nodes[read].layer + 1; l < nodes[i].layer; ++l) {
          Node dummy;
          dummy.width = dummyWidth;
          dummy.layer = l;
          nodes.push_back(dummy);
          connect(path.back(), nodes.size() - 1);
          path.push_back(nodes.size() - 1);
        }
      if (!isBack)
        connect(path.back(), i);
      path.push_back(i);
      paths.push_back({{read, unsigned(i), isBack, {}}, std::move(path)});
    }
  for (auto [i, node] : llvm::enumerate(nodes)) {
    layers.resize(std::max<size_t>(layers.size(), node.layer + 1));
    layers[node.layer].push_back(i);
  }
}

void Layouter::order() {
  std::vector<double> position(nodes.size());
  auto number = [&](const std::vector<unsigned> &layer) {
    for (auto [i, n] : llvm::enumerate(layer))
      position[n] = double(i) - layer.size() / 2.0;
  };
  for (auto &layer : layers)
    number(layer);
  auto sort = [&](std::vector<unsigned> &layer, bool byUpper) {
    std::vector<double> key(nodes.size());
    for (unsigned n : layer) {
      auto &beside = byUpper ? nodes[n].up : nodes[n].down;
      double sum = 0;
      for (unsigned other : beside)
        sum += position[other];
      key[n] = beside.empty() ? position[n] : sum / beside.size();
    }
    llvm::stable_sort(layer,
                      [&](unsigned a, unsigned b) { return key[a] < key[b]; });
    number(layer);
  };
  constexpr unsigned sweeps = 12;
  for (unsigned sweep = 0; sweep < sweeps; ++sweep) {
    for (auto &layer : layers)
      sort(layer, /*byUpper=*/true);
    if (sweep + 1 < sweeps)
      for (auto &layer : llvm::reverse(layers))
        sort(layer, /*byUpper=*/false);
  }
}

/// Least squares to where the neighbours want each box, in the given order and
/// without overlap: pools of boxes that touch move as one.
void Layouter::placeLayer(std::vector<unsigned> &layer, bool byUpper) {
  struct Pool {
    double sum;
    unsigned count;
    double mean() const { return sum / count; }
  };
  llvm::SmallVector<Pool> pools;
  std::vector<double> offsets;
  double offset = 0;
  for (auto [i, n] : llvm::enumerate(layer)) {
    if (i)
      offset += (nodes[layer[i - 1]].width + nodes[n].width) / 2 + gapX;
    offsets.push_back(offset);
    auto &beside = byUpper ? nodes[n].up : nodes[n].down;
    double wanted = 0;
    for (unsigned other : beside)
      wanted += nodes[other].x;
    wanted = beside.empty() ? nodes[n].x : wanted / beside.size();
    pools.push_back({wanted - offset, 1});
    while (pools.size() > 1 &&
           pools[pools.size() - 2].mean() > pools.back().mean()) {
      Pool last = pools.pop_back_val();
      pools.back().sum += last.sum;
      pools.back().count += last.count;
    }
  }
  unsigned next = 0;
  for (const Pool &pool : pools)
    for (unsigned i = 0; i < pool.count; ++i, ++next)
      nodes[layer[next]].x = pool.mean() + offsets[next];
}

void Layouter::place() {
  for (auto &layer : layers)
    placeLayer(layer, /*byUpper=*/true);
  constexpr unsigned rounds = 16;
  for (unsigned round = 0; round < rounds; ++round) {
    for (auto &layer : llvm::reverse(layers))
      placeLayer(layer, /*byUpper=*/false);
    for (auto &layer : layers)
      placeLayer(layer, /*byUpper=*/true);
  }
}

Layout Layouter::run() {
  Layout result;
  if (statements.empty())
    return result;
  chooseLayers();
  addEdges();
  order();
  place();
  double left = 1e9, right = -1e9;
  for (const Node &node : nodes) {
    left = std::min(left, node.x - node.width / 2);
    right = std::max(right, node.x + node.width / 2);
  }
  auto at = [&](unsigned n) {
    return Point{nodes[n].x - left + margin,
                 margin + boxHeight / 2 + nodes[n].layer * (boxHeight + gapY)};
  };
  for (unsigned i = 0; i < statements.size(); ++i)
    result.boxes.push_back({at(i), nodes[i].width, boxHeight});
  for (auto &[edge, path] : paths) {
    for (auto [i, n] : llvm::enumerate(path)) {
      Point point = at(n);
      // An edge passes a layer that it crosses from edge to edge.
      if (i && !edge.isBack)
        edge.points.push_back({point.x, point.y - boxHeight / 2});
      if (i + 1 < path.size() || edge.isBack)
        edge.points.push_back({point.x, point.y + boxHeight / 2});
    }
    result.edges.push_back(std::move(edge));
  }
  result.width = right - left + 2 * margin;
  result.height = layers.size() * (boxHeight + gapY) - gapY + 2 * margin;
  return result;
}

Layout attn::explain::layOut(const std::vector<Statement> &statements) {
  return Layouter(statements).run();
}
