//===- Dependences.cpp - which definitions need which -----------*- C++ -*-===//
#include "passes/cascade/Dependences.h"
#include "dialect/Components.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SetVector.h"

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
  SmallVector<Operation *> all; // those of a block in its order
  llvm::DenseMap<Operation *, unsigned> numbers;
  cascade.walk([&](Operation *op) {
    if (isa<EinsumOp, EquationsOp, OrderOp>(op)) {
      numbers[op] = all.size();
      all.push_back(op);
    }
  });
  std::vector<llvm::SetVector<unsigned>> needs(all.size());
  for (auto [i, op] : llvm::enumerate(all))
    forEachUseOfTensor(op, [&](OpOperand &use) {
      auto source = numbers.find(use.get().getDefiningOp());
      if (source != numbers.end())
        needs[i].insert(source->second);
    });
  auto needsOf = [&](unsigned i) { return needs[i].getArrayRef(); };
  for (ArrayRef<unsigned> members : componentsOf(all.size(), needsOf)) {
    if (members.size() == 1 && !needs[members[0]].contains(members[0]))
      continue;
    SmallVector<Operation *> &cycle = cycles.emplace_back();
    for (unsigned member : members) {
      cycle.push_back(all[member]);
      number[all[member]] = cycles.size() - 1;
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
