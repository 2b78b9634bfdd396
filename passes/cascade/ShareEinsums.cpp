//===- ShareEinsums.cpp - equal einsums are one -----------------*- C++ -*-===//
// `softmax[n](S)` and `logsumexp[n](S)` share maximum and sum: einsums whose
// regions, ranks and types are equal compute the same tensor.
#include "passes/Expr.h"
#include "passes/cascade/Normalise.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace attn;

/// A text equal for equal regions: operations in order with operands numbered.
static void fingerprint(Region &region, llvm::raw_ostream &os) {
  if (region.empty())
    return;
  DenseMap<Value, unsigned> numbers;
  for (Value argument : region.getArguments())
    numbers.try_emplace(argument, numbers.size());
  for (Operation &op : region.front()) {
    os << op.getName() << op.getAttrDictionary();
    for (Value operand : op.getOperands()) {
      auto it = numbers.find(operand);
      if (it != numbers.end())
        os << ' ' << it->second;
      else
        os << ' ' << operand.getAsOpaquePointer();
    }
    for (Value result : op.getResults()) {
      numbers.try_emplace(result, numbers.size());
      os << ':' << result.getType();
    }
    os << ';';
  }
}

static std::string fingerprint(EinsumOp op) {
  std::string text;
  llvm::raw_string_ostream os(text);
  os << op.getSpace() << op.getReduced() << op.getMonoidAttr()
     << op.getRounded();
  for (Type type : op.getResultTypes())
    os << type;
  fingerprint(op.getMap(), os);
  os << '|';
  fingerprint(op.getGuard(), os);
  return text;
}

void attn::shareEinsums(Block &body) {
  // Sharing two einsums can make their readers equal: until nothing changes.
  for (bool changed = true; changed;) {
    changed = false;
    llvm::StringMap<EinsumOp> seen;
    for (auto op : llvm::make_early_inc_range(body.getOps<EinsumOp>())) {
      auto [it, isNew] = seen.try_emplace(fingerprint(op), op);
      if (isNew)
        continue;
      op.replaceAllUsesWith(it->second);
      op.erase();
      changed = true;
    }
  }
}
