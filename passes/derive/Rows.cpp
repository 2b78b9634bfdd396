//===- Rows.cpp - which ranks of a stream are its rows ----------*- C++ -*-===//
#include "passes/derive/Finder.h"

using namespace mlir;
using namespace attn;

/// Ranks of the values alone that are summed are no rows: points that are
/// contractions would be computed again for each.
void Finder::dropValueRanks(Stream &stream) {
  if (llvm::none_of(stream.points,
                    [](EinsumOp op) { return op.isReduction(); }))
    return;
  Ranks rows = stream.rows;
  llvm::erase_if(rows, [&](StringAttr rank) {
    return llvm::none_of(
               stream.points,
               [&](EinsumOp op) { return contains(op.getSpace(), rank); }) &&
           llvm::all_of(stream.reductions, [&](EinsumOp op) {
             return llvm::all_of(readsOf(op), [&](ReadOp read) {
               NamedTensorType type = read.getTensor().getType();
               return type.rankIndex(rank) < 0 ||
                      type.rankIndex(stream.rank) >= 0;
             });
           });
  });
  if (!rows.empty())
    stream.rows = rows;
}

/// True if a reduction needs another one over its rank; `visit` sees what it
/// reads that has the rank.
bool Finder::needsStatistic(EinsumOp op,
                            llvm::function_ref<void(EinsumOp)> visit) {
  StringAttr rank = streamedRank(op);
  if (!rank || !op.isReduction())
    return false;
  bool needs = false;
  SmallVector<EinsumOp> work{op};
  DenseSet<Operation *> seen;
  while (!work.empty())
    for (ReadOp read : readsOf(work.pop_back_val())) {
      auto def = read.getTensor().getDefiningOp<EinsumOp>();
      if (!def || !seen.insert(def).second)
        continue;
      if (contains(def.getSpace(), rank)) {
        visit(def);
        work.push_back(def);
      } else if (contains(def.getReduced(), rank)) {
        needs = true;
      } else if (!def.isReduction()) {
        work.push_back(def);
      }
    }
  return needs;
}

/// A point that reduces its own rank in several passes wants a stream over that
/// rank. It gets it where keeping its results is no more than a port: where
/// they lack rows of this stream, so that each row would compute them again, or
/// where they reduce what is computed from a port of all rows and this rank.
bool Finder::runsApart(EinsumOp op, const Stream &stream) {
  Ranks rows;
  bool lacksRow = false;
  for (StringAttr row : stream.rows)
    if (contains(op.getSpace(), row))
      rows.push_back(row);
    else
      lacksRow = true;
  bool isComputed = false;
  bool needs = needsStatistic(op, [&](EinsumOp def) {
    isComputed |= def.isReduction() && contains(def.getSpace(), stream.rank) &&
                  llvm::all_of(rows, [&](StringAttr row) {
                    return contains(def.getSpace(), row);
                  });
  });
  if (!needs || (!lacksRow && !isComputed))
    return false;
  return llvm::any_of(cascade.getBody().getArgumentTypes(), [&](Type type) {
    auto port = cast<NamedTensorType>(type);
    auto has = [&](StringAttr row) { return port.rankIndex(row) >= 0; };
    if (!has(stream.rank))
      return false;
    if (isComputed)
      return llvm::all_of(rows, has);
    return llvm::any_of(stream.rows, [&](StringAttr row) {
      return !llvm::is_contained(rows, row) && has(row);
    });
  });
}
