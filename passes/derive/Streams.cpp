//===- Streams.cpp - which reductions stream together -----------*- C++ -*-===//
#include "passes/derive/Finder.h"

using namespace mlir;
using namespace attn;

bool Stream::isLate(Value tensor) const {
  auto op = tensor.getDefiningOp<EinsumOp>();
  return op && (reductions.contains(op) || late.contains(op));
}

bool Stream::isMember(EinsumOp op) const {
  return reductions.contains(op) || points.contains(op) || late.contains(op);
}

StreamTensors Stream::tensors() const {
  return {[this](Value v) { return isLate(v); },
          [this](Value v) -> EinsumOp {
            return isPoint(v) ? v.getDefiningOp<EinsumOp>() : EinsumOp();
          }};
}

bool Stream::isPoint(Value tensor) const {
  auto op = tensor.getDefiningOp<EinsumOp>();
  return op && points.contains(op);
}

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

/// True if presence of a map over rows is its own affair.
static bool hasCondition(Value tensor) {
  auto op = tensor.getDefiningOp<EinsumOp>();
  return op && !op.isReduction() && !op.getMap().getOps<WhereOp>().empty();
}

Form attn::summandForm(FormAnalysis &forms, EinsumOp op) {
  Value summand = op.getMapYield().getOperand(0);
  auto kind = op.builtinReduce();
  Form form =
      kind == Reduce::sum ? forms.ofSummand(summand) : forms.of(summand);
  if (form.kind != Form::Scale && form.kind != Form::Shift)
    return form;
  // Where a statistic is absent in the end, no point of the row is present.
  llvm::SetVector<Value> required;
  for (const ShiftTerm &term : form.terms())
    if (kind == Reduce::count || hasCondition(term.tensor))
      required.insert(term.tensor);
  if (kind == Reduce::count) {
    for (const LateFactor &factor : form.factors)
      if (factor.kind != LateFactor::Clears)
        required.insert(factor.tensor);
    // It asks for presence alone.
    bool clears = llvm::any_of(form.factors, [](const LateFactor &factor) {
      return factor.kind == LateFactor::Clears;
    });
    if (clears)
      return Form::other("a choice by unfinished statistics");
    form = {Form::Scale, {}, {}, {}, {}, {}};
  }
  for (Value tensor : required)
    form.factors.push_back({LateFactor::Requires, tensor});
  return form;
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
  auto own = llvm::find_if(stream.points,
                           [&](EinsumOp op) { return runsApart(op, stream); });
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

/// PRODUCT: further reductions over the rank that read what this stream has on
/// the way run with it.
void Finder::join(Stream &stream, ArrayRef<EinsumOp> candidates) {
  for (EinsumOp op : candidates) {
    bool keepsRows = llvm::all_of(stream.rows, [&](StringAttr rank) {
      return contains(op.getSpace(), rank);
    });
    if (!keepsRows || claimed.contains(op) || stream.isMember(op) ||
        streamedRank(op) != stream.rank || readsBasePoint(op))
      continue;
    // What members take for finished stays so.
    if (llvm::any_of(stream.reductions,
                     [&](EinsumOp member) { return dependsOnOp(member, op); }))
      continue;
    fuseLate = true;
    Stream trial = stream;
    if (!collect(op, trial))
      continue;
    trial.reductions.insert(op);
    if (llvm::any_of(trial.points,
                     [&](EinsumOp point) { return runsApart(point, trial); }))
      continue;
    // It shares if it, or a point that it brings, reads a member.
    auto reads = [&](EinsumOp member) {
      return !stream.isMember(member) &&
             llvm::any_of(readsOf(member), [&](ReadOp read) {
               return stream.isPoint(read.getTensor()) ||
                      stream.isLate(read.getTensor());
             });
    };
    bool shares = llvm::any_of(trial.reductions, reads) ||
                  llvm::any_of(trial.points, reads);
    if (shares && !refusal(trial)) {
      noteLaw(cascade, Law::Product, nameOf(op));
      stream = std::move(trial);
    }
  }
}

/// Maps over rows that finish what the stream made run in its kernel.
void Finder::addEpilogue(Stream &stream) {
  auto isCovered = [&](EinsumOp op) {
    return llvm::all_of(strings(op.getSpace()), [&](StringAttr rank) {
      return llvm::any_of(stream.reductions, [&](EinsumOp reduction) {
        return contains(reduction.getSpace(), rank);
      });
    });
  };
  auto fits = [&](EinsumOp op) {
    if (op.isReduction() || op.getNumResults() != 1 || stream.isMember(op) ||
        claimed.contains(op) || !op.getGuard().empty() || !isCovered(op) ||
        !llvm::all_of(stream.rows, [&](StringAttr rank) {
          return contains(op.getSpace(), rank);
        }))
      return false;
    bool finishes = false;
    for (ReadOp read : readsOf(op)) {
      Value tensor = read.getTensor();
      if (stream.isLate(tensor)) {
        if (!isPlainRead(read, op) || isIndex(read))
          return false;
        finishes = true;
        continue;
      }
      // All else is there before the kernel runs.
      if (Operation *def = tensor.getDefiningOp())
        for (EinsumOp reduction : stream.reductions)
          if (isa<EquationsOp>(def) || dependsOnOp(def, reduction))
            return false;
    }
    return finishes;
  };
  for (bool changed = true; changed;) {
    changed = false;
    for (auto op : cascade.getBody().front().getOps<EinsumOp>())
      if (fits(op)) {
        stream.late.insert(op);
        claimed.insert(op); // it is a result of this kernel, of no other
        changed = true;
      }
  }
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
    // A point of this stream is no stream of its own.
    for (EinsumOp op : stream->points)
      if (llvm::all_of(op->getUsers(), [&](Operation *user) {
            auto reader = user->getParentOfType<EinsumOp>();
            return reader && (stream->reductions.contains(reader) ||
                              stream->points.contains(reader));
          }))
        claimed.insert(op);
    streams.push_back(std::move(*stream));
  }
  std::reverse(streams.begin(), streams.end());
  return streams;
}

SmallVector<Stream> attn::findStreams(CascadeOp cascade) {
  return Finder(cascade).run();
}
