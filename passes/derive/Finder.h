//===- Finder.h - finds the streams of a cascade ----------------*- C++ -*-===//
// State shared by the parts of findStreams: what a stream takes in
// (StreamMembers.cpp), what joins it then (StreamJoins.cpp), which of its ranks
// are rows (Rows.cpp), and which law refuses it (Refusals.cpp).
//===----------------------------------------------------------------------===//
#ifndef ATTN_PASSES_DERIVE_FINDER_H
#define ATTN_PASSES_DERIVE_FINDER_H

#include "passes/derive/Compared.h"
#include "passes/derive/Laws.h"
#include "passes/derive/Streams.h"

namespace attn {

class Finder {
public:
  explicit Finder(CascadeOp cascade)
      : cascade(cascade), compared(comparedWithThemselves(cascade)) {}

  llvm::SmallVector<Stream> run();

private:
  /// A built-in reduction whose states combine in any order.
  static bool isCommutative(EinsumOp op) {
    auto kind = op.builtinReduce();
    return kind && combinerOf(*kind);
  }

  /// A built-in reduction over one rank that keeps at least one.
  static mlir::StringAttr streamedRank(EinsumOp op) {
    if (!isCommutative(op) || op.getReduced().size() != 1 ||
        op.getSpace().empty())
      return {};
    return mlir::cast<mlir::StringAttr>(op.getReduced()[0]);
  }

  // Reads and ranks.
  static std::string nameOf(EinsumOp op);
  static bool contains(mlir::ArrayAttr ranks, mlir::StringAttr rank);
  static llvm::SmallVector<ReadOp> readsOf(EinsumOp op);
  /// A read at the reader's own coordinates, in its map or its guard.
  static bool isPlain(ReadOp read, EinsumOp op);
  /// True if the value of `read` enters an index of another access: what is
  /// gathered by it has to be in memory.
  static bool isIndex(ReadOp read);
  /// True if an access may be a base point of a recurrence: tiles are loaded
  /// from the box of a tensor's ranks.
  static bool readsBasePoint(EinsumOp op);
  bool dependsOnOp(mlir::Operation *op, mlir::Operation *other);

  // Members.
  bool collect(EinsumOp op, Stream &stream);
  std::optional<Stream> attempt(EinsumOp sink, Stream &stream);
  std::optional<Stream> streamOf(EinsumOp sink);
  std::optional<Stream> tryStream(EinsumOp sink);
  bool isReadElsewhere(EinsumOp point, const Stream &stream);
  bool isWorthwhile(const Stream &stream);

  // Joins.
  void join(Stream &stream, llvm::ArrayRef<EinsumOp> candidates);
  void addEpilogue(Stream &stream);

  // Rows.
  void dropValueRanks(Stream &stream);
  static bool needsStatistic(EinsumOp op,
                             llvm::function_ref<void(EinsumOp)> visit);
  bool runsApart(EinsumOp op, const Stream &stream);

  // Refusals.
  /// Empty, or the law that refuses and why.
  struct Refusal {
    Law law;
    std::string condition;
  };
  std::optional<Refusal> refusal(const Stream &stream);
  std::optional<Refusal> refusal(EinsumOp op, const Form &form);
  std::optional<Refusal> refuseEmpty(const Stream &stream, FormAnalysis &forms,
                                     EinsumOp op, const Form &form);

  CascadeOp cascade;
  const llvm::DenseSet<mlir::Operation *> compared;
  llvm::DenseSet<mlir::Operation *> claimed;
  /// Of a claimed reduction, all of its stream.
  llvm::DenseMap<mlir::Operation *, llvm::SmallVector<mlir::Operation *>>
      together;
  /// Reductions that are complete before the stream that is tried.
  llvm::DenseSet<mlir::Operation *> finished;
  /// Ranks of rows that what a point would need is reduced over; whether they
  /// may be rows no more for it.
  llvm::DenseSet<mlir::StringAttr> crossed;
  llvm::SetVector<EinsumOp> crossing;
  bool givesRows = true;
  /// Points that are complete before this stream: one of their own, or read at
  /// other points too.
  llvm::DenseSet<mlir::Operation *> apart;
  bool fuseLate = true;
};

} // namespace attn
#endif // ATTN_PASSES_DERIVE_FINDER_H
