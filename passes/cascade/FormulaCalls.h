//===- FormulaCalls.h - which presence formulas are inlined -----*- C++ -*-===//
#ifndef ATTN_PASSES_CASCADE_FORMULACALLS_H
#define ATTN_PASSES_CASCADE_FORMULACALLS_H

#include "dialect/Presence.h"
#include "llvm/ADT/DenseMap.h"

namespace attn {

/// How formulas of definitions call each other.
class FormulaCalls {
public:
  /// Does a chain of calls lead from a node back to it at other coordinates?
  bool isRecursive(const PresenceNode *node);
  /// Too large to be written wherever it is used.
  bool isLarge(const PresenceNode *node);

private:
  unsigned cost(const PresenceNode *node);

  llvm::DenseMap<const PresenceNode *, bool> recursive;
  llvm::DenseMap<const PresenceNode *, unsigned> costs;
};

} // namespace attn
#endif // ATTN_PASSES_CASCADE_FORMULACALLS_H
