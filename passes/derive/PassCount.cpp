//===- PassCount.cpp - passes over each rank, and why -----------*- C++ -*-===//
// Each definition gets the pass in which its values are made. Values over the
// rank are read in the pass that makes them; a value that has lost the rank, or
// is read at a fixed point of it, is complete only after that pass, and whoever
// walks the rank with it walks it once more.
#include "passes/derive/PassCount.h"
#include "dialect/Components.h"
#include "passes/derive/RankUse.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/STLExtras.h"

using namespace mlir;
using namespace attn;

namespace {

struct Level {
  unsigned pass = 0;
  /// Values over the rank that need all of another walk of its fibre.
  bool isWhole = false;
  /// Values over the rank of which each needs its own point alone, beside what
  /// earlier passes completed: one of them is had without the others.
  bool isPoint = false;
  /// Ranks that name points of the fibre anew, and the pass that they are of.
  SmallVector<StringAttr, 1> aliases;
  unsigned aliasPass = 0;
  Operation *from = nullptr;
};

class Counter {
public:
  Counter(CascadeOp cascade, StringAttr rank);
  RankPasses run();
  bool reducesRank();

private:
  bool reduces(Operation *op);
  void collectUses(Operation *op);
  void evaluateAll();
  void evaluateComponent(ArrayRef<Operation *> members);
  bool findAliases(Operation *op, Level &level);
  bool evaluate(Operation *op, bool lagged);
  bool visits(Operation *op);
  Operation *base(Operation *recurrence);
  PassStep describe(Operation *op);
  bool inFamily(StringAttr rank) const { return family.contains(rank); }
  bool carries(Operation *op) const {
    auto type = cast<NamedTensorType>(op->getResultTypes()[0]);
    return llvm::any_of(type.getRanks(),
                        [&](StringAttr rank) { return inFamily(rank); });
  }

  CascadeOp cascade;
  StringAttr rank;
  RankFamily family;
  llvm::MapVector<Operation *, SmallVector<Use>> uses;
  DenseMap<Operation *, Level> levels;
  DenseSet<Operation *> component; // that is evaluated
  bool isOwnScan = false;          // of the component: along the rank itself
  RankPasses result;
};

} // namespace

Counter::Counter(CascadeOp cascade, StringAttr rank)
    : cascade(cascade), rank(rank), family(cascade, rank) {
  result.rank = rank;
  for (Value output : cascade.getReturn().getOutputs())
    if (Operation *op = definitionBehind(output))
      collectUses(op);
}

/// Of `op` and all that it needs.
void Counter::collectUses(Operation *op) {
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
bool Counter::visits(Operation *op) {
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

/// What a recurrence starts from.
Operation *Counter::base(Operation *recurrence) {
  Operation *latest = nullptr;
  for (const Use &use : uses[recurrence])
    if (use.def && !component.contains(use.def) &&
        (!latest || levels[use.def].pass > levels[latest].pass))
      latest = use.def;
  return latest;
}

/// Coordinates of `op` that are points of the fibre under another name; true if
/// it reduces over such.
bool Counter::findAliases(Operation *op, Level &level) {
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
bool Counter::evaluate(Operation *op, bool lagged) {
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

void Counter::evaluateComponent(ArrayRef<Operation *> members) {
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

void Counter::evaluateAll() {
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

//===----------------------------------------------------------------------===//
// The answer
//===----------------------------------------------------------------------===//

static std::string nameOf(Operation *op) {
  if (auto einsum = dyn_cast<EinsumOp>(op))
    return cast<StringAttr>(einsum.getNames()[0]).str();
  if (auto order = dyn_cast<OrderOp>(op))
    return order.getName().str();
  return cast<EquationsOp>(op).getName().str();
}

PassStep Counter::describe(Operation *op) {
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

bool Counter::reduces(Operation *op) {
  if (auto order = dyn_cast<OrderOp>(op))
    return inFamily(order.getFromAttr());
  auto einsum = dyn_cast<EinsumOp>(op);
  return einsum && llvm::any_of(strings(einsum.getReduced()),
                                [&](StringAttr r) { return inFamily(r); });
}

bool Counter::reducesRank() {
  return llvm::any_of(uses, [&](auto &entry) { return reduces(entry.first); });
}

RankPasses Counter::run() {
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
  return Counter(cascade, rank).run();
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
    Counter counter(cascade, rank.getName());
    if (counter.reducesRank())
      all.push_back(counter.run());
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
