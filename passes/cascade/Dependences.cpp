//===- Dependences.cpp - which definitions need which -----------*- C++ -*-===//
#include "passes/cascade/Dependences.h"
#include "llvm/ADT/STLExtras.h"

using namespace mlir;
using namespace attn;

Operation *attn::definitionOf(Operation *op) {
  while (op && !isa<EinsumOp, EquationsOp, OrderOp>(op))
    op = op->getParentOp();
  return op;
}

void attn::forEachUseOfTensor(Operation *definition,
                              llvm::function_ref<void(OpOperand &)> callback) {
  if (isa<EquationsOp>(definition)) {
    for (OpOperand &operand : definition->getOpOperands())
      callback(operand);
    return;
  }
  definition->walk([&](ReadOp read) { callback(read.getTensorMutable()); });
}

Dependences::Dependences(CascadeOp cascade) {
  // Tarjan's algorithm with an explicit stack: chains may be long.
  struct Node {
    SmallVector<Operation *> next;
    int index = -1, low = 0;
    bool onStack = false;
  };
  llvm::DenseMap<Operation *, Node> nodes;
  SmallVector<Operation *> all;
  cascade.walk([&](Operation *op) {
    if (!isa<EinsumOp, EquationsOp, OrderOp>(op))
      return;
    all.push_back(op);
    Node &node = nodes[op];
    forEachUseOfTensor(op, [&](OpOperand &use) {
      if (Operation *source = use.get().getDefiningOp();
          source && isa<EinsumOp, EquationsOp, OrderOp>(source) &&
          !llvm::is_contained(node.next, source))
        node.next.push_back(source);
    });
  });
  int counter = 0;
  SmallVector<Operation *> stack;
  SmallVector<std::pair<Operation *, unsigned>> path;
  auto enter = [&](Operation *op) {
    Node &node = nodes[op];
    node.index = node.low = counter++;
    node.onStack = true;
    stack.push_back(op);
    path.push_back({op, 0});
  };
  auto finish = [&](Operation *op) {
    Node &node = nodes[op];
    if (node.low != node.index)
      return;
    SmallVector<Operation *> component;
    do {
      component.push_back(stack.back());
      nodes[stack.back()].onStack = false;
    } while (stack.pop_back_val() != op);
    if (component.size() == 1 && !llvm::is_contained(node.next, op))
      return;
    llvm::sort(component, [](Operation *a, Operation *b) {
      return a->getBlock() == b->getBlock() && a->isBeforeInBlock(b);
    });
    for (Operation *member : component)
      number[member] = cycles.size();
    cycles.push_back(std::move(component));
  };
  for (Operation *root : all) {
    if (nodes[root].index >= 0)
      continue;
    enter(root);
    while (!path.empty()) {
      auto &[op, position] = path.back();
      Node &node = nodes[op];
      if (position < node.next.size()) {
        Operation *next = node.next[position++];
        if (nodes[next].index < 0)
          enter(next);
        else if (nodes[next].onStack)
          node.low = std::min(node.low, nodes[next].index);
        continue;
      }
      Operation *done = op;
      finish(done);
      path.pop_back();
      if (!path.empty()) {
        Node &parent = nodes[path.back().first];
        parent.low = std::min(parent.low, nodes[done].low);
      }
    }
  }
}

int Dependences::cycleOf(Operation *definition) const {
  auto it = number.find(definition);
  return it == number.end() ? -1 : it->second;
}

int Dependences::cycleOf(Value tensor) const {
  Operation *definition = tensor.getDefiningOp();
  return definition ? cycleOf(definition) : -1;
}

bool Dependences::isInOwnCycle(ReadOp read) const {
  int cycle = cycleOf(read.getTensor());
  return cycle >= 0 && cycle == cycleOf(definitionOf(read));
}
