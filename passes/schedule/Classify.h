//===- Classify.h - which tiles a condition leaves --------------*- C++ -*-===//
// A condition on a tile's points, evaluated on intervals: does it hold
// somewhere in the tile, does it hold everywhere? Coordinates are intervals by
// themselves. What is read from tensors along one side of the tile alone is
// summarised, its least and greatest value a tile, by einsums before the
// kernel: linear work for a quadratic number of tiles. All of it may be asked
// of parts of tiles instead. Documents, prefix lengths, token classes and
// interval tables all come out as comparisons of such intervals.
//===----------------------------------------------------------------------===//
#ifndef ATTN_PASSES_SCHEDULE_CLASSIFY_H
#define ATTN_PASSES_SCHEDULE_CLASSIFY_H

#include "passes/schedule/Presence.h"

namespace attn {

/// Bools of the tile: some point of it, all points of it satisfy a condition.
struct Holds {
  mlir::Value some, all;
};

/// What is classified: tiles, or parts of them. Along each side the pieces are
/// numbered by one rank, and another runs over `size` points of one.
struct TilePieces {
  struct Side {
    mlir::StringAttr number, tile;
    int64_t size = 0;
  };
  Side lanes, points;
};

class Classifier {
  using Value = mlir::Value;

public:
  /// Summaries are built at `summaries`.
  Classifier(PresenceConditions &conditions, const KernelRanks &ranks,
             const TilePieces &pieces, mlir::OpBuilder summaries)
      : conditions(conditions), ranks(ranks), pieces(pieces),
        summaries(summaries) {}

  /// Code at `e` for a condition out of an einsum's region. `at` has the
  /// coordinates of the piece: the grid's ranks and the streamed one, its
  /// numbers, and the first of its points in the tile.
  std::optional<Holds> holds(ExprBuilder &e, Value condition,
                             const Coordinates &at);
  /// Does the condition depend on what the kernel computes?
  bool isUnknown(Value condition) { return sidesOf(condition).unknown; }
  bool dependsOnLanes(Value condition) { return sidesOf(condition).lane; }

private:
  /// i64; absent points are none of it.
  struct Interval {
    Value low, high;
    bool partial = false; // some points may be absent
  };
  /// What an expression depends on inside of a tile.
  struct Sides {
    bool lane = false, stream = false, reads = false;
    bool unknown = false; // another rank, or what the kernel computes
    bool isOne() const { return lane != stream; }
  };

  Sides sidesOf(Value value);
  std::optional<Interval> interval(Value value);
  std::optional<Interval> intervalOf(MapOp map);
  std::optional<Holds> holds(Value condition);
  std::optional<Holds> compare(MapOp map);
  /// `value`, which depends on one side, reduced over that side of each tile;
  /// the code that reads the result.
  Value summary(Value value, const Sides &sides, Reduce kind);
  Value clone(Value value);
  Value wide(Value value);
  Holds constant(bool some, bool all);

  PresenceConditions &conditions;
  const KernelRanks &ranks;
  const TilePieces &pieces;
  mlir::OpBuilder summaries;
  std::map<std::pair<Reduce, std::string>, Value> known; // summaries
  ExprBuilder *e = nullptr;
  const Coordinates *at = nullptr;
};

} // namespace attn
#endif // ATTN_PASSES_SCHEDULE_CLASSIFY_H
