//===- Contraction.h - a product of many tensors, summed --------*- C++ -*-===//
// sum[R](x1 * x2 * ..) over all ranks that nested contractions reduce, and the
// order of pairwise contractions that costs least. Pure planning: leaves are
// sets of ranks, ranks have extents.
//===----------------------------------------------------------------------===//
#ifndef ATTN_PASSES_DERIVE_CONTRACTION_H
#define ATTN_PASSES_DERIVE_CONTRACTION_H

#include "llvm/ADT/SmallBitVector.h"
#include "llvm/ADT/SmallVector.h"
#include <vector>

namespace attn {

using RankSet = llvm::SmallBitVector;

/// A step: the product of two operands, summed over what nobody else needs.
/// Operands below the number of leaves are leaves, others are earlier steps.
/// The operands are equal where one leaf is summed alone.
struct ContractionStep {
  unsigned left, right;
  RankSet kept, summed;
};

struct ContractionPlan {
  double cost = 0;
  std::vector<ContractionStep> steps;
};

class Contraction {
public:
  /// Extents by rank; the ranks that the result keeps.
  Contraction(std::vector<double> extents, RankSet result)
      : extents(std::move(extents)), result(std::move(result)) {}

  /// A leaf; returns its number.
  unsigned add(RankSet ranks) {
    leaves.push_back(std::move(ranks));
    return leaves.size() - 1;
  }
  /// What has `streamed` and not all of `rows` is computed again for each
  /// block of rows.
  void stream(RankSet streamed, RankSet rows, double block) {
    this->streamed = std::move(streamed);
    this->rows = std::move(rows);
    this->block = block;
  }

  size_t size() const { return leaves.size(); }
  /// Points of a box.
  double volume(const RankSet &ranks) const;
  /// How often a tensor of these ranks is computed.
  double times(const RankSet &ranks) const;
  /// What a plan made for the same leaves costs at these extents.
  double costOf(const ContractionPlan &plan) const;
  /// The least of all orders, by dynamic programming over subsets.
  ContractionPlan cheapest() const;

private:
  RankSet keptBy(unsigned subset) const;

  std::vector<double> extents;
  RankSet result;
  std::vector<RankSet> leaves;
  RankSet streamed, rows;
  double block = 1;
};

} // namespace attn
#endif // ATTN_PASSES_DERIVE_CONTRACTION_H
