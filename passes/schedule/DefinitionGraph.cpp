//===- DefinitionGraph.cpp - what definitions need one another --*- C++ -*-===//
#include "passes/schedule/DefinitionGraph.h"
#include "dialect/Components.h"
#include "dialect/tile/Tile.h"
#include "passes/schedule/Windows.h"

using namespace mlir;
using namespace attn;

RankRef attn::ranksOf(Value tensor) {
  return cast<NamedTensorType>(tensor.getType()).getRanks();
}

std::string attn::definitionName(Operation *op, unsigned result) {
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
    return definitionName(op, cast<OpResult>(tensor).getResultNumber());
  return "an input";
}

std::vector<SmallVector<unsigned>>
attn::componentsOf(const std::vector<NodeSet> &needs) {
  return componentsOf(needs.size(),
                      [&](unsigned i) { return needs[i].getArrayRef(); });
}

//===----------------------------------------------------------------------===//
// The graph
//===----------------------------------------------------------------------===//

DefinitionGraph::DefinitionGraph(CascadeOp cascade)
    : cascade(cascade), sizes(cascade) {
  SmallVector<Operation *> ops;
  DenseMap<Operation *, unsigned> position;
  for (Operation &op : cascade.getBody().front())
    if (isa<EinsumOp, OrderOp, EquationsOp, tile::KernelOp, KernelOp>(op)) {
      position[&op] = ops.size();
      ops.push_back(&op);
    }
  std::vector<NodeSet> edges(ops.size());
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
  for (const SmallVector<unsigned> &component : componentsOf(edges)) {
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

SmallVector<Operation *> DefinitionGraph::opsOf(const NodeSet &some) const {
  SmallVector<Operation *> ops;
  for (unsigned n : some)
    llvm::append_range(ops, nodes[n].ops);
  return ops;
}

int64_t DefinitionGraph::nodeOf(Value tensor) const {
  Operation *op = tensor.getDefiningOp();
  auto it = op ? numbers.find(op) : numbers.end();
  return it == numbers.end() ? -1 : int64_t(it->second);
}

bool DefinitionGraph::isLarge(Value tensor) {
  return !sizes.isSmall(ranksOf(tensor)) && !materialised.contains(tensor);
}

bool DefinitionGraph::isLarge(unsigned node) {
  return llvm::any_of(nodes[node].ops, [&](Operation *op) {
    return llvm::any_of(op->getResults(), [&](Value v) { return isLarge(v); });
  });
}

bool DefinitionGraph::hasSmallResult(unsigned node) {
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
