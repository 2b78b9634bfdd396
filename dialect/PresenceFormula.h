//===- PresenceFormula.h - presence as a formula ----------------*- C++ -*-===//
#ifndef ATTN_DIALECT_PRESENCEFORMULA_H
#define ATTN_DIALECT_PRESENCEFORMULA_H

#include "dialect/Attn.h"
#include <deque>

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

/// Formulas, made once and kept: they point to each other.
class PresenceFormulas {
public:
  using Formula = const PresenceFormula *;

  Formula make(PresenceFormula formula);
  Formula constant(bool value);
  /// `and` or `or`, without what decides nothing.
  Formula join(PresenceFormula::Kind kind, llvm::ArrayRef<Formula> operands);

private:
  std::deque<PresenceFormula> formulas;
  Formula trueFormula = nullptr, falseFormula = nullptr;
};

} // namespace attn
#endif // ATTN_DIALECT_PRESENCEFORMULA_H
