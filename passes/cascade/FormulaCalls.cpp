//===- FormulaCalls.cpp - which presence formulas are inlined ---*- C++ -*-===//
#include "passes/cascade/FormulaCalls.h"

using namespace mlir;
using namespace attn;
using Kind = PresenceFormula::Kind;
using Formula = PresenceFormulas::Formula;

/// More operations than this, and a formula gets a tensor of its own.
static constexpr unsigned maxInlined = 48;

static void forEachCall(Formula formula,
                        llvm::function_ref<void(Formula)> callback) {
  if (formula->kind == Kind::Call && !formula->node->isTrue)
    callback(formula);
  for (Formula operand : formula->operands)
    forEachCall(operand, callback);
}

/// Chains that pass their coordinates through unchanged close by the greatest
/// solution; those through the equations of another tensor end in its tensor.
bool FormulaCalls::isRecursive(const PresenceNode *node) {
  if (auto it = recursive.find(node); it != recursive.end())
    return it->second;
  auto passesThrough = [](const PresenceNode *from, Formula call) {
    for (auto [i, t] : llvm::enumerate(call->terms)) {
      if (call->node->erased >> i & 1)
        continue;
      auto argument = dyn_cast_or_null<BlockArgument>(t.value);
      if (t.value ? !argument || argument.getArgNumber() != i : t.position != i)
        return false;
    }
    return from->definition->getResult(0).getType() ==
           call->node->definition->getResult(0).getType();
  };
  bool result = false;
  llvm::DenseMap<const PresenceNode *, bool>
      seen; // reached, through moving calls?
  SmallVector<std::pair<const PresenceNode *, bool>> stack{{node, false}};
  while (!stack.empty() && !result) {
    auto [at, moved] = stack.pop_back_val();
    forEachCall(at->body, [&](Formula call) {
      bool moves = moved || !passesThrough(at, call);
      if (call->node == node)
        result |= moves;
      auto [it, isNew] = seen.try_emplace(call->node, moves);
      if (!isNew && (it->second || !moves))
        return;
      it->second = moves;
      if (call->node != node && isa<EquationsOp>(call->node->definition) &&
          isa<EinsumOp>(node->definition) && isRecursive(call->node))
        return;
      stack.push_back({call->node, moves});
    });
  }
  recursive[node] = result;
  return result;
}

static unsigned size(Formula formula) {
  unsigned result = 1;
  for (Formula operand : formula->operands)
    result += size(operand);
  return result;
}

unsigned FormulaCalls::cost(const PresenceNode *node) {
  if (auto it = costs.find(node); it != costs.end())
    return it->second;
  costs[node] = 0;
  unsigned result = size(node->body);
  forEachCall(node->body, [&](Formula call) {
    if (!isRecursive(call->node))
      result += std::min(cost(call->node), maxInlined);
  });
  return costs[node] = result;
}

bool FormulaCalls::isLarge(const PresenceNode *node) {
  return cost(node) > maxInlined;
}
