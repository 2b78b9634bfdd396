//===- StreamBounds.h - loop bounds from presence ---------------*- C++ -*-===//
#ifndef ATTN_PASSES_SCHEDULE_STREAMBOUNDS_H
#define ATTN_PASSES_SCHEDULE_STREAMBOUNDS_H

#include "passes/schedule/Presence.h"

namespace attn {

/// Steps of a stream that have points, [lower, upper), and among them those
/// whose points all exist, [fullLower, fullUpper); points in [from, to) may
/// exist, and no others. Scalars (i32) of the kernel.
struct StreamBounds {
  mlir::Value lower, fullLower, fullUpper, upper, from, to;
};

/// Narrows bounds by conditions that are linear in n and m. With T points a
/// step and rows m in [mLow, mHigh]:
///   a step is EMPTY if the condition fails at its best corner,
///   FULL            if it holds at its worst corner.
class BoundsBuilder {
public:
  /// `rest` clones a comparison's side with n = 0, m = 0 into the kernel.
  using Rest = llvm::function_ref<mlir::Value(mlir::Value)>;
  BoundsBuilder(ExprBuilder &e, const KernelRanks &ranks, mlir::Value laneLow,
                mlir::Value laneHigh)
      : e(e), ranks(ranks), laneLow(laneLow), laneHigh(laneHigh) {
    mlir::Value steps = e.extent(ranks.stream);
    mlir::Value points = e.map(Fn::mul, {steps, e.integer(ranks.tileSize)});
    bounds = {e.integer(0), e.integer(0), steps, steps, e.integer(0), points};
  }
  /// Steps where all alternatives fail everywhere are left out.
  void require(const LinearClause &any, Rest rest);
  /// Steps where each of them may fail somewhere are not full.
  void requireFull(const LinearClause &any, Rest rest);

  StreamBounds bounds;

private:
  mlir::Value value(const LinearCondition &c, Rest rest, bool best);
  /// Points up to it (stream < 0) or from it on satisfy an alternative.
  mlir::Value limit(const LinearClause &any, Rest rest, bool best);
  mlir::Value sign(const LinearClause &any, Rest rest, bool best);
  void clamp(mlir::Value &bound, Fn fn, mlir::Value limit);

  ExprBuilder &e;
  const KernelRanks &ranks;
  mlir::Value laneLow, laneHigh;
};

} // namespace attn
#endif // ATTN_PASSES_SCHEDULE_STREAMBOUNDS_H
