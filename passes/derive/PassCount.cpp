//===- PassCount.cpp - passes over each rank, and why -----------*- C++ -*-===//
// Each definition gets the pass in which its values are made. Values over the
// rank are read in the pass that makes them; a value that has lost the rank, or
// is read at a fixed point of it, is complete only after that pass, and whoever
// walks the rank with it walks it once more.
#include "passes/derive/PassCount.h"
#include "passes/Expr.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/STLExtras.h"

using namespace mlir;
using namespace attn;

namespace {

/// How a read meets the fibre of the counted rank.
enum class Access {
  None,   // the tensor has no axis of the rank
  Stream, // at the reader's own coordinate of the rank, or near it
  Walk,   // at a reduced rank's coordinate, which walks the same fibre
  Fixed   // at one point, or at points that are data
};

struct Use {
  Operation *def; // null: an input
  Access access = Access::None;
  bool isLagged = false; // not at the point of the reader
  StringAttr iterative;  // the axis on which it lags
};

struct Level {
  unsigned pass = 0;
  /// Values over the rank that need all of another walk of its fibre.
  bool isWhole = false;
  Operation *from = nullptr;
};

class Counter {
public:
  Counter(CascadeOp cascade, StringAttr rank);
  RankPasses run();
  bool reducesRank();

private:
  bool reduces(Operation *op);
  void findFamily(StringAttr rank);
  void addWithTiles(StringAttr rank);
  Operation *definition(Value tensor);
  void collectUses(Operation *op);
  Use useOf(ReadOp read, Operation *op);
  void connect(Operation *op);
  void evaluateComponent(ArrayRef<Operation *> members);
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
  DenseSet<StringAttr> family;
  llvm::MapVector<Operation *, SmallVector<Use>> uses;
  DenseMap<Operation *, Level> levels;
  // Components with what each needs before it (Tarjan).
  DenseMap<Operation *, unsigned> index, low;
  SmallVector<Operation *> stack;
  DenseSet<Operation *> onStack, component;
  SmallVector<SmallVector<Operation *>> components;
  bool isOwnScan = false; // of the component: along the rank itself
  RankPasses result;
};

} // namespace

Counter::Counter(CascadeOp cascade, StringAttr rank)
    : cascade(cascade), rank(rank) {
  findFamily(rank);
  result.rank = rank;
  for (Value output : cascade.getReturn().getOutputs())
    if (Operation *op = definition(output))
      connect(op);
}

/// A whole that is nothing but its parts: who walks it walks each of them.
static bool isComputed(CascadeOp cascade, StringAttr whole) {
  RankAttr rank = cascade.findRank(whole.getValue());
  return rank && rank.getExtent();
}

/// The rank, its parts, what it was joined into, and the tiles that a kernel
/// streams it in.
void Counter::findFamily(StringAttr rank) {
  if (inFamily(rank))
    return;
  addWithTiles(rank);
  for (Attribute relation : cascade.getRelations()) {
    if (auto product = dyn_cast<ProductAttr>(relation)) {
      if (product.getWhole() == rank)
        for (StringAttr part : product.getParts())
          findFamily(part);
      else if (llvm::is_contained(product.getParts(), rank) &&
               isComputed(cascade, product.getWhole()))
        addWithTiles(product.getWhole());
    } else if (auto sum = cast<SumAttr>(relation); sum.getWhole() == rank) {
      for (StringAttr part : sum.getParts())
        findFamily(part);
    }
  }
}

void Counter::addWithTiles(StringAttr rank) {
  family.insert(rank);
  cascade.walk([&](KernelOp kernel) {
    ScheduleAttr schedule = kernel.getScheduleAttr();
    if (!schedule || !schedule.getStream())
      return;
    RankAttr stream = cascade.findRank(schedule.getStream().getValue());
    if (!stream || !stream.getExtent() ||
        !llvm::is_contained(stream.getExtent().getRanks(), rank))
      return;
    family.insert(stream.getName());
    if (schedule.getTile())
      for (NamedAttribute tile : schedule.getTile())
        family.insert(tile.getName());
  });
}

/// What defines a tensor, through the boundaries of kernels.
Operation *Counter::definition(Value tensor) {
  Operation *op = tensor.getDefiningOp();
  if (auto kernel = dyn_cast_or_null<KernelOp>(op))
    return definition(
        kernel.getReturn()
            .getOutputs()[cast<OpResult>(tensor).getResultNumber()]);
  return op;
}

//===----------------------------------------------------------------------===//
// Reads
//===----------------------------------------------------------------------===//

static bool isData(Value index) {
  SmallVector<Value> work{index};
  while (!work.empty()) {
    Operation *op = work.pop_back_val().getDefiningOp();
    if (!op)
      continue;
    if (isa<ReadOp>(op))
      return true;
    llvm::append_range(work, op->getOperands());
  }
  return false;
}

/// Names of a region's coordinates.
static Ranks coordinateNames(Operation *op, Region *region) {
  if (auto einsum = dyn_cast<EinsumOp>(op)) {
    Ranks names = strings(einsum.getSpace());
    if (region == &einsum.getMap())
      llvm::append_range(names, strings(einsum.getReduced()));
    return names;
  }
  auto order = cast<OrderOp>(op);
  Ranks names = strings(order.getSpace());
  names.back() = order.getFromAttr();
  return names;
}

Use Counter::useOf(ReadOp read, Operation *op) {
  Use use;
  use.def = definition(read.getTensor());
  Block *block = read->getBlock();
  Ranks names = coordinateNames(op, block->getParent());
  auto einsum = dyn_cast<EinsumOp>(op);
  Dependence dependence(*block);
  for (auto [axis, position] :
       llvm::zip(read.getTensor().getType().getRanks(), read.getIndices())) {
    auto argument = dyn_cast<BlockArgument>(position);
    if (!argument || names[argument.getArgNumber()] != axis) {
      use.isLagged = true;
      use.iterative = axis;
    }
    if (!inFamily(axis))
      continue;
    Access access = Access::Fixed;
    if (!isData(position))
      for (int i : dependence.of(position).set_bits()) {
        if (inFamily(names[i])) {
          access = Access::Stream;
          break;
        }
        // A coordinate of the result reads one point of the fibre for each.
        if (einsum && llvm::is_contained(einsum.getReduced(), names[i]))
          access = Access::Walk;
      }
    // Of several axes of the rank, one that moves with the reader is enough.
    if (use.access == Access::None || access == Access::Stream)
      use.access = access;
  }
  return use;
}

void Counter::collectUses(Operation *op) {
  SmallVector<Use> found;
  if (auto equations = dyn_cast<EquationsOp>(op)) {
    for (Value equation : equations.getEquations())
      if (Operation *def = definition(equation))
        found.emplace_back().def = def,
        found.back().access = carries(def) ? Access::Stream : Access::None;
  } else {
    op->walk([&](ReadOp read) { found.push_back(useOf(read, op)); });
  }
  uses[op] = std::move(found);
}

void Counter::connect(Operation *op) {
  unsigned number = index.size();
  index[op] = low[op] = number;
  stack.push_back(op);
  onStack.insert(op);
  collectUses(op);
  for (unsigned i = 0; i < uses[op].size(); ++i) {
    Operation *def = uses[op][i].def;
    if (!def)
      continue;
    if (!index.count(def)) {
      connect(def);
      low[op] = std::min(low[op], low[def]);
    } else if (onStack.contains(def)) {
      low[op] = std::min(low[op], index[def]);
    }
  }
  if (low[op] != index[op])
    return;
  SmallVector<Operation *> members;
  do {
    members.push_back(stack.pop_back_val());
    onStack.erase(members.back());
  } while (members.back() != op);
  components.push_back(std::move(members));
}

//===----------------------------------------------------------------------===//
// Passes
//===----------------------------------------------------------------------===//

/// Does the definition walk the rank's fibre?
bool Counter::visits(Operation *op) {
  auto any = [&](RankRef ranks) {
    return llvm::any_of(ranks, [&](StringAttr r) { return inFamily(r); });
  };
  if (auto einsum = dyn_cast<EinsumOp>(op)) {
    if (any(strings(einsum.getSpace())) || any(strings(einsum.getReduced())))
      return true;
    return llvm::any_of(
        uses[op], [](const Use &use) { return use.access == Access::Walk; });
  }
  if (auto order = dyn_cast<OrderOp>(op))
    return any(strings(order.getSpace())) || inFamily(order.getFromAttr());
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

/// Sets the level of `op` from what it reads; true if it rose. `lagged`: reads
/// of earlier steps of its own recurrence count too.
bool Counter::evaluate(Operation *op, bool lagged) {
  bool isVisit = visits(op);
  bool isEquation = isa<EquationsOp>(op);
  Level level;
  level.pass = isVisit ? 1 : 0;
  for (const Use &use : uses[op]) {
    if (!use.def)
      continue;
    bool isOwn = component.contains(use.def);
    Operation *from =
        isOwn && use.isLagged && !lagged ? base(use.def) : use.def;
    if (!from)
      continue;
    const Level &source = levels[from];
    unsigned pass = source.pass;
    bool isComplete = use.access == Access::None ||
                      use.access == Access::Fixed || source.isWhole;
    bool isAgain = isVisit || (isEquation && carries(op));
    // Steps of a recurrence along the rank are in one pass.
    if (isComplete && isAgain && pass > 0 && !(isOwn && isOwnScan))
      ++pass;
    if (pass > level.pass || (pass == level.pass && !level.from && pass > 0)) {
      level.pass = pass;
      level.from = from;
    }
    bool isWalk = use.access == Access::Walk && !isOwn;
    level.isWhole |= isWalk && carries(op);
  }
  Level &known = levels[op];
  bool rose = level.pass > known.pass;
  if (rose || !known.from)
    known = level;
  return rose;
}

void Counter::evaluateComponent(ArrayRef<Operation *> members) {
  component.clear();
  component.insert(members.begin(), members.end());
  StringAttr iterative;
  for (Operation *op : members)
    for (const Use &use : uses[op])
      if (component.contains(use.def) && use.isLagged)
        iterative = use.iterative;
  isOwnScan = iterative && inFamily(iterative);
  auto settle = [&](bool lagged) {
    for (size_t round = 0; round <= members.size(); ++round) {
      bool changed = false;
      for (Operation *op : llvm::reverse(members))
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
  for (ArrayRef<Operation *> members : components)
    evaluateComponent(members);
  Operation *last = nullptr;
  for (Value output : cascade.getReturn().getOutputs())
    if (Operation *op = definition(output);
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
    if (!visits(op))
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
