//===- Streams.cpp - which reductions stream together -----------*- C++ -*-===//
#include "passes/derive/Streams.h"
#include "dialect/PrintExpr.h"
#include "mlir/IR/Matchers.h"
#include "passes/derive/Compared.h"
#include "passes/derive/Laws.h"
#include <map>
#include <set>

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

static std::string nameOf(EinsumOp op) {
  return cast<StringAttr>(op.getNames()[0]).str();
}

static bool contains(ArrayAttr ranks, StringAttr rank) {
  return llvm::is_contained(ranks, rank);
}

static SmallVector<ReadOp> readsOf(EinsumOp op) {
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
  auto collect = [&](ArrayRef<ShiftTerm> shift) {
    for (const ShiftTerm &term : shift)
      if (kind == Reduce::count || hasCondition(term.tensor))
        required.insert(term.tensor);
  };
  collect(form.shift);
  for (const Exponential &e : form.exponentials)
    collect(e.shift);
  for (const ShiftFactor &factor : form.shifts)
    collect(factor.shift);
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

/// A read at the reader's own coordinates, in its map or its guard.
static bool isPlain(ReadOp read, EinsumOp op) {
  if (read->getParentRegion() != &op.getGuard())
    return isPlainRead(read, op);
  Coordinates at = coordinatesOf(strings(op.getSpace()), op.getGuard().front());
  return llvm::all_of(
      llvm::zip(read.getIndices(), read.getTensor().getType().getRanks()),
      [&](auto pair) {
        return at.lookup(std::get<1>(pair)) == std::get<0>(pair);
      });
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

/// The value of a map that is read at its own coordinates; else null.
static Value namedValue(ReadOp read) {
  auto def = read.getTensor().getDefiningOp<EinsumOp>();
  if (!def || def.isReduction() || def.getNumResults() != 1 ||
      def.getRounded() || def->hasAttr("attn.scc"))
    return {};
  for (auto [index, rank] :
       llvm::zip(read.getIndices(), read.getTensor().getType().getRanks())) {
    auto argument = dyn_cast<BlockArgument>(index);
    if (!argument || coordinateName(argument) != rank.getValue())
      return {};
  }
  return def.getMapYield().getOperand(0);
}

/// The same text for the same value, in whatever region it stands, named or
/// not. Where a read is known to be inside of the tensor is no part of it: the
/// value is the same.
static std::string textOf(Value value) {
  std::string text;
  llvm::raw_string_ostream os(text);
  if (auto argument = dyn_cast<BlockArgument>(value)) {
    os << coordinateName(argument);
    return text;
  }
  Operation *op = value.getDefiningOp();
  if (auto read = dyn_cast<ReadOp>(op))
    if (Value named = namedValue(read))
      return textOf(named);
  os << op->getName() << value.getType();
  auto read = dyn_cast<ReadOp>(op);
  if (!read || read.getBounds() == Bounds::data)
    os << op->getAttrDictionary();
  os << "(";
  for (Value operand : op->getOperands()) {
    if (isa<NamedTensorType>(operand.getType()))
      os << operand.getAsOpaquePointer();
    else
      os << textOf(operand);
    os << ",";
  }
  os << ")";
  return text;
}

namespace {

/// What has to hold for a value to be present at a point, and, if `movesOnly`,
/// to be more than a constant that no statistic moves.
class PresenceConditions {
public:
  using Set = std::set<std::string>;
  PresenceConditions(const Stream &stream, bool movesOnly)
      : stream(stream), movesOnly(movesOnly) {}
  const Set &of(Value value) {
    auto it = cache.find(value.getAsOpaquePointer());
    if (it != cache.end())
      return it->second;
    Set result = compute(value);
    return cache[value.getAsOpaquePointer()] = std::move(result);
  }

private:
  Set compute(Value value) {
    Operation *op = value.getDefiningOp();
    if (!op)
      return {};
    if (auto read = dyn_cast<ReadOp>(op))
      return ofRead(read);
    if (auto otherwise = dyn_cast<ElseOp>(op))
      return ofElse(otherwise);
    Set result;
    if (auto where = dyn_cast<WhereOp>(op))
      addConjuncts(where.getCondition(), result);
    for (Value operand : op->getOperands())
      if (!isa<NamedTensorType>(operand.getType()))
        result.insert(of(operand).begin(), of(operand).end());
    return result;
  }

  Set ofRead(ReadOp read) {
    Value tensor = read.getTensor();
    if (stream.isLate(tensor))
      return {};
    if (stream.isPoint(tensor)) {
      auto point = tensor.getDefiningOp<EinsumOp>();
      if (!point.isReduction())
        return of(point.getMapYield().getOperand(0));
      if (point.getGuard().empty())
        return {};
      auto yield = cast<YieldOp>(point.getGuard().front().back());
      Set result;
      addConjuncts(yield.getOperand(0), result);
      return result;
    }
    if (isa<BlockArgument>(tensor) && read.getBounds() == Bounds::inside)
      return {};
    return {textOf(read.getResult())};
  }

  Set ofElse(ElseOp op) {
    const Set &first = of(op.getValue()), &second = of(op.getOtherwise());
    if (movesOnly) {
      if (matchPattern(op.getOtherwise(), m_Constant()))
        return first;
      auto read = op.getValue().getDefiningOp<ReadOp>();
      if (read && stream.isLate(read.getTensor()))
        return second;
    }
    Set result;
    std::set_intersection(first.begin(), first.end(), second.begin(),
                          second.end(), std::inserter(result, result.end()));
    // One of the two.
    if (!first.empty() && !second.empty())
      result.insert(textOf(op.getResult()));
    return result;
  }

  void addConjuncts(Value condition, Set &result) {
    auto map = condition.getDefiningOp<MapOp>();
    if (map && map.getFn() == Fn::and_) {
      for (Value operand : map.getOperands())
        addConjuncts(operand, result);
      return;
    }
    result.insert(textOf(condition));
  }

  const Stream &stream;
  bool movesOnly;
  std::map<void *, Set> cache;
};

class Finder {
public:
  explicit Finder(CascadeOp cascade)
      : cascade(cascade), compared(comparedWithThemselves(cascade)) {}

  SmallVector<Stream> run();

private:
  static bool isCommutative(EinsumOp op) {
    auto kind = op.builtinReduce();
    return kind && attn::isCommutative(*kind);
  }

  /// A built-in reduction over one rank that keeps at least one.
  static StringAttr streamedRank(EinsumOp op) {
    if (!isCommutative(op) || op.getReduced().size() != 1 ||
        op.getSpace().empty())
      return {};
    return cast<StringAttr>(op.getReduced()[0]);
  }

  bool collect(EinsumOp op, Stream &stream);
  std::optional<Stream> attempt(EinsumOp sink, Stream &stream);
  std::optional<Stream> streamOf(EinsumOp sink);
  std::optional<Stream> tryStream(EinsumOp sink);
  void join(Stream &stream, ArrayRef<EinsumOp> candidates);
  void addEpilogue(Stream &stream);
  /// Empty, or the law that refuses and why.
  struct Refusal {
    Law law;
    std::string condition;
  };
  std::optional<Refusal> refusal(const Stream &stream);
  std::optional<Refusal> refusal(EinsumOp op, const Form &form);
  std::optional<Refusal> refuseEmpty(const Stream &stream, FormAnalysis &forms,
                                     EinsumOp op, const Form &form);
  bool isWorthwhile(const Stream &stream);
  void dropValueRanks(Stream &stream);
  bool runsApart(EinsumOp op, const Stream &stream);
  bool dependsOnOp(Operation *op, Operation *other);

  CascadeOp cascade;
  const DenseSet<Operation *> compared;
  DenseSet<Operation *> claimed;
  /// Of a claimed reduction, all of its stream.
  DenseMap<Operation *, SmallVector<Operation *>> together;
  /// Reductions that are complete before the stream that is tried.
  DenseSet<Operation *> finished;
  /// Ranks of rows that what a point would need is reduced over; whether they
  /// may be rows no more for it.
  DenseSet<StringAttr> crossed;
  llvm::SetVector<EinsumOp> crossing;
  bool givesRows = true;
  /// Points that are a stream of their own, complete before this one.
  DenseSet<Operation *> apart;
  bool fuseLate = true;
};

} // namespace

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
      bool fits =
          (!def.isReduction() ||
           (isCommutative(def) && !compared.contains(def))) &&
          !readsBasePoint(def) && !def->hasAttr(kOnceName);
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

/// Everything read from outside must be finished before the stream starts, and
/// what moves in it must be repairable.
std::optional<Finder::Refusal> Finder::refusal(const Stream &stream) {
  for (auto *set : {&stream.reductions, &stream.points, &stream.late})
    for (EinsumOp op : *set)
      for (ReadOp read : readsOf(op)) {
        Operation *def = read.getTensor().getDefiningOp();
        if (!def)
          continue;
        auto einsum = dyn_cast<EinsumOp>(def);
        if (einsum && stream.isMember(einsum)) {
          // Whether a fibre exists is asked when its reduction is finished.
          bool inGuard = read->getParentRegion() == &op.getGuard();
          bool isFinished =
              stream.reductions.contains(op) && stream.isLate(read.getTensor());
          if ((inGuard && !isFinished) || !isPlain(read, op) || isIndex(read))
            return Refusal{Law::Online,
                           tensorName(read.getTensor()).str() +
                               " is read elsewhere than at its own point"};
          continue;
        }
        for (EinsumOp reduction : stream.reductions)
          if (dependsOnOp(def, reduction))
            return Refusal{Law::Online, tensorName(read.getTensor()).str() +
                                            " needs all of " +
                                            nameOf(reduction)};
      }
  FormAnalysis forms(stream.tensors());
  for (EinsumOp op : stream.reductions) {
    Form form = summandForm(forms, op);
    if (auto why = refusal(op, form))
      return why;
    if (auto why = refuseEmpty(stream, forms, op, form))
      return why;
  }
  return std::nullopt;
}

/// Points that were combined with a statistic of nothing (-inf, log 0, 0 / 0)
/// cannot be repaired: where a point is present that a statistic moves, the
/// statistic must have one.
std::optional<Finder::Refusal> Finder::refuseEmpty(const Stream &stream,
                                                   FormAnalysis &forms,
                                                   EinsumOp op,
                                                   const Form &form) {
  // Reductions that may be no number of nothing, or make one of nothing.
  llvm::SetVector<EinsumOp> needed;
  DenseSet<Operation *> seen;
  std::function<void(Value, bool)> add = [&](Value tensor, bool isOperand) {
    auto def = tensor.getDefiningOp<EinsumOp>();
    if (!def || !stream.isLate(tensor) || !seen.insert(def).second)
      return;
    if (stream.late.contains(def)) {
      for (ReadOp read : readsOf(def))
        add(read.getTensor(), /*isOperand=*/true);
      return;
    }
    Reduce kind = *def.builtinReduce();
    Form own = summandForm(forms, def);
    if (isOperand || kind == Reduce::max || kind == Reduce::min ||
        !own.factors.empty())
      needed.insert(def);
    for (const LateFactor &factor : own.factors)
      add(factor.tensor, /*isOperand=*/true);
  };
  auto addTerms = [&](ArrayRef<ShiftTerm> shift) {
    for (const ShiftTerm &term : shift)
      add(term.tensor, /*isOperand=*/false);
  };
  addTerms(form.shift);
  for (const Exponential &e : form.exponentials)
    addTerms(e.shift);
  for (const ShiftFactor &factor : form.shifts)
    addTerms(factor.shift);
  if (needed.empty())
    return std::nullopt;
  PresenceConditions moved(stream, /*movesOnly=*/true);
  PresenceConditions present(stream, /*movesOnly=*/false);
  const auto &own = moved.of(op.getMapYield().getOperand(0));
  for (EinsumOp statistic : needed) {
    const auto &other = present.of(statistic.getMapYield().getOperand(0));
    if (!std::includes(own.begin(), own.end(), other.begin(), other.end()))
      return Refusal{Law::Online, nameOf(statistic) +
                                      " may have no point yet where " +
                                      nameOf(op) + " has one"};
  }
  return std::nullopt;
}

/// Conditions of ONLINE, ONLINE-LINEAR, ONLINE-SHIFT and HOIST on one map.
std::optional<Finder::Refusal> Finder::refusal(EinsumOp op, const Form &form) {
  if (form.kind == Form::Free)
    return std::nullopt;
  if (form.kind == Form::Other)
    return Refusal{Law::Online, "no repair of " + form.why};
  Reduce kind = *op.builtinReduce();
  std::string name = stringifyReduce(kind).str();
  bool isExtremum = kind == Reduce::max || kind == Reduce::min;
  bool isMovedExtremum = isExtremum && form.kind == Form::Shift;
  if (kind != Reduce::sum && kind != Reduce::count && !isMovedExtremum)
    return Refusal{Law::Hoist, "* does not distribute over " + name};
  // The repair depends only on ranks that the accumulator keeps.
  SmallVector<Value> moving;
  auto collect = [&](ArrayRef<ShiftTerm> shift) {
    for (const ShiftTerm &term : shift)
      moving.push_back(term.tensor);
  };
  collect(form.shift);
  for (const Exponential &e : form.exponentials)
    collect(e.shift);
  for (const ShiftFactor &factor : form.shifts)
    collect(factor.shift);
  for (const LateFactor &factor : form.factors)
    moving.push_back(factor.tensor);
  for (Value tensor : moving)
    for (StringAttr rank : cast<NamedTensorType>(tensor.getType()).getRanks())
      if (!contains(op.getSpace(), rank))
        return Refusal{Law::Online,
                       tensorName(tensor).str() + " has rank " + rank.str() +
                           ", which the accumulator does not keep"};
  return std::nullopt;
}

/// A kernel pays when points are computed, not just read.
bool Finder::isWorthwhile(const Stream &stream) {
  return llvm::any_of(stream.points,
                      [](EinsumOp op) { return op.isReduction(); }) ||
         stream.reductions.size() > 1;
}

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

/// A point that reduces its own rank in several passes wants a stream over that
/// rank. It gets it where keeping its results is no more than a port: where
/// they lack rows of this stream, so that each row would compute them again, or
/// where they reduce what is computed from a port of all rows and this rank.
bool Finder::runsApart(EinsumOp op, const Stream &stream) {
  StringAttr rank = streamedRank(op);
  if (!rank || !op.isReduction())
    return false;
  Ranks rows;
  bool lacksRow = false;
  for (StringAttr row : stream.rows)
    if (contains(op.getSpace(), row))
      rows.push_back(row);
    else
      lacksRow = true;
  bool needsStatistic = false, isComputed = false;
  SmallVector<EinsumOp> work{op};
  DenseSet<Operation *> seen;
  while (!work.empty())
    for (ReadOp read : readsOf(work.pop_back_val())) {
      auto def = read.getTensor().getDefiningOp<EinsumOp>();
      if (!def || !seen.insert(def).second)
        continue;
      if (contains(def.getSpace(), rank)) {
        isComputed |= def.isReduction() &&
                      contains(def.getSpace(), stream.rank) &&
                      llvm::all_of(rows, [&](StringAttr row) {
                        return contains(def.getSpace(), row);
                      });
        work.push_back(def);
      } else if (contains(def.getReduced(), rank)) {
        needsStatistic = true;
      } else if (!def.isReduction()) {
        work.push_back(def);
      }
    }
  if (!needsStatistic || (!lacksRow && !isComputed))
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
    for (EinsumOp op : stream->reductions) {
      claimed.insert(op);
      together[op].assign(stream->reductions.begin(), stream->reductions.end());
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
