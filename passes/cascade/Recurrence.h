//===- Recurrence.h - the order of a cycle of definitions -------*- C++ -*-===//
// LANGUAGE section 6. A cycle of definitions is well founded if its iterative
// ranks can be walked in a lexicographic order: along the outermost one no read
// goes forward and some go strictly back; what stays at the same step is
// ordered by the next rank. Lags are linear forms, and their signs are proved
// from the conditions under which each read is evaluated.
//===----------------------------------------------------------------------===//
#ifndef ATTN_PASSES_CASCADE_RECURRENCE_H
#define ATTN_PASSES_CASCADE_RECURRENCE_H

#include "passes/cascade/Bounds.h"
#include "llvm/ADT/MapVector.h"

namespace attn {

/// `reader` needs `source` at some points: through a read, or (no read) as an
/// equation at the same coordinates.
struct RecurrenceEdge {
  mlir::Operation *reader, *source;
  ReadOp read;
  IterationSpace *space;
  PointSet points;
  /// Coordinates of both ends by rank name, as forms.
  llvm::SmallVector<std::pair<mlir::StringAttr, AffineForm>> at, needs;
};

class Recurrence {
public:
  /// A rank and its direction: 1 ascending, -1 descending.
  using Order = llvm::SmallVector<std::pair<mlir::StringAttr, int>>;
  using Orders = llvm::MapVector<mlir::Operation *, Order>;

  Recurrence(CascadeOp cascade, llvm::ArrayRef<mlir::Operation *> members);

  /// The order of each member; none: the cycle is not well founded.
  std::optional<Orders> findOrder();

  /// How many steps of `rank` an edge goes back, as far as it is known.
  std::optional<AffineForm> lag(const RecurrenceEdge &edge,
                                mlir::StringAttr rank) const;
  /// Is sign * form >= least wherever the edge is needed?
  bool isAtLeast(const RecurrenceEdge &edge, const AffineForm &form, int sign,
                 int64_t least) const;
  /// Strongly connected components of a subgraph that hold a cycle.
  llvm::SmallVector<llvm::SmallVector<mlir::Operation *>>
  cyclesOf(llvm::ArrayRef<mlir::Operation *> members,
           llvm::ArrayRef<unsigned> kept) const;
  BoundsProver &proverOf(ReadOp read) {
    return *provers[read->getParentRegion()];
  }

  CascadeOp cascade;
  llvm::SmallVector<mlir::Operation *> members;
  std::vector<RecurrenceEdge> edges;

private:
  using Edge = RecurrenceEdge;
  void addEquations(EquationsOp op);
  void addReads(mlir::Operation *op);
  bool isMember(mlir::Operation *op) const {
    return op && llvm::is_contained(members, op);
  }
  std::optional<AffineForm>
  step(IterationSpace &space, mlir::StringAttr rank,
       llvm::ArrayRef<std::pair<mlir::StringAttr, AffineForm>> coordinates)
      const;
  bool solve(llvm::ArrayRef<mlir::Operation *> component,
             llvm::ArrayRef<unsigned> kept, Order &prefix, Orders &orders);
  bool solveAlong(mlir::StringAttr rank,
                  llvm::ArrayRef<mlir::Operation *> cycle,
                  llvm::ArrayRef<unsigned> inside, Order &prefix,
                  Orders &orders);
  std::optional<llvm::SmallVector<unsigned>>
  staying(llvm::ArrayRef<unsigned> inside, llvm::ArrayRef<AffineForm> lags,
          int sign) const;

  llvm::MapVector<mlir::Region *, std::unique_ptr<BoundsProver>> provers;
  llvm::SmallVector<std::unique_ptr<IterationSpace>> spaces;
};

} // namespace attn
#endif // ATTN_PASSES_CASCADE_RECURRENCE_H
