//===- Recurrence.h - steps whose definitions need each other ---*- C++ -*-===//
// A recurrent step walks its iterative ranks in the order of the dependences:
// inside a point of the first, the units that still need each other walk the
// next one, the others run in turn. Ranks that all units share and never read
// shifted are left outside, in parallel.
//===----------------------------------------------------------------------===//
#ifndef ATTN_PASSES_CPU_RECURRENCE_H
#define ATTN_PASSES_CPU_RECURRENCE_H

#include "passes/cpu/Units.h"

namespace attn::cpu {

/// The rank a recurrence walks, by name (names may differ by definition only
/// through `attn.iterate` on them) and in which direction.
struct Iteration {
  llvm::DenseMap<const Unit *, mlir::StringAttr> rank;
  int direction = 1;
};

class Recurrence {
public:
  Recurrence(const Plan &plan, const Step &step);

  /// Ranks common to all units and read at their own coordinate only.
  llvm::SmallVector<mlir::StringAttr> parallelRanks() const;

  /// Emits the walk; the parallel ranks are in `fixed`. Fails with a
  /// diagnostic if no rank orders the units.
  llvm::LogicalResult emit(CodeBuilder &b, UnitEmitter &emitter, Frame &frame,
                           const Coordinates &fixed);

private:
  /// How a read's index along a rank relates to the reader's coordinate.
  enum class Relation { Same, Earlier, Later, Unknown };
  struct Pending {
    const Unit *unit;
    Coordinates fixed;
    mlir::Value condition; // null: runs
  };
  struct Access {
    const Unit *reader, *writer;
    ReadOp read; // null: a copy, which reads its own coordinates
  };

  llvm::SmallVector<Access>
  accessesIn(llvm::ArrayRef<const Unit *> units) const;
  Relation relation(const Access &access, mlir::StringAttr readerRank,
                    mlir::StringAttr writerRank) const;
  std::optional<Iteration> chooseRank(llvm::ArrayRef<const Unit *> units,
                                      unsigned level) const;
  llvm::LogicalResult emitLevel(CodeBuilder &b, UnitEmitter &emitter,
                                Frame &frame, std::vector<Pending> units,
                                unsigned level);
  /// Components of `units` over the accesses that stay within one point.
  std::vector<std::vector<unsigned>> order(llvm::ArrayRef<const Unit *> units,
                                           const Iteration &iteration) const;

  const Plan &plan;
  std::vector<const Unit *> units;
  /// Ranks that are being walked: what they order is no dependence inside.
  std::vector<Iteration> outer;
};

} // namespace attn::cpu
#endif // ATTN_PASSES_CPU_RECURRENCE_H
