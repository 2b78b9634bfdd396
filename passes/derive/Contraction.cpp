//===- Contraction.cpp - a product of many tensors, summed ------*- C++ -*-===//
#include "passes/derive/Contraction.h"
#include <algorithm>
#include <limits>

using namespace attn;

double Contraction::volume(const RankSet &ranks) const {
  double points = 1;
  for (int i : ranks.set_bits())
    points *= extents[i];
  return points;
}

double Contraction::times(const RankSet &ranks) const {
  if (streamed.empty() || !ranks.anyCommon(streamed))
    return 1;
  RankSet missing = rows;
  missing.reset(ranks);
  return std::max(1.0, volume(missing) / block);
}

/// Ranks of the product of a subset that the result or another leaf needs.
RankSet Contraction::keptBy(unsigned subset) const {
  RankSet own(result.size()), others = result;
  for (unsigned i = 0; i < leaves.size(); ++i)
    (subset >> i & 1 ? own : others) |= leaves[i];
  own &= others;
  return own;
}

double Contraction::costOf(const ContractionPlan &plan) const {
  double cost = 0;
  for (const ContractionStep &step : plan.steps) {
    RankSet box = step.kept;
    box |= step.summed;
    cost += volume(box) * times(step.kept);
  }
  return cost;
}

ContractionPlan Contraction::cheapest() const {
  struct Best {
    double cost = std::numeric_limits<double>::infinity();
    unsigned left = 0;
  };
  unsigned all = (1u << leaves.size()) - 1;
  std::vector<Best> best(all + 1);
  for (unsigned subset = 1; subset <= all; ++subset) {
    Best &here = best[subset];
    if ((subset & (subset - 1)) == 0) {
      unsigned leaf = 0;
      while (!(subset >> leaf & 1))
        ++leaf;
      RankSet kept = keptBy(subset);
      here.cost = kept == leaves[leaf] ? 0 : volume(leaves[leaf]) * times(kept);
      continue;
    }
    RankSet kept = keptBy(subset);
    for (unsigned left = (subset - 1) & subset; left;
         left = (left - 1) & subset) {
      unsigned right = subset & ~left;
      if (left < right)
        continue; // each pair once
      RankSet box = keptBy(left);
      box |= keptBy(right);
      double cost = best[left].cost + best[right].cost;
      // Its operands are computed as often as it is.
      cost += volume(box) * times(kept);
      if (cost < here.cost)
        here = {cost, left};
    }
  }

  ContractionPlan plan;
  plan.cost = best[all].cost;
  auto build = [&](auto &self, unsigned subset) -> unsigned {
    RankSet kept = keptBy(subset);
    auto step = [&](unsigned left, unsigned right, RankSet box) -> unsigned {
      RankSet summed = std::move(box);
      summed.reset(kept);
      plan.steps.push_back({left, right, kept, summed});
      return leaves.size() + plan.steps.size() - 1;
    };
    if ((subset & (subset - 1)) == 0) {
      unsigned leaf = 0;
      while (!(subset >> leaf & 1))
        ++leaf;
      return kept == leaves[leaf] ? leaf : step(leaf, leaf, leaves[leaf]);
    }
    unsigned left = best[subset].left, right = subset & ~left;
    RankSet box = keptBy(left);
    box |= keptBy(right);
    unsigned x = self(self, left), y = self(self, right);
    return step(x, y, std::move(box));
  };
  build(build, all);
  return plan;
}
