//===- Presence.h - conditions under which points of tiles exist -*- C++ -*-=//
// Conjunctions of conditions on the points of a scheduled kernel, as the tiler
// needs them: which conditions a value's presence implies, and which of those
// are linear in the streamed and the lane coordinate, so that they become loop
// bounds.
//===----------------------------------------------------------------------===//
#ifndef ATTN_PASSES_SCHEDULE_PRESENCE_H
#define ATTN_PASSES_SCHEDULE_PRESENCE_H

#include "passes/schedule/KernelRanks.h"
#include "llvm/ADT/DenseSet.h"
#include <map>
#include <set>

namespace attn {

/// rest + stream * n + lane * m >= 0, rest the same for the whole kernel step:
/// right - left, or right + left if `mirrored`, minus 1 if `strict`.
struct LinearCondition {
  mlir::Value left, right;
  bool mirrored, strict;
  int64_t stream = 0, lane = 0;
};

/// Alternatives, one of which holds; several move with n in one direction.
using LinearClause = llvm::SmallVector<LinearCondition, 1>;

class PresenceConditions {
public:
  explicit PresenceConditions(const KernelRanks &ranks) : ranks(ranks) {}

  using Texts = std::set<std::string>;
  /// Conditions that hold where the einsum's result is present.
  const Texts &of(EinsumOp op);
  /// Conditions that hold where `value`, of a region of `op`, is present.
  Texts of(mlir::Value value);
  /// One text for equal conditions, whatever region they stand in.
  std::string text(mlir::Value value);
  /// Splits `condition` at its conjunctions.
  static void conjuncts(mlir::Value condition,
                        llvm::SmallVectorImpl<mlir::Value> &result);

  /// Inequalities equal to the comparison, all of which hold, or to several of
  /// which one holds; none if it is not linear.
  llvm::SmallVector<LinearClause> linear(mlir::Value condition);
  /// Source of a condition's text, for those met so far.
  mlir::Value source(const std::string &text) { return sources[text]; }

private:
  struct Linear {
    int64_t step = 0, tile = 0, lane = 0, constant = 0;
    bool isConstant = true; // constant holds all of the rest
  };
  std::optional<Linear> linearForm(mlir::Value value);
  std::string coordinateName(mlir::BlockArgument argument);
  void remember(const std::string &text, mlir::Value condition);

  const KernelRanks &ranks;
  std::map<const void *, Texts> cache;
  std::map<std::string, mlir::Value> sources;
  llvm::DenseMap<mlir::Value, unsigned> numbers; // of tensors, as they are met
};

/// False if every point of the tensor is known to be present.
bool mayBeAbsent(mlir::Value tensor);
/// The same for a value of an einsum's region whose arguments `absent` may be.
bool mayBeAbsentValue(mlir::Value value,
                      const llvm::DenseSet<mlir::Value> &absent = {});

} // namespace attn
#endif // ATTN_PASSES_SCHEDULE_PRESENCE_H
