//===- Finder.cpp - finds the streams of a cascade --------------*- C++ -*-===//
#include "passes/derive/Finder.h"

using namespace mlir;
using namespace attn;

std::string Finder::nameOf(EinsumOp op) {
  return cast<StringAttr>(op.getNames()[0]).str();
}

bool Finder::contains(ArrayAttr ranks, StringAttr rank) {
  return llvm::is_contained(ranks, rank);
}

SmallVector<ReadOp> Finder::readsOf(EinsumOp op) {
  SmallVector<ReadOp> reads;
  op.walk([&](ReadOp read) { reads.push_back(read); });
  return reads;
}

bool Finder::isPlain(ReadOp read, EinsumOp op) {
  if (read->getParentRegion() != &op.getGuard())
    return isPlainRead(read, op);
  Coordinates at = coordinatesOf(strings(op.getSpace()), op.getGuard().front());
  return llvm::all_of(
      llvm::zip(read.getIndices(), read.getTensor().getType().getRanks()),
      [&](auto pair) {
        return at.lookup(std::get<1>(pair)) == std::get<0>(pair);
      });
}

bool Finder::isIndex(ReadOp read) {
  SmallVector<Operation *> work(read->getUsers());
  DenseSet<Operation *> seen;
  while (!work.empty()) {
    Operation *user = work.pop_back_val();
    if (!seen.insert(user).second)
      continue;
    if (isa<ReadOp>(user))
      return true;
    llvm::append_range(work, user->getUsers());
  }
  return false;
}

bool Finder::readsBasePoint(EinsumOp op) {
  return llvm::any_of(readsOf(op), [&](ReadOp read) {
    return read.getTensor().getDefiningOp<EquationsOp>() &&
           !isPlainRead(read, op);
  });
}

/// True if the definition of `op` needs that of `other`. The reductions of a
/// stream that was found are computed together: one needs what all need.
bool Finder::dependsOnOp(Operation *op, Operation *other) {
  SmallVector<Operation *> work{op};
  DenseSet<Operation *> seen;
  while (!work.empty()) {
    Operation *current = work.pop_back_val();
    if (!seen.insert(current).second)
      continue;
    if (current == other)
      return true;
    llvm::append_range(work, together.lookup(current));
    current->walk([&](Operation *inner) {
      for (Value operand : inner->getOperands())
        if (isa<NamedTensorType>(operand.getType()))
          if (Operation *def = operand.getDefiningOp())
            work.push_back(def);
    });
  }
  return false;
}

SmallVector<Stream> Finder::run() {
  // Consumers first: a sink claims the reductions that it repairs.
  SmallVector<EinsumOp> candidates;
  for (auto op : cascade.getBody().front().getOps<EinsumOp>())
    if (op.getNumResults() == 1 && streamedRank(op))
      candidates.push_back(op);
  // A reduction comes before all that it needs. Definitions stand in any order.
  SmallVector<EinsumOp> sorted;
  while (!candidates.empty()) {
    auto it = llvm::find_if(candidates, [&](EinsumOp op) {
      return llvm::none_of(candidates, [&](EinsumOp other) {
        return other != op && dependsOnOp(other, op);
      });
    });
    if (it == candidates.end())
      break; // a recurrence through reductions
    sorted.push_back(*it);
    candidates.erase(it);
  }
  SmallVector<Stream> streams;
  for (EinsumOp sink : sorted) {
    if (claimed.contains(sink))
      continue;
    std::optional<Stream> stream = streamOf(sink);
    if (!stream)
      continue;
    join(*stream, sorted);
    addEpilogue(*stream);
    // Who reads one result waits for all that the kernel reads.
    SmallVector<EinsumOp> results(stream->reductions.begin(),
                                  stream->reductions.end());
    for (EinsumOp op : stream->late)
      if (claimed.contains(op))
        results.push_back(op);
    for (EinsumOp op : results) {
      claimed.insert(op);
      together[op].assign(results.begin(), results.end());
    }
    // A point of this stream alone is no stream of its own; one of several
    // passes is, where it is computed for other readers anyway.
    for (EinsumOp op : llvm::reverse(stream->points)) {
      bool isRepeated = needsStatistic(op, [](EinsumOp) {});
      if (llvm::all_of(op->getUsers(), [&](Operation *user) {
            auto reader = user->getParentOfType<EinsumOp>();
            return reader && (stream->reductions.contains(reader) ||
                              (stream->points.contains(reader) &&
                               (!isRepeated || claimed.contains(reader))));
          }))
        claimed.insert(op);
    }
    streams.push_back(std::move(*stream));
  }
  std::reverse(streams.begin(), streams.end());
  return streams;
}
