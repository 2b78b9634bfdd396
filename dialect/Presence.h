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

#include "dialect/Attn.h"
#include <deque>
#include <map>
#include <memory>

namespace attn {

struct PresenceNode;

/// An index in a formula: a value of the definition's region, or (in a node of
/// `attn.equations`, which has no region) the coordinate at a position.
struct PresenceTerm {
  mlir::Value value;
  unsigned position = 0;
};

struct PresenceFormula {
  enum Kind {
    True,
    False,
    And,
    Or,
    Condition, // `value` is present and true, or present and false if `negated`
    NonZero,   // `value`, a divisor, is not 0
    Defined,   // element `terms` of `value`, a selection, is present
    InExtent,  // 0 <= terms[0] < |rank|
    Equal,     // terms[0] == constant, or != if `negated`
    Call       // the formula of `node` at `terms`
  };
  explicit PresenceFormula(Kind kind) : kind(kind) {}

  Kind kind;
  llvm::SmallVector<const PresenceFormula *, 2> operands;
  mlir::Value value;
  bool negated = false;
  llvm::SmallVector<PresenceTerm, 4> terms;
  mlir::StringAttr rank;
  ExtentAttr constant;
  PresenceNode *node = nullptr;
};

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

private:
  class Builder;
  using Formula = const PresenceFormula *;

  PresenceNode *node(mlir::Operation *definition, uint64_t erased,
                     PresenceNode::Mode mode);
  void solve();
  Formula make(PresenceFormula formula);
  Formula constant(bool value);
  Formula join(PresenceFormula::Kind kind, llvm::ArrayRef<Formula> operands);
  Formula buildEquations(EquationsOp op, uint64_t erased,
                         PresenceNode::Mode mode);
  Formula call(mlir::Value tensor, llvm::ArrayRef<PresenceTerm> terms,
               uint64_t erased, PresenceNode::Mode mode);

  CascadeOp cascade;
  std::deque<PresenceFormula> formulas;
  std::map<std::tuple<mlir::Operation *, uint64_t, int>,
           std::unique_ptr<PresenceNode>>
      nodes;
  llvm::SmallVector<PresenceNode *> pending;
  Formula trueFormula = nullptr, falseFormula = nullptr;
};

/// Argmax, argmin, first, last and order: present if some point is.
bool isSelection(mlir::Operation *definition);

} // namespace attn
#endif // ATTN_DIALECT_PRESENCE_H
