//===- Extents.cpp - extents that a report speaks of ------------*- C++ -*-===//
// A rank that --shape does not give gets a default by what it is for: a
// sequence, a feature, or neither.
//===----------------------------------------------------------------------===//
#include "compiler/explain/Analyse.h"
#include "dialect/interpreter/Array.h"
#include "passes/derive/PassCount.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace attn;
using namespace attn::explain;

constexpr int64_t sequenceExtent = 4096, featureExtent = 64, otherExtent = 8;

/// The last axis of a port with at least three, and with the most of those that
/// carry it: rows are the last axis of what is said of rows, not of their data.
static bool isFeature(CascadeOp cascade, StringAttr rank) {
  size_t most = 0;
  bool isLast = false;
  auto visit = [&](Type type) {
    auto ranks = cast<NamedTensorType>(type).getRanks();
    if (ranks.size() < most || !llvm::is_contained(ranks, rank))
      return;
    isLast = (isLast && ranks.size() == most) || ranks.back() == rank;
    most = ranks.size();
  };
  llvm::for_each(cascade.getBody().getArgumentTypes(), visit);
  llvm::for_each(cascade.getReturn().getOperandTypes(), visit);
  return isLast && most >= 3;
}

static bool isReduced(CascadeOp cascade, StringAttr rank) {
  bool found = false;
  cascade.walk([&](EinsumOp op) {
    found |= llvm::is_contained(strings(op.getReduced()), rank);
  });
  return found;
}

/// Stands before a rank of the sequence in all ports that carry it: a head, an
/// axis of an image.
static bool isOuter(CascadeOp cascade, ArrayRef<StringAttr> sequence,
                    StringAttr rank) {
  bool isOuter = false;
  for (Type type : cascade.getBody().getArgumentTypes()) {
    auto ranks = cast<NamedTensorType>(type).getRanks();
    auto it = llvm::find(ranks, rank);
    if (it == ranks.end())
      continue;
    isOuter = llvm::any_of(
        llvm::make_range(it + 1, ranks.end()),
        [&](StringAttr later) { return llvm::is_contained(sequence, later); });
    if (!isOuter)
      return false;
  }
  return isOuter;
}

/// Free ranks that an extent is made of.
static void addFree(CascadeOp cascade, StringAttr name,
                    llvm::SetVector<StringAttr> &found) {
  RankAttr rank = cascade.findRank(name.getValue());
  if (!rank)
    return;
  if (!rank.getExtent())
    found.insert(name);
  else
    for (StringAttr other : rank.getExtent().getRanks())
      addFree(cascade, other, found);
}

static void findSequence(CascadeOp written, CascadeOp derived,
                         llvm::SetVector<StringAttr> &found) {
  derived.walk([&](KernelOp kernel) {
    ScheduleAttr schedule = kernel.getScheduleAttr();
    if (!schedule || !schedule.getStream())
      return;
    if (StringAttr whole = partsOf(derived, schedule.getStream()).first)
      found.insert(whole);
    // Its rows: the last rank that is no feature of an output.
    for (StringAttr rank : llvm::reverse(schedule.getParallel()))
      if (!isFeature(written, rank)) {
        found.insert(rank);
        break;
      }
  });
  for (const RankPasses &rank : countPasses(written))
    if (rank.count > 1 && !isFeature(written, rank.rank))
      found.insert(rank.rank);
  written.walk([&](EquationsOp equations) {
    for (auto pattern : equations.getPatterns().getAsRange<ArrayAttr>())
      for (auto [i, index] : llvm::enumerate(pattern))
        if (isa<ExtentAttr>(index))
          found.insert(cast<NamedTensorType>(equations.getResult().getType())
                           .getRanks()[i]);
  });
}

SmallVector<StringAttr> explain::sequenceRanks(const Stages &stages) {
  llvm::SetVector<StringAttr> named, found;
  CascadeOp written = stages.written;
  if (stages.sequence.empty())
    findSequence(written, stages.derived, named);
  for (const std::string &name : stages.sequence)
    named.insert(StringAttr::get(written.getContext(), name));
  for (StringAttr name : named)
    addFree(written, name, found);
  return found.takeVector();
}

static int64_t extentOf(CascadeOp cascade, const llvm::StringMap<int64_t> &free,
                        StringAttr name) {
  auto it = free.find(name);
  if (it != free.end())
    return it->second;
  return cascade.findRank(name).getExtent().evaluate(
      [&](StringAttr other) { return extentOf(cascade, free, other); });
}

/// Free parts follow from the whole: as many as make it.
static void fitParts(CascadeOp cascade, llvm::StringMap<int64_t> &free,
                     const llvm::StringSet<> &given) {
  for (auto product : cascade.getRelations().getAsRange<Attribute>()) {
    auto relation = dyn_cast<ProductAttr>(product);
    if (!relation)
      continue;
    int64_t known = 1;
    StringAttr open;
    for (StringAttr part : llvm::reverse(relation.getParts())) {
      bool isFree = free.contains(part) && !given.contains(part);
      if (isFree && !open)
        open = part;
      else
        known *= extentOf(cascade, free, part);
    }
    if (open && known > 0)
      free[open] = llvm::divideCeil(
          std::max<int64_t>(extentOf(cascade, free, relation.getWhole()), 0),
          known);
  }
}

llvm::Expected<llvm::StringMap<int64_t>>
explain::chooseExtents(const Stages &stages, const Options &options,
                       Report &report) {
  CascadeOp cascade = stages.written;
  llvm::StringMap<int64_t> free;
  llvm::StringSet<> given;
  for (auto &[name, extent] : options.shape)
    if (cascade.findRank(name)) { // of several cascades, one may lack it
      given.insert(name);
      free[name] = extent;
    }
  SmallVector<StringAttr> sequence = sequenceRanks(stages);
  for (auto rank : cascade.getRanks().getAsRange<RankAttr>()) {
    StringAttr name = rank.getName();
    if (rank.getExtent() || given.contains(name))
      continue;
    bool isSequence = llvm::is_contained(sequence, name);
    free[name] =
        isSequence && !isOuter(cascade, sequence, name) ? sequenceExtent
        : !isSequence && (isReduced(cascade, name) || isFeature(cascade, name))
            ? featureExtent
            : otherExtent;
  }
  fitParts(cascade, free, given);
  auto extents = extentsAt(cascade, free);
  if (!extents)
    return makeError(report.name + ": " + toString(extents.takeError()) +
                     " (--shape gives extents)");
  for (auto rank : cascade.getRanks().getAsRange<RankAttr>())
    report.ranks.push_back({rank.getName().str(),
                            extents->lookup(rank.getName()),
                            rank.getExtent()                 ? "program"
                            : given.contains(rank.getName()) ? "--shape"
                                                             : "default"});
  return free;
}
