//===- PassLevels.cpp - the pass that makes each value ----------*- C++ -*-===//
#include "passes/derive/PassLevels.h"
#include "dialect/Components.h"
#include "llvm/ADT/STLExtras.h"

using namespace mlir;
using namespace attn;

PassLevels::PassLevels(CascadeOp cascade, StringAttr rank)
    : cascade(cascade), rank(rank), family(cascade, rank) {
  result.rank = rank;
  for (Value output : cascade.getReturn().getOutputs())
    if (Operation *op = definitionBehind(output))
      collectUses(op);
}

/// Of `op` and all that it needs.
void PassLevels::collectUses(Operation *op) {
  if (!uses.try_emplace(op).second)
    return;
  SmallVector<Use> found;
  if (auto equations = dyn_cast<EquationsOp>(op)) {
    for (Value equation : equations.getEquations())
      if (Operation *def = definitionBehind(equation))
        found.emplace_back().def = def,
        found.back().access = carries(def) ? Access::Stream : Access::None;
  } else {
    op->walk([&](ReadOp read) { found.push_back(useOf(read, op, family)); });
  }
  uses[op] = found;
  for (const Use &use : found)
    if (use.def)
      collectUses(use.def);
}

//===----------------------------------------------------------------------===//
// Passes
//===----------------------------------------------------------------------===//

/// Does the definition walk the rank's fibre?
bool PassLevels::visits(Operation *op) {
  if (auto einsum = dyn_cast<EinsumOp>(op))
    return family.covers(einsum.mapRanks()) ||
           llvm::any_of(uses[op], [](const Use &use) {
             return use.access == Access::Walk && use.isCovered;
           });
  if (auto order = dyn_cast<OrderOp>(op)) {
    Ranks ranks = strings(order.getSpace());
    ranks.push_back(order.getFromAttr());
    return family.covers(ranks);
  }
  return false;
}

bool PassLevels::reduces(Operation *op) {
  if (auto order = dyn_cast<OrderOp>(op))
    return inFamily(order.getFromAttr());
  auto einsum = dyn_cast<EinsumOp>(op);
  return einsum && llvm::any_of(strings(einsum.getReduced()),
                                [&](StringAttr r) { return inFamily(r); });
}

bool PassLevels::reducesRank() {
  return llvm::any_of(uses, [&](auto &entry) { return reduces(entry.first); });
}

/// What a recurrence starts from.
Operation *PassLevels::base(Operation *recurrence) {
  Operation *latest = nullptr;
  for (const Use &use : uses[recurrence])
    if (use.def && !component.contains(use.def) &&
        (!latest || levels[use.def].pass > levels[latest].pass))
      latest = use.def;
  return latest;
}

/// Coordinates of `op` that are points of the fibre under another name; true if
/// it reduces over such.
bool PassLevels::findAliases(Operation *op, Level &level) {
  bool walks = false;
  for (const Use &use : uses[op]) {
    if (component.contains(use.def))
      continue;
    const Level source = use.def ? levels.lookup(use.def) : Level();
    for (const Use::Index &index : use.indices) {
      bool isOwn = inFamily(index.axis) && use.access == Access::Fixed &&
                   (!use.def || source.isPoint);
      bool isNamed = llvm::is_contained(source.aliases, index.axis);
      // With a second axis at the coordinate, each point is of its own fibre.
      bool isShared = llvm::count_if(use.indices, [&](const Use::Index &other) {
                        return other.coordinate == index.coordinate;
                      }) > 1;
      if ((!isOwn && !isNamed) || inFamily(index.coordinate) || isShared)
        continue;
      unsigned pass = isNamed ? source.aliasPass : source.pass;
      level.aliasPass = std::max({level.aliasPass, pass, 1u});
      walks |= index.isReduced;
      if (!index.isReduced &&
          !llvm::is_contained(level.aliases, index.coordinate))
        level.aliases.push_back(index.coordinate);
    }
  }
  // A value that took more than one point is none.
  if (walks || reduces(op))
    level.aliases.clear();
  return walks;
}

/// Sets the level of `op` from what it reads; true if it rose. `lagged`: reads
/// of earlier steps of its own recurrence count too.
bool PassLevels::evaluate(Operation *op, bool lagged) {
  Level level;
  bool walksAlias = findAliases(op, level);
  bool isVisit = visits(op) || walksAlias;
  bool isEquation = isa<EquationsOp>(op);
  level.pass = isVisit ? std::max(level.aliasPass, 1u) : 0;
  // The latest passes in which it needs a walk for each of its points, or more
  // than a point.
  unsigned wholePass = walksAlias ? level.pass : 0, widePass = wholePass;
  if (reduces(op))
    widePass = ~0u;
  for (const Use &use : uses[op]) {
    if (!use.def) {
      if (use.access == Access::Walk)
        widePass = std::max(widePass, 1u);
      continue;
    }
    bool isOwn = component.contains(use.def);
    Operation *from =
        isOwn && use.isLagged && !lagged ? base(use.def) : use.def;
    if (!from)
      continue;
    const Level &source = levels[from];
    unsigned pass = source.pass;
    bool isOnePoint = use.access == Access::Fixed && source.isPoint;
    if (isOnePoint && pass > 0)
      --pass; // what was complete before
    bool isWhole = source.isWhole || (use.isRow && pass > 0);
    bool isComplete = use.access == Access::None ||
                      use.access == Access::Fixed || (isWhole && reduces(op));
    bool isAgain = isVisit || (isEquation && carries(op));
    bool isPoint = use.access == Access::None || isOnePoint ||
                   (use.access == Access::Stream && source.isPoint && !isWhole);
    // Steps of a recurrence along the rank are in one pass.
    if (isComplete && isAgain && pass > 0 && !(isOwn && isOwnScan))
      ++pass;
    if (pass > level.pass || (pass == level.pass && !level.from && pass > 0)) {
      level.pass = pass;
      level.from = from;
    }
    bool isWalk = use.access == Access::Walk && !isOwn;
    if (isWalk || (isWhole && !reduces(op)))
      wholePass = std::max(wholePass, pass);
    if (!isPoint)
      widePass = std::max(widePass, pass);
  }
  level.isWhole = carries(op) && wholePass > 0 && wholePass == level.pass;
  level.isPoint = carries(op) && !isOwnScan && widePass < level.pass;
  Level &known = levels[op];
  bool rose = level.pass > known.pass;
  rose |= level.isPoint != known.isPoint;
  if (rose || !known.from)
    known = level;
  return rose;
}

void PassLevels::evaluateComponent(ArrayRef<Operation *> members) {
  component.clear();
  component.insert(members.begin(), members.end());
  // What is read at other points need not be earlier, unless nothing else is.
  StringAttr iterative;
  for (Operation *op : members)
    for (const Use &use : uses[op])
      if (component.contains(use.def) && use.isLagged &&
          (!iterative || use.isStep))
        iterative = use.iterative;
  isOwnScan = iterative && inFamily(iterative);
  auto settle = [&](bool lagged) {
    for (size_t round = 0; round <= members.size(); ++round) {
      bool changed = false;
      for (Operation *op : members)
        changed |= evaluate(op, lagged);
      if (!changed)
        break;
    }
  };
  settle(/*lagged=*/isOwnScan);
  if (!iterative || isOwnScan)
    return;
  // One more step of the loop adds the same passes as each further one: the
  // levels of the first step, the reads of earlier steps at those, once.
  DenseMap<Operation *, unsigned> first;
  for (Operation *op : members)
    first[op] = levels[op].pass;
  DenseMap<Operation *, Level> before = levels;
  unsigned added = 0;
  for (Operation *op : members)
    for (Use &use : uses[op])
      if (component.contains(use.def) && use.isLagged) {
        bool isAgain =
            visits(op) && first[use.def] > 0 &&
            (use.access == Access::None || use.access == Access::Fixed);
        unsigned pass = first[use.def] + (isAgain ? 1 : 0);
        if (pass > levels[op].pass) {
          levels[op].pass = pass;
          levels[op].from = use.def;
        }
      }
  settle(/*lagged=*/false);
  for (Operation *op : members)
    added = std::max(added, levels[op].pass - first[op]);
  if (!added) {
    levels = std::move(before);
    return;
  }
  result.repeated = iterative;
  auto steps = cascade.staticExtent(iterative);
  unsigned further =
      steps ? static_cast<unsigned>(std::max<int64_t>(*steps, 1)) - 1 : 0;
  for (Operation *op : members) {
    Level level = before[op];
    level.pass = first[op] + further * added;
    levels[op] = level;
  }
  if (!steps)
    result.perStep.push_back({added, iterative});
}

void PassLevels::evaluateAll() {
  auto numberOf = [&](Operation *op) { return uses.find(op) - uses.begin(); };
  std::vector<SmallVector<unsigned>> needs;
  for (auto &[op, reads] : uses) {
    auto &edges = needs.emplace_back();
    for (const Use &use : reads)
      if (use.def)
        edges.push_back(numberOf(use.def));
  }
  auto needsOf = [&](unsigned i) -> ArrayRef<unsigned> { return needs[i]; };
  for (ArrayRef<unsigned> members : componentsOf(uses.size(), needsOf))
    evaluateComponent(llvm::map_to_vector(
        members, [&](unsigned i) { return uses.begin()[i].first; }));
}
