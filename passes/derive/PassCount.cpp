//===- PassCount.cpp - passes over each rank, and why -----------*- C++ -*-===//
// The longest chain of statements that end passes, by the levels of what they
// define.
#include "passes/derive/PassCount.h"
#include "passes/derive/PassLevels.h"

using namespace mlir;
using namespace attn;

static std::string nameOf(Operation *op) {
  if (auto einsum = dyn_cast<EinsumOp>(op))
    return cast<StringAttr>(einsum.getNames()[0]).str();
  if (auto order = dyn_cast<OrderOp>(op))
    return order.getName().str();
  return cast<EquationsOp>(op).getName().str();
}

PassStep PassLevels::describe(Operation *op) {
  PassStep step{nameOf(op), "reads " + rank.str()};
  auto einsum = dyn_cast<EinsumOp>(op);
  if (einsum && einsum.isReduction()) {
    auto kind = einsum.builtinReduce();
    step.does =
        kind ? stringifyReduce(*kind).str()
             : cast<FlatSymbolRefAttr>(einsum.getMonoidAttr()).getValue().str();
    step.does += " over";
    for (StringAttr reduced : strings(einsum.getReduced()))
      step.does += " " + reduced.str();
  } else if (auto order = dyn_cast<OrderOp>(op)) {
    step.does = "order over " + order.getFrom().str();
  } else if (isa<EquationsOp>(op)) {
    step.does = "recurrence";
  }
  return step;
}

RankPasses PassLevels::run() {
  evaluateAll();
  Operation *last = nullptr;
  for (Value output : cascade.getReturn().getOutputs())
    if (Operation *op = definitionBehind(output);
        op && (!last || levels[op].pass > levels[last].pass))
      last = op;
  if (!last)
    return result;
  result.count = levels[last].pass;
  // The statement that ends each pass: the last reduction of it on the path, or
  // the last statement that walks the rank.
  SmallVector<Operation *> ends;
  DenseSet<Operation *> seen;
  for (Operation *op = last; op && seen.insert(op).second;
       op = levels[op].from) {
    unsigned pass = levels[op].pass;
    if (pass == 0)
      break;
    if (!visits(op) || pass > result.count)
      continue;
    if (ends.empty() || pass < levels[ends.back()].pass)
      ends.push_back(op);
    else if (reduces(op) && !reduces(ends.back()))
      ends.back() = op;
  }
  for (Operation *op : llvm::reverse(ends))
    result.chain.push_back(describe(op));
  return std::move(result);
}

RankPasses attn::passesOver(CascadeOp cascade, StringAttr rank) {
  return PassLevels(cascade, rank).run();
}

SmallVector<RankPasses> attn::countPasses(CascadeOp cascade) {
  SmallVector<RankPasses> all;
  DenseSet<StringAttr> tiles;
  cascade.walk([&](KernelOp kernel) {
    ScheduleAttr schedule = kernel.getScheduleAttr();
    if (!schedule || !schedule.getStream())
      return;
    tiles.insert(schedule.getStream());
    if (schedule.getTile())
      for (NamedAttribute tile : schedule.getTile())
        tiles.insert(tile.getName());
  });
  for (auto rank : cascade.getRanks().getAsRange<RankAttr>()) {
    if (tiles.contains(rank.getName()))
      continue;
    PassLevels levels(cascade, rank.getName());
    if (levels.reducesRank())
      all.push_back(levels.run());
  }
  return all;
}

std::string RankPasses::number() const {
  std::string text = std::to_string(count);
  for (auto [times, loop] : perStep)
    text += " + " + std::to_string(times) + " a step of " + loop.str();
  return text;
}

std::string RankPasses::reason() const {
  std::string text;
  for (const PassStep &step : chain)
    text += (text.empty() ? "" : ", then ") + step.statement + " (" +
            step.does + ")";
  if (repeated)
    text += ", repeated along " + repeated.str();
  return text;
}
