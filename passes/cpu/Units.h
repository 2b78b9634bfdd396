//===- Units.h - the code of one unit ---------------------------*- C++ -*-===//
// Loops over the ranks that the caller has not fixed, then the points.
//===----------------------------------------------------------------------===//
#ifndef ATTN_PASSES_CPU_UNITS_H
#define ATTN_PASSES_CPU_UNITS_H

#include "passes/cpu/Scalars.h"
#include "passes/cpu/Team.h"

namespace attn::cpu {

/// Coordinates that are known, i64 by rank.
using Coordinates = llvm::DenseMap<mlir::StringAttr, mlir::Value>;

class UnitEmitter {
  using Value = mlir::Value;

public:
  UnitEmitter(CodeBuilder &b, StorageMap &storages, Value worker)
      : b(b), storages(storages), frame(storages.frame), plan(storages.plan),
        worker(worker) {}

  /// Emits `unit` over its space, `fixed` ranks excepted.
  void emit(const Unit &unit, Coordinates fixed);

  /// A reduction whose state is kept in memory while the caller walks one of
  /// its reduced ranks, `rank`, in order: its start, a coordinate of the rank
  /// (in `fixed`), its end.
  enum class Part { Whole, Start, Step, End };
  void emitPart(const Unit &unit, Coordinates fixed, Part part,
                mlir::StringAttr rank, Value memory);
  /// Bytes of that state.
  static Value stateBytes(Frame &frame, const Unit &unit,
                          llvm::ArrayRef<mlir::StringAttr> fixed);

  /// From here on the points of a unit are shared by a team, and a barrier
  /// follows them.
  void share(const Team &threads) { team = threads; }
  /// The points of the last reduced rank are shared by the lanes of a warp, of
  /// which the caller is `number` (i64): for reductions whose states join, over
  /// a multiple of so many points.
  void shareReduced(Value number) { lane = number; }

  /// Scratch bytes a worker needs for `unit`; null: none.
  static Value scratchBytes(Frame &frame, const Unit &unit);

private:
  void emitLoops(const Unit &unit, Coordinates &at, size_t rank);
  void emitPoint(const Unit &unit, const Coordinates &at);
  void emitCopy(const Unit &unit, const Coordinates &at);
  void emitEinsum(const Unit &unit, const Coordinates &at);
  void emitOrder(const Unit &unit, const Coordinates &at);
  void storeAt(const Target &target, const Coordinates &at, Scalar value);
  /// False where another equation with more constants defines the point.
  Value isOwnPoint(const Target &target, const Coordinates &at);
  /// The condition of a guard region; null: true.
  Value emitGuard(EinsumOp op, const Coordinates &at, mlir::Type real);

  /// Where the state of the current point is.
  Value stateAt(const Unit &unit, const Coordinates &at);
  llvm::SmallVector<Value> loadState(Value memory, mlir::ValueRange like);
  void storeState(Value memory, mlir::ValueRange state);

  Part part = Part::Whole;
  mlir::StringAttr partRank;
  Value partMemory;
  llvm::SmallVector<mlir::StringAttr> partLoops; // ranks its state has

  CodeBuilder &b;
  StorageMap &storages;
  Frame &frame;
  const Plan &plan;
  Value worker;
  std::optional<Team> team;
  Value lane;
};

/// Keys of `order` as unsigned words, ascending, NaN first.
mlir::Value emitSortKey(CodeBuilder &b, mlir::Value value);

} // namespace attn::cpu
#endif // ATTN_PASSES_CPU_UNITS_H
