//===- Laws.cpp - which laws a program met ----------------------*- C++ -*-===//
#include "test/fuzz/cascade-fuzz/Laws.h"
#include "dialect/tile/Tile.h"
#include "passes/derive/Laws.h"
#include <set>

using namespace mlir;
using namespace attn;
using namespace attn::fuzz;

namespace {

template <typename Op>
unsigned count(
    ModuleOp module,
    llvm::function_ref<bool(Op)> fits = [](Op) { return true; }) {
  unsigned found = 0;
  module.walk([&](Op op) { found += fits(op); });
  return found;
}

bool hasName(ModuleOp module, StringRef suffix) {
  return count<EinsumOp>(module, [&](EinsumOp op) {
    return cast<StringAttr>(op.getNames()[0]).getValue().ends_with(suffix);
  });
}

/// A bound of a stream that presence moved: not 0, not the extent.
bool isClamped(Value bound) { return bound.getDefiningOp<MapOp>() != nullptr; }

/// Reductions that no stream computes.
unsigned alone(const Stages &s) {
  return count<EinsumOp>(s.at("attn-derive-online"), [](EinsumOp op) {
    return op.isReduction() && !op->getParentOfType<KernelOp>();
  });
}

struct Row {
  const char *name;
  bool (*fired)(const Stages &);
};

const Row table[] = {
    // Before derivation.
    {"hoisting: a guard on a result",
     [](const Stages &s) -> bool {
       return count<EinsumOp>(s.at("attn-guards"), [](EinsumOp op) {
         return op.isReduction() && !op.getGuard().empty();
       });
     }},
    {"INVARIANCE: a part over fewer ranks",
     [](const Stages &s) { return hasName(s.at("attn-normalise"), ".part"); }},
    {"maps inlined, equal einsums shared",
     [](const Stages &s) {
       return count<EinsumOp>(s.at("attn-normalise")) <
              count<EinsumOp>(s.at("attn-guards"));
     }},
    {"recurrence walked",
     [](const Stages &s) -> bool {
       return count<EquationsOp>(s.at("attn-normalise"));
     }},
    // Derivation.
    {"SPLIT: one stream",
     [](const Stages &s) {
       return count<KernelOp>(s.at("attn-derive-online")) == 1;
     }},
    {"SPLIT: several streams",
     [](const Stages &s) {
       return count<KernelOp>(s.at("attn-derive-online")) > 1;
     }},
    {"no stream",
     [](const Stages &s) {
       return count<KernelOp>(s.at("attn-derive-online")) == 0;
     }},
    {"reductions beside a stream",
     [](const Stages &s) {
       return count<KernelOp>(s.at("attn-derive-online")) && alone(s);
     }},
    // Schedule.
    {"tile path",
     [](const Stages &s) -> bool {
       return count<tile::KernelOp>(s.at("schedule"));
     }},
    {"general path",
     [](const Stages &s) -> bool { return count<EinsumOp>(s.at("schedule")); }},
    {"a stream on the general path",
     [](const Stages &s) {
       return count<tile::KernelOp>(s.at("schedule")) <
              count<KernelOp>(s.at("attn-derive-online"));
     }},
    {"PIECES: presence bounds a stream",
     [](const Stages &s) -> bool {
       return count<tile::StreamOp>(s.at("schedule"), [](tile::StreamOp op) {
         return isClamped(op.getLower()) || isClamped(op.getUpper());
       });
     }},
    {"PIECES: full steps without the mask",
     [](const Stages &s) -> bool {
       return count<MapOp>(s.at("schedule"),
                           [](MapOp op) { return op->hasAttr("bounded"); });
     }},
};

} // namespace

std::vector<std::string> fuzz::lawsOf(const Stages &stages) {
  std::set<std::string> derivation; // a law may fire at several statements
  ModuleOp derived = stages.at("attn-derive-online");
  derived.walk([&](CascadeOp cascade) {
    for (const LawEvent &event : attn::lawsOf(cascade))
      derivation.insert(event.law);
  });
  std::vector<std::string> fired(derivation.begin(), derivation.end());
  for (const Row &row : table)
    if (row.fired(stages))
      fired.push_back(row.name);
  return fired;
}

std::vector<std::string> fuzz::lawNames() {
  std::vector<std::string> names;
  for (const LawRow &law : laws())
    names.push_back(law.name.str());
  for (const Row &row : table)
    names.push_back(row.name);
  return names;
}
