//===- ContractionOrder.cpp - the order that a network pays for -*- C++ -*-===//
// Weights that expand the keys of a stream are absorbed into its rows: what
// only the points of a stream need is computed again for each block of rows.
#include "passes/derive/ContractionOrder.h"

using namespace mlir;
using namespace attn;

static constexpr size_t kMaxLeaves = 8;
static constexpr double kRowsOfBlock = 64; // that a stream serves at a time
static constexpr double kGain = 1.25;      // below it the text's order stands
static constexpr double kWide = 8; // a width of the model, a head's is one

/// Ranks of the result that the sums that read it stream.
static RankSet streamedByReaders(TensorNetwork &network,
                                 TypicalExtents &extents) {
  RankSet streamed(network.ranks.size());
  for (Operation *reader : readersOf(network.root.getResult(0)))
    if (auto einsum = dyn_cast_or_null<EinsumOp>(reader))
      for (auto [i, rank] : llvm::enumerate(strings(network.root.getSpace())))
        if (llvm::is_contained(strings(einsum.getReduced()), rank) &&
            extents.isSequence(rank))
          streamed.set(i);
  return streamed;
}

/// The planner's view: leaves and extents, and the stream that this sum is, or
/// that its result is a point of.
static Contraction contractionOf(TensorNetwork &network,
                                 TypicalExtents &extents) {
  std::vector<double> sizes;
  for (StringAttr rank : network.ranks) {
    auto copy = llvm::find_if(network.products.copies,
                              [&](auto &pair) { return pair.first == rank; });
    sizes.push_back(extents.of(
        copy == network.products.copies.end() ? rank : copy->second));
  }
  Contraction contraction(sizes, network.result);
  for (const Leaf &leaf : network.leaves)
    if (leaf.value)
      contraction.add(leaf.ranks);
  RankSet box = network.result, streamed;
  if (network.streamLeaf) {
    box = network.leaves[*network.streamLeaf].ranks;
    streamed = box;
    streamed &= network.reduced;
  } else {
    streamed = streamedByReaders(network, extents);
  }
  RankSet rows(network.ranks.size());
  for (int i : box.set_bits())
    if (!streamed.test(i) && extents.isSequence(network.ranks[i]))
      rows.set(i);
  if (streamed.any() && rows.any())
    contraction.stream(streamed, rows, kRowsOfBlock);
  return contraction;
}

/// What a sum costs as it is written; one that others read too is shared.
static double writtenCost(const TensorNetwork &network,
                          const Contraction &contraction, unsigned number = 0) {
  const WrittenSum &sum = network.sums[number];
  RankSet box = sum.ranks;
  double cost = 0;
  for (unsigned child : sum.nested) {
    EinsumOp inner = network.sums[child].op;
    box |= network.sums[child].ranks;
    cost += writtenCost(network, contraction, child) /
            readersOf(inner.getResult(0)).size();
  }
  // Leaves, wherever they were multiplied in since.
  for (unsigned i : sum.leaves)
    box |= network.leaves[i].ranks;
  return cost + contraction.volume(box) * contraction.times(sum.ranks);
}

/// The points of a stream are summed over the streamed rank and nothing else.
static bool keepsStream(TensorNetwork &network, const ContractionPlan &plan) {
  if (!network.streamLeaf)
    return true;
  unsigned number = 0; // of the leaf, among those that are left
  for (unsigned i = 0; i < *network.streamLeaf; ++i)
    number += network.leaves[i].value ? 1 : 0;
  size_t kept = network.root.getSpace().size();
  RankSet own(network.ranks.size());
  own.set(kept, kept + network.root.getReduced().size());
  for (const ContractionStep &step : plan.steps)
    if (step.left == number || step.right == number)
      return step.left != step.right && step.summed == own;
  return false;
}

std::optional<ContractionPlan> attn::cheaperOrder(TensorNetwork &network,
                                                  TypicalExtents &extents) {
  size_t size = contractionOf(network, extents).size();
  if (size < 2 || size > kMaxLeaves)
    return std::nullopt;
  auto doubtful = extents.doubtful();
  extents.suppose(doubtful.back(), kWide);
  Contraction wide = contractionOf(network, extents);
  ContractionPlan plan = wide.cheapest();
  bool pays = plan.cost * kGain < writtenCost(network, wide) &&
              keepsStream(network, plan);
  doubtful.back().clear(); // as guessed
  for (ArrayRef<StringAttr> ranks : doubtful) {
    extents.suppose(ranks, kWide);
    Contraction contraction = contractionOf(network, extents);
    pays &= contraction.costOf(plan) <= writtenCost(network, contraction);
  }
  extents.suppose({}, 1);
  return pays ? std::optional(plan) : std::nullopt;
}
