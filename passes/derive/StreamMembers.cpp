//===- StreamMembers.cpp - what a stream takes in ---------------*- C++ -*-===//
#include "passes/derive/Finder.h"

using namespace mlir;
using namespace attn;

/// Adds what `op` reads to the stream. False if something cannot be part of it
/// and cannot be finished before it either.
bool Finder::collect(EinsumOp op, Stream &stream) {
  for (ReadOp read : readsOf(op)) {
    auto def = read.getTensor().getDefiningOp<EinsumOp>();
    if (!def || def.getNumResults() != 1 || claimed.contains(def) ||
        finished.contains(def) || apart.contains(def))
      continue;
    if (stream.reductions.contains(def) || stream.points.contains(def) ||
        stream.late.contains(def))
      continue;
    bool inGuard = read->getParentRegion() == &op.getGuard();
    bool isOwnPoint = isPlain(read, op) && !isIndex(read);
    if (isOwnPoint && !inGuard && contains(def.getSpace(), stream.rank) &&
        !contains(def.getReduced(), stream.rank)) {
      // A reduction over a row would need other rows.
      bool crossesRows = false;
      for (StringAttr rank : strings(def.getReduced()))
        if (llvm::is_contained(stream.rows, rank)) {
          crossesRows = true;
          crossed.insert(rank);
          crossing.insert(def);
        }
      // What was put before this sum to be computed once stays there.
      bool fits = (!def.isReduction() || isCommutative(def)) &&
                  !compared.contains(def) && !readsBasePoint(def) &&
                  !def->hasAttr(kOnceName);
      if (!crossesRows && fits && collect(def, stream))
        stream.points.insert(def);
      continue;
    }
    if (!fuseLate || !isOwnPoint || contains(def.getSpace(), stream.rank))
      continue;
    if (streamedRank(def) == stream.rank) {
      if (readsBasePoint(def) || !collect(def, stream))
        return false;
      stream.reductions.insert(def);
      continue;
    }
    // A map over rows that needs unfinished reductions moves with them.
    if (!def.isReduction()) {
      Stream trial = stream;
      size_t before = trial.reductions.size() + trial.late.size();
      if (collect(def, trial) &&
          trial.reductions.size() + trial.late.size() > before) {
        stream = trial;
        stream.late.insert(def);
      } else if (llvm::any_of(readsOf(def), [&](ReadOp inner) {
                   return stream.isLate(inner.getTensor());
                 })) {
        stream.late.insert(def);
      }
    }
  }
  return true;
}

/// True if a point of the stream is also read at other points, and can be in
/// memory before the stream starts: a prefix at its row and at its key.
bool Finder::isReadElsewhere(EinsumOp point, const Stream &stream) {
  auto reads = [&](EinsumOp member) {
    return llvm::any_of(readsOf(member), [&](ReadOp read) {
      return read.getTensor().getDefiningOp() == point &&
             (!isPlain(read, member) || isIndex(read));
    });
  };
  return (llvm::any_of(stream.points, reads) ||
          llvm::any_of(stream.reductions, reads)) &&
         llvm::none_of(stream.reductions, [&](EinsumOp reduction) {
           return dependsOnOp(point, reduction);
         });
}

/// A kernel pays when points are computed, not just read.
bool Finder::isWorthwhile(const Stream &stream) {
  return llvm::any_of(stream.points,
                      [](EinsumOp op) { return op.isReduction(); }) ||
         stream.reductions.size() > 1;
}

std::optional<Stream> Finder::attempt(EinsumOp sink, Stream &stream) {
  // A rank that is reduced on the way is no row: one that some accumulator
  // lacks, or else one of all, if it costs no point a second computation.
  Ranks rows = strings(sink.getSpace()), given;
  for (bool settled = false; !settled;) {
    stream = {};
    stream.rank = streamedRank(sink);
    stream.rows = rows;
    crossing.clear();
    if (!collect(sink, stream))
      return std::nullopt;
    stream.reductions.insert(sink);
    for (EinsumOp op : stream.reductions)
      llvm::erase_if(stream.rows, [&](StringAttr rank) {
        return !contains(op.getSpace(), rank);
      });
    Ranks kept = stream.rows;
    if (kept.size() == rows.size() && given.empty()) {
      for (EinsumOp op : crossing)
        for (StringAttr rank : strings(op.getReduced()))
          if (llvm::is_contained(kept, rank))
            given.push_back(rank);
      llvm::erase_if(kept, [&](StringAttr rank) {
        return llvm::is_contained(given, rank);
      });
      for (EinsumOp op : crossing)
        if (!llvm::all_of(kept, [&](StringAttr rank) {
              return contains(op.getSpace(), rank);
            }))
          kept = rows;
    }
    settled = crossing.empty() || !givesRows || kept.empty() ||
              kept.size() == rows.size();
    rows = kept;
  }
  // Whole in the tile are values in memory and accumulators, no points.
  for (EinsumOp op : stream.points)
    if (llvm::any_of(given, [&](StringAttr rank) {
          return !llvm::is_contained(stream.rows, rank) &&
                 contains(op.getSpace(), rank);
        }))
      return std::nullopt;
  dropValueRanks(stream);
  auto own = llvm::find_if(stream.points, [&](EinsumOp op) {
    return runsApart(op, stream) || isReadElsewhere(op, stream);
  });
  if (own != stream.points.end()) {
    apart.insert(*own);
    return attempt(sink, stream);
  }
  // Points may lack a rank, but every further rank of theirs is their own.
  if (stream.rows.empty() || !isWorthwhile(stream))
    return std::nullopt;
  if (auto why = refusal(stream)) {
    noteRefusal(cascade, why->law, nameOf(sink), why->condition);
    return std::nullopt;
  }
  return stream;
}

/// The stream that ends in `sink`: with all that it needs over the rank, or as
/// much of it as the laws allow, the rest being finished in a pass before.
std::optional<Stream> Finder::streamOf(EinsumOp sink) {
  if (readsBasePoint(sink))
    return std::nullopt;
  // Points that are reduced over a rank of the rows may bring what refuses.
  Attribute refusals = cascade->getAttr("attn.refusals");
  givesRows = true;
  crossed.clear();
  apart.clear();
  std::optional<Stream> stream = tryStream(sink);
  if (stream || crossed.empty())
    return stream;
  if (refusals)
    cascade->setAttr("attn.refusals", refusals);
  else
    cascade->removeAttr("attn.refusals");
  givesRows = false;
  return tryStream(sink);
}

std::optional<Stream> Finder::tryStream(EinsumOp sink) {
  fuseLate = true;
  finished.clear();
  Stream tried;
  std::optional<Stream> stream = attempt(sink, tried);
  // What others need comes first.
  SmallVector<EinsumOp> needed(tried.reductions.begin(),
                               tried.reductions.end());
  for (EinsumOp op : needed) {
    if (stream || op == sink)
      break;
    finished.insert(op);
    stream = attempt(sink, tried);
  }
  finished.clear();
  if (stream)
    return stream;
  fuseLate = false;
  return attempt(sink, tried);
}
