//===- PointConditions.h - what a point needs to be present -----*- C++ -*-===//
#ifndef ATTN_PASSES_DERIVE_POINTCONDITIONS_H
#define ATTN_PASSES_DERIVE_POINTCONDITIONS_H

#include "passes/derive/Streams.h"
#include <map>
#include <set>
#include <string>

namespace attn {

/// What has to hold for a value to be present at a point of a stream, and, if
/// `movesOnly`, to be more than a constant that no statistic moves. Conditions
/// are told apart by their text, so that those of two maps can be compared.
/// Statistics of the stream count as present.
class PointConditions {
public:
  struct Conditions {
    std::set<std::string> needed;
    bool isExact = true;    ///< they hold exactly where the value is present
    bool isCleared = false; ///< `movesOnly`, and a constant stands elsewhere
  };

  PointConditions(const Stream &stream, bool movesOnly)
      : stream(stream), movesOnly(movesOnly) {}
  const Conditions &of(mlir::Value value);

  /// Is the value of a point that is present never `identity`, because a
  /// condition says so?
  bool excludes(mlir::Value value, double identity);

private:
  Conditions compute(mlir::Value value);
  Conditions ofRead(ReadOp read);
  Conditions ofElse(ElseOp op);
  void addConjuncts(mlir::Value condition, Conditions &result);

  const Stream &stream;
  bool movesOnly;
  std::map<void *, Conditions> cache;
};

} // namespace attn
#endif // ATTN_PASSES_DERIVE_POINTCONDITIONS_H
