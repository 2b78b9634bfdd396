//===- Streams.cpp - which reductions stream together -----------*- C++ -*-===//
#include "passes/derive/Streams.h"

using namespace mlir;
using namespace attn;

bool Stream::isLate(Value tensor) const {
  auto op = tensor.getDefiningOp<EinsumOp>();
  return op && (reductions.contains(op) || late.contains(op));
}

bool Stream::isPoint(Value tensor) const {
  auto op = tensor.getDefiningOp<EinsumOp>();
  return op && points.contains(op);
}

static bool contains(ArrayAttr ranks, StringAttr rank) {
  return llvm::is_contained(ranks, rank);
}

static SmallVector<ReadOp> readsOf(EinsumOp op) {
  SmallVector<ReadOp> reads;
  op.walk([&](ReadOp read) { reads.push_back(read); });
  return reads;
}

/// True if the value of `read` enters an index of another access: what is
/// gathered by it has to be in memory.
static bool isIndex(ReadOp read) {
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

/// True if an access may be a base point of a recurrence: tiles are loaded from
/// the box of a tensor's ranks.
static bool readsBasePoint(EinsumOp op) {
  return llvm::any_of(readsOf(op), [&](ReadOp read) {
    return read.getTensor().getDefiningOp<EquationsOp>() &&
           !isPlainRead(read, op);
  });
}

namespace {

class Finder {
public:
  explicit Finder(CascadeOp cascade) : cascade(cascade) {}

  SmallVector<Stream> run();

private:
  /// Order does not matter to it, and it has an identity.
  static bool isCommutative(EinsumOp op) {
    constexpr Reduce kinds[] = {Reduce::sum, Reduce::prod, Reduce::max,
                                Reduce::min, Reduce::any,  Reduce::all,
                                Reduce::count};
    auto kind = op.builtinReduce();
    return kind && llvm::is_contained(kinds, *kind);
  }

  /// A built-in reduction over one rank that keeps at least one.
  static StringAttr streamedRank(EinsumOp op) {
    if (!isCommutative(op) || op.getReduced().size() != 1 ||
        op.getSpace().empty())
      return {};
    return cast<StringAttr>(op.getReduced()[0]);
  }

  bool collect(EinsumOp op, Stream &stream);
  std::optional<Stream> streamOf(EinsumOp sink, bool fuseLate);
  void join(Stream &stream, ArrayRef<EinsumOp> candidates);
  bool isRepairable(const Stream &stream);
  bool isWorthwhile(const Stream &stream);
  bool dependsOnOp(Operation *op, Operation *other);

  CascadeOp cascade;
  DenseSet<Operation *> claimed;
  bool fuseLate = true;
};

} // namespace

/// True if the definition of `op` needs that of `other`.
bool Finder::dependsOnOp(Operation *op, Operation *other) {
  SmallVector<Operation *> work{op};
  DenseSet<Operation *> seen;
  while (!work.empty()) {
    Operation *current = work.pop_back_val();
    if (!seen.insert(current).second)
      continue;
    if (current == other)
      return true;
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
    if (!def || def.getNumResults() != 1 || claimed.contains(def))
      continue;
    if (stream.reductions.contains(def) || stream.points.contains(def) ||
        stream.late.contains(def))
      continue;
    bool inGuard = read->getParentRegion() == &op.getGuard();
    bool isPlain = !inGuard && isPlainRead(read, op) && !isIndex(read);
    if (isPlain && contains(def.getSpace(), stream.rank) &&
        !contains(def.getReduced(), stream.rank)) {
      // A reduction over a row would need other rows.
      bool crossesRows = llvm::any_of(def.getReduced(), [&](Attribute rank) {
        return llvm::is_contained(stream.rows, rank);
      });
      bool fits =
          (!def.isReduction() || isCommutative(def)) && !readsBasePoint(def);
      if (!crossesRows && fits && collect(def, stream))
        stream.points.insert(def);
      continue;
    }
    if (!fuseLate || !isPlain || contains(def.getSpace(), stream.rank))
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

/// Everything read from outside must be finished before the stream starts.
bool Finder::isRepairable(const Stream &stream) {
  auto members = [&](auto fn) {
    for (auto *set : {&stream.reductions, &stream.points, &stream.late})
      for (EinsumOp op : *set)
        fn(op);
  };
  bool legal = true;
  members([&](EinsumOp op) {
    for (ReadOp read : readsOf(op)) {
      Operation *def = read.getTensor().getDefiningOp();
      auto einsum = dyn_cast_or_null<EinsumOp>(def);
      bool member = einsum && (stream.reductions.contains(einsum) ||
                               stream.points.contains(einsum) ||
                               stream.late.contains(einsum));
      if (!def)
        continue;
      if (member) {
        bool inGuard = read->getParentRegion() == &op.getGuard();
        legal &= !inGuard && isPlainRead(read, op) && !isIndex(read);
        continue;
      }
      for (EinsumOp reduction : stream.reductions)
        legal &= !dependsOnOp(def, reduction);
    }
  });
  if (!legal)
    return false;

  FormAnalysis forms({[&](Value v) { return stream.isLate(v); },
                      [&](Value v) -> EinsumOp {
                        return stream.isPoint(v) ? v.getDefiningOp<EinsumOp>()
                                                 : EinsumOp();
                      }});
  for (EinsumOp op : stream.reductions) {
    const Form &form = forms.of(op.getMapYield().getOperand(0));
    if (form.kind == Form::Free)
      continue;
    // * distributes over sum alone.
    if (form.kind != Form::Scale || op.builtinReduce() != Reduce::sum)
      return false;
    // The repair depends only on ranks that the accumulator keeps.
    auto kept = [&](Value tensor) {
      return llvm::all_of(
          cast<NamedTensorType>(tensor.getType()).getRanks(),
          [&](StringAttr rank) { return contains(op.getSpace(), rank); });
    };
    for (const Exponential &e : form.exponentials)
      for (const ShiftTerm &term : e.shift)
        if (!kept(term.tensor))
          return false;
    for (const LateFactor &factor : form.factors)
      if (!kept(factor.tensor))
        return false;
  }
  return true;
}

/// A kernel pays when points are computed, not just read.
bool Finder::isWorthwhile(const Stream &stream) {
  return llvm::any_of(stream.points,
                      [](EinsumOp op) { return op.isReduction(); }) ||
         stream.reductions.size() > 1;
}

std::optional<Stream> Finder::streamOf(EinsumOp sink, bool late) {
  fuseLate = late;
  if (readsBasePoint(sink))
    return std::nullopt;
  Stream stream;
  stream.rank = streamedRank(sink);
  stream.rows = strings(sink.getSpace());
  if (!collect(sink, stream))
    return std::nullopt;
  stream.reductions.insert(sink);
  for (EinsumOp op : stream.reductions)
    llvm::erase_if(stream.rows, [&](StringAttr rank) {
      return !contains(op.getSpace(), rank);
    });
  // Points may lack a rank, but every further rank of theirs is their own.
  if (stream.rows.empty() || !isRepairable(stream) || !isWorthwhile(stream))
    return std::nullopt;
  return stream;
}

/// PRODUCT: further reductions over the rank that read what this stream has on
/// the way run with it.
void Finder::join(Stream &stream, ArrayRef<EinsumOp> candidates) {
  for (EinsumOp op : candidates) {
    bool shares = llvm::any_of(readsOf(op), [&](ReadOp read) {
      return stream.isPoint(read.getTensor()) ||
             stream.isLate(read.getTensor());
    });
    bool keepsRows = llvm::all_of(stream.rows, [&](StringAttr rank) {
      return contains(op.getSpace(), rank);
    });
    if (!shares || !keepsRows || claimed.contains(op) ||
        stream.reductions.contains(op) || stream.points.contains(op) ||
        streamedRank(op) != stream.rank || readsBasePoint(op))
      continue;
    fuseLate = true;
    Stream trial = stream;
    if (!collect(op, trial))
      continue;
    trial.reductions.insert(op);
    if (isRepairable(trial))
      stream = std::move(trial);
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
    std::optional<Stream> stream = streamOf(sink, /*late=*/true);
    if (!stream)
      stream = streamOf(sink, /*late=*/false);
    if (!stream)
      continue;
    join(*stream, sorted);
    for (EinsumOp op : stream->reductions)
      claimed.insert(op);
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
