//===- Presence.h - presence formulas of tensors ----------------*- C++ -*-===//
// LANGUAGE section 3 ("Hoisting"): the formula P of a tensor at a point, with
// definitions unfolded and, under a reduction, every atom that involves a
// reduced rank taken as true. A formula of a definition with some of its ranks
// erased (those that only such atoms see) is a node; nodes call each other with
// index terms, and a recurrence is a cycle of calls, of which the greatest
// solution counts.
//===----------------------------------------------------------------------===//
#ifndef ATTN_DIALECT_PRESENCE_H
#define ATTN_DIALECT_PRESENCE_H

#include "dialect/PresenceFormula.h"
#include <map>
#include <memory>

namespace attn {

/// The formula of a definition. Which: that it is present, or (of bools)
/// present and true, or present and false.
struct PresenceNode {
  enum Mode { Present, IsTrue, IsFalse };
  mlir::Operation *definition;
  uint64_t erased; // positions of ranks that play no part
  Mode mode;
  const PresenceFormula *body = nullptr;
  /// In the greatest solution true at every point of the domain.
  bool isTrue = true;
};

class PresenceAnalysis {
public:
  explicit PresenceAnalysis(CascadeOp cascade) : cascade(cascade) {}

  /// The formula of a definition's results, over its ranks that are not in
  /// `erased`; solved.
  const PresenceNode *get(mlir::Operation *definition, uint64_t erased = 0,
                          PresenceNode::Mode mode = PresenceNode::Present);
  /// Is a tensor present at every point of its domain?
  bool isTotal(mlir::Value tensor);

  // For builders of formulas: where they are kept, and the formula of an
  // element whose `erased` indices play no part.
  using Formula = PresenceFormulas::Formula;
  CascadeOp getCascade() const { return cascade; }
  PresenceFormulas &getFormulas() { return formulas; }
  Formula call(mlir::Value tensor, llvm::ArrayRef<PresenceTerm> terms,
               uint64_t erased, PresenceNode::Mode mode);

private:
  PresenceNode *node(mlir::Operation *definition, uint64_t erased,
                     PresenceNode::Mode mode);
  Formula bodyOf(EinsumOp op, const PresenceNode &node);
  Formula bodyOf(EquationsOp op, const PresenceNode &node);
  llvm::SmallVector<Formula> indicesOf(mlir::ArrayAttr pattern, uint64_t erased,
                                       bool negated);
  void solve();

  CascadeOp cascade;
  PresenceFormulas formulas;
  std::map<std::tuple<mlir::Operation *, uint64_t, int>,
           std::unique_ptr<PresenceNode>>
      nodes;
  llvm::SmallVector<PresenceNode *> pending;
};

/// Argmax, argmin, first, last and order: present if some point is.
bool isSelection(mlir::Operation *definition);

} // namespace attn
#endif // ATTN_DIALECT_PRESENCE_H
