//===- CheckRecurrences.cpp - the order of recurrences ----------*- C++ -*-===//
// LANGUAGE section 6. A cycle of definitions is well founded if its iterative
// ranks can be walked in a lexicographic order: along the outermost one no read
// goes forward and some go strictly back; what stays at the same step is
// ordered by the next rank. Lags are linear forms, and their signs are proved
// from the conditions under which each read is evaluated.
#include "dialect/PrintExpr.h"
#include "passes/Passes.h"
#include "passes/cascade/Bounds.h"
#include "passes/cascade/Dependences.h"
#include "llvm/ADT/MapVector.h"

namespace attn {
#define GEN_PASS_DEF_ATTNCHECKRECURRENCES
#include "passes/Passes.h.inc"
} // namespace attn

using namespace mlir;
using namespace attn;

namespace {
/// `reader` needs `source` at some points: through a read, or (no read) as an
/// equation at the same coordinates.
struct Edge {
  Operation *reader, *source;
  ReadOp read;
  IterationSpace *space;
  PointSet points;
  /// Coordinates of both ends by rank name, as forms.
  SmallVector<std::pair<StringAttr, AffineForm>> at, needs;
};

/// A rank and its direction: 1 ascending, -1 descending.
using Order = SmallVector<std::pair<StringAttr, int>>;

class Recurrence {
public:
  Recurrence(CascadeOp cascade, ArrayRef<Operation *> members);

  /// The order of each member, or a diagnostic.
  bool findOrder(llvm::MapVector<Operation *, Order> &orders);
  LogicalResult checkBases(const llvm::MapVector<Operation *, Order> &orders);
  void warnGuarded(const llvm::MapVector<Operation *, Order> &orders);
  void report();

private:
  bool solve(ArrayRef<Operation *> members, ArrayRef<unsigned> edges,
             Order &prefix, llvm::MapVector<Operation *, Order> &orders);
  std::optional<AffineForm>
  step(IterationSpace &space, StringAttr rank,
       ArrayRef<std::pair<StringAttr, AffineForm>> coordinates);
  std::optional<AffineForm> lag(const Edge &edge, StringAttr rank);
  /// Is sign * form >= least wherever the edge is needed?
  bool isAtLeast(const Edge &edge, const AffineForm &form, int sign,
                 int64_t least);
  bool reportDirections();
  void addEdges(Operation *op);

  CascadeOp cascade;
  SmallVector<Operation *> members;
  llvm::MapVector<Region *, std::unique_ptr<BoundsProver>> provers;
  SmallVector<std::unique_ptr<IterationSpace>> spaces;
  std::vector<Edge> edges;
};
} // namespace

//===----------------------------------------------------------------------===//
// Dependences as edges
//===----------------------------------------------------------------------===//

Recurrence::Recurrence(CascadeOp cascade, ArrayRef<Operation *> members)
    : cascade(cascade), members(members) {
  for (Operation *op : members)
    addEdges(op);
}

void Recurrence::addEdges(Operation *op) {
  auto isMember = [&](Operation *source) {
    return source && llvm::is_contained(members, source);
  };
  if (auto equations = dyn_cast<EquationsOp>(op)) {
    auto &space =
        *spaces.emplace_back(std::make_unique<IterationSpace>(cascade));
    for (auto [operand, pattern] :
         llvm::zip(equations.getEquations(), equations.getPatterns())) {
      if (!isMember(operand.getDefiningOp()))
        continue;
      Edge edge{op, operand.getDefiningOp(), {}, &space, PointSet::all(), {},
                {}};
      // Plain coordinates pass through, and play no part beyond that.
      for (auto [rank, index] :
           llvm::zip(equations.getResult().getType().getRanks(),
                     cast<ArrayAttr>(pattern))) {
        if (auto constant = dyn_cast<ExtentAttr>(index)) {
          edge.at.push_back({rank, space.formOf(constant)});
          continue;
        }
        AffineForm form = space.extentOf(rank);
        edge.at.push_back({rank, form});
        edge.needs.push_back({rank, form});
      }
      edges.push_back(std::move(edge));
    }
    return;
  }
  op->walk([&](ReadOp read) {
    if (!isMember(read.getTensor().getDefiningOp()))
      return;
    Region *region = read->getParentRegion();
    auto &prover = provers[region];
    if (!prover)
      prover = std::make_unique<BoundsProver>(*region);
    IterationSpace &space = prover->getSpace();
    PointSet points = prover->evaluated(read);
    if (read.getBounds() != Bounds::inside)
      points = points.intersect(space.inDomain(read));
    Edge edge{op, read.getTensor().getDefiningOp(), read, &space, points, {},
              {}};
    // Arguments are the result's coordinates, except the last of an order.
    auto type = cast<NamedTensorType>(op->getResult(0).getType());
    size_t count = type.getRanks().size() - isa<OrderOp>(op);
    for (auto [rank, argument] :
         llvm::zip(type.getRanks().take_front(count), region->getArguments()))
      edge.at.push_back({rank, space.formOf(argument)});
    for (auto [rank, index] :
         llvm::zip(read.getTensor().getType().getRanks(), read.getIndices()))
      edge.needs.push_back({rank, space.formOf(index)});
    edges.push_back(std::move(edge));
  });
}

/// When a definition at these coordinates runs, as a step of `rank`: the
/// coordinate itself; of a whole whose leading parts are there, the start of
/// the block; of a leading part, the block that the whole is in.
std::optional<AffineForm>
Recurrence::step(IterationSpace &space, StringAttr rank,
                 ArrayRef<std::pair<StringAttr, AffineForm>> coordinates) {
  auto find = [&](StringAttr name) -> const AffineForm * {
    for (auto &[other, form] : coordinates)
      if (other == name)
        return &form;
    return nullptr;
  };
  if (const AffineForm *form = find(rank))
    return *form;
  for (Attribute relation : cascade.getRelations()) {
    auto product = dyn_cast<ProductAttr>(relation);
    if (!product)
      continue;
    int64_t stride = 1;
    AffineForm whole;
    bool isKnown = true, isWhole = product.getWhole() == rank;
    const AffineForm *given = find(product.getWhole());
    ArrayRef<StringAttr> parts = product.getParts();
    for (StringAttr part : llvm::reverse(parts)) {
      if (const AffineForm *form = find(part); form && isWhole && isKnown) {
        auto scaled = form->times(stride);
        auto sum = scaled ? whole.plus(*scaled) : std::nullopt;
        isKnown = sum.has_value();
        if (sum)
          whole = *sum;
      } else if (isWhole && part == parts.front()) {
        isKnown = false;
      }
      if (part == parts.front())
        break;
      auto extent = space.extentOf(part).getConstant();
      isKnown &= extent.has_value();
      stride *= extent.value_or(1);
    }
    if (isWhole && isKnown)
      return whole;
    if (given && isKnown && parts.front() == rank)
      return space.quotientOf(*given, stride);
  }
  return std::nullopt;
}

std::optional<AffineForm> Recurrence::lag(const Edge &edge, StringAttr rank) {
  auto at = step(*edge.space, rank, edge.at);
  auto needs = step(*edge.space, rank, edge.needs);
  if (!at || !needs)
    return std::nullopt;
  return at->plus(*needs, -1);
}

bool Recurrence::isAtLeast(const Edge &edge, const AffineForm &form, int sign,
                           int64_t least) {
  // Is `sign * form <= least - 1` impossible?
  auto below = AffineForm::of(least - 1).plus(form, -sign);
  return below && edge.space->isEmpty(
                      edge.points.intersect(PointSet::nonNegative(*below)));
}

//===----------------------------------------------------------------------===//
// The order
//===----------------------------------------------------------------------===//

/// Strongly connected components of a subgraph that hold a cycle.
static SmallVector<SmallVector<Operation *>>
cyclesOf(ArrayRef<Operation *> members, ArrayRef<Edge> edges,
         ArrayRef<unsigned> kept) {
  auto reach = [&](Operation *from) {
    llvm::SetVector<Operation *> seen;
    SmallVector<Operation *> stack{from};
    while (!stack.empty()) {
      Operation *at = stack.pop_back_val();
      for (unsigned i : kept)
        if (edges[i].reader == at && seen.insert(edges[i].source))
          stack.push_back(edges[i].source);
    }
    return seen;
  };
  llvm::MapVector<Operation *, llvm::SetVector<Operation *>> reached;
  for (Operation *op : members)
    reached[op] = reach(op);
  SmallVector<SmallVector<Operation *>> result;
  llvm::DenseSet<Operation *> done;
  for (Operation *op : members) {
    if (done.contains(op) || !reached[op].contains(op))
      continue;
    auto &component = result.emplace_back();
    for (Operation *other : members)
      if (reached[op].contains(other) && reached[other].contains(op)) {
        component.push_back(other);
        done.insert(other);
      }
  }
  return result;
}

bool Recurrence::solve(ArrayRef<Operation *> component, ArrayRef<unsigned> kept,
                       Order &prefix,
                       llvm::MapVector<Operation *, Order> &orders) {
  for (Operation *op : component)
    orders[op] = prefix;
  for (auto &cycle : cyclesOf(component, edges, kept)) {
    SmallVector<unsigned> inside;
    for (unsigned i : kept)
      if (llvm::is_contained(cycle, edges[i].reader) &&
          llvm::is_contained(cycle, edges[i].source))
        inside.push_back(i);
    bool solved = false;
    for (auto rank : cascade.getRanks().getAsRange<RankAttr>()) {
      SmallVector<AffineForm> lags;
      for (unsigned i : inside) {
        auto form = lag(edges[i], rank.getName());
        if (!form)
          break;
        lags.push_back(*form);
      }
      if (lags.size() != inside.size() ||
          llvm::all_of(lags, [](auto &l) { return l.getConstant() == 0; }))
        continue;
      for (int sign : {1, -1}) {
        bool isWeak = true, moves = false;
        SmallVector<unsigned> left;
        for (auto [i, form] : llvm::zip(inside, lags)) {
          if (isAtLeast(edges[i], form, sign, 1)) {
            moves = true;
            continue;
          }
          isWeak = isWeak && isAtLeast(edges[i], form, sign, 0);
          moves = moves || !isAtLeast(edges[i], form, -sign, 0);
          left.push_back(i);
        }
        if (!isWeak || !moves)
          continue;
        // Reads that may stay at this step: only there do they count further.
        std::vector<PointSet> saved;
        for (unsigned i : left) {
          saved.push_back(edges[i].points);
          edges[i].points = edges[i].points.intersect(
              PointSet::zero(*lag(edges[i], rank.getName())));
        }
        prefix.push_back({rank.getName(), sign});
        solved = solve(cycle, left, prefix, orders);
        prefix.pop_back();
        for (auto [i, points] : llvm::zip(left, saved))
          edges[i].points = points;
        if (solved)
          break;
      }
      if (solved)
        break;
    }
    if (!solved)
      return false;
  }
  return true;
}

bool Recurrence::findOrder(llvm::MapVector<Operation *, Order> &orders) {
  SmallVector<unsigned> all(edges.size());
  std::iota(all.begin(), all.end(), 0);
  Order prefix;
  return solve(members, all, prefix, orders);
}

//===----------------------------------------------------------------------===//
// Diagnostics
//===----------------------------------------------------------------------===//

/// `H is read at t-1 and t+1 in one cycle`.
bool Recurrence::reportDirections() {
  for (auto rank : cascade.getRanks().getAsRange<RankAttr>()) {
    Edge *back = nullptr, *forward = nullptr;
    for (Edge &edge : edges) {
      auto form = edge.read ? lag(edge, rank.getName()) : std::nullopt;
      if (!form ||
          edge.read.getTensor().getType().rankIndex(rank.getName()) < 0)
        continue;
      bool isSame = back && back->source == edge.source;
      if (isAtLeast(edge, *form, 1, 1) && !back)
        back = &edge;
      else if (isAtLeast(edge, *form, -1, 1) && (!forward || isSame))
        forward = &edge;
    }
    if (!back || !forward)
      continue;
    auto indexOf = [&](Edge *edge) {
      ReadOp read = edge->read;
      int64_t i = read.getTensor().getType().rankIndex(rank.getName());
      return printExpr(read.getIndices()[i], /*dense=*/true);
    };
    ReadOp read = forward->read;
    StringRef name = tensorName(back->read.getTensor());
    InFlightDiagnostic error = read.emitError() << name << " is read at "
                                                << indexOf(back) << " and ";
    if (back->source != forward->source)
      error << tensorName(read.getTensor()) << " at ";
    error << indexOf(forward) << " in one cycle";
    error.attachNote() << "hint: split it into two tensors";
    return true;
  }
  return false;
}

/// A definition with its own coordinates: `S[b,m,n]`.
static std::string printDefinition(Operation *op) {
  Value tensor = op->getResult(0);
  std::string text = tensorName(tensor).str();
  auto ranks = cast<NamedTensorType>(tensor.getType()).getRanks();
  if (ranks.empty())
    return text;
  return text + "[" +
         llvm::join(
             llvm::map_range(ranks, [](StringAttr r) { return r.getValue(); }),
             ",") +
         "]";
}

void Recurrence::report() {
  if (reportDirections())
    return;
  // A shortest cycle of reads that no rank carries, from the first named
  // member.
  auto isVisible = [](Operation *op) {
    return !isSubexpression(tensorName(op->getResult(0)));
  };
  SmallVector<unsigned> same;
  for (auto [i, edge] : llvm::enumerate(edges)) {
    bool isCarried = false;
    for (auto rank : cascade.getRanks().getAsRange<RankAttr>())
      if (auto form = lag(edge, rank.getName()))
        isCarried |= form->getConstant() && *form->getConstant() != 0;
    if (!isCarried)
      same.push_back(i);
  }
  auto cycles = cyclesOf(members, edges, same);
  if (cycles.empty()) {
    same.assign(edges.size(), 0);
    std::iota(same.begin(), same.end(), 0);
    cycles = cyclesOf(members, edges, same);
  }
  ArrayRef<Operation *> cycle = cycles.front();
  auto first = llvm::find_if(cycle, isVisible);
  Operation *start = first == cycle.end() ? cycle.front() : *first;
  llvm::DenseMap<Operation *, const Edge *> reachedBy;
  SmallVector<Operation *> queue{start};
  for (size_t next = 0; next < queue.size() && !reachedBy.count(start); ++next)
    for (unsigned i : same)
      if (edges[i].reader == queue[next] &&
          llvm::is_contained(cycle, edges[i].source) &&
          reachedBy.try_emplace(edges[i].source, &edges[i]).second)
        queue.push_back(edges[i].source);
  SmallVector<std::string> path;
  Operation *at = start;
  do {
    const Edge *edge = reachedBy[at];
    if (isVisible(at))
      path.push_back(edge->read ? printAccess(edge->read)
                                : printDefinition(at));
    at = edge->reader;
  } while (at != start);
  InFlightDiagnostic error = start->emitError()
                             << "cyclic definition: " << printDefinition(start);
  StringRef last;
  for (const std::string &text : llvm::reverse(path)) {
    if (text != last)
      error << " needs " << text;
    last = text;
  }
  error.attachNote() << "hint: a recurrence needs an earlier step";
}

LogicalResult
Recurrence::checkBases(const llvm::MapVector<Operation *, Order> &orders) {
  bool failedAny = false;
  for (const Edge &edge : edges) {
    ReadOp read = edge.read;
    if (!read || read.getBounds() != Bounds::inside)
      continue;
    BoundsProver &prover = *provers[read->getParentRegion()];
    IterationSpace &space = prover.getSpace();
    NamedTensorType type = read.getTensor().getType();
    for (auto [i, index] : llvm::enumerate(read.getIndices())) {
      if (!isStep(read, i))
        continue;
      auto point = prover.findLeaving(read, i);
      if (!point)
        continue;
      StringAttr rank = type.getRanks()[i];
      AffineForm extent = space.extentOf(rank);
      int64_t value = evaluate(space.formOf(index), *point);
      int64_t end = evaluate(extent, *point);
      std::string step = std::to_string(value);
      if (!extent.getConstant() && value >= end)
        step = "|" + rank.str() + "|" +
               (value > end ? "+" + std::to_string(value - end) : "");
      StringRef name = tensorName(read.getTensor());
      InFlightDiagnostic error =
          read.emitError() << name << " is read at " << rank.getValue() << " = "
                           << step << " and has no equation there";
      SmallVector<std::string> indices;
      for (auto [j, other] : llvm::enumerate(type.getRanks()))
        indices.push_back(i == j ? step : other.str());
      error.attachNote() << "hint: add `" << name << "["
                         << llvm::join(indices, ",")
                         << "] = 0`, or the input state";
      failedAny = true;
      break;
    }
  }
  return failure(failedAny);
}

//===----------------------------------------------------------------------===//
// Guarded states
//===----------------------------------------------------------------------===//

/// Does the presence of `value` need that of a read of `tensor` itself?
static ReadOp requiredRead(Value value, Value tensor,
                           llvm::DenseSet<Value> &seen) {
  Operation *op = value.getDefiningOp();
  if (!op || isa<ElseOp>(op) || !seen.insert(value).second)
    return {};
  if (auto read = dyn_cast<ReadOp>(op); read && read.getTensor() == tensor)
    return read;
  for (Value operand : op->getOperands())
    if (!isa<NamedTensorType>(operand.getType()))
      if (ReadOp read = requiredRead(operand, tensor, seen))
        return read;
  return {};
}

static bool dependsOn(Value value, Value argument,
                      llvm::DenseSet<Value> &seen) {
  if (value == argument)
    return true;
  Operation *op = value.getDefiningOp();
  return op && seen.insert(value).second &&
         llvm::any_of(op->getOperands(), [&](Value operand) {
           return dependsOn(operand, argument, seen);
         });
}

void Recurrence::warnGuarded(
    const llvm::MapVector<Operation *, Order> &orders) {
  for (const Edge &edge : edges) {
    // An equation of a tensor, or a tensor without other equations.
    auto einsum = dyn_cast<EinsumOp>(edge.read ? edge.reader : edge.source);
    Value tensor = edge.reader->getResult(0);
    if (!einsum || einsum.getNumResults() != 1 || einsum.isReduction() ||
        (edge.read && edge.reader != edge.source))
      continue;
    auto where = einsum.getMapYield().getOperand(0).getDefiningOp<WhereOp>();
    llvm::DenseSet<Value> seen;
    ReadOp read =
        where ? requiredRead(where.getValue(), tensor, seen) : ReadOp();
    auto order = orders.find(einsum);
    if (!read || order == orders.end())
      continue;
    for (auto &[rank, sign] : order->second) {
      Value coordinate = einsum.coordinate(rank);
      // `last` reads the state where it stopped.
      bool isStop = llvm::any_of(members, [&](Operation *op) {
        return llvm::any_of(op->getResult(0).getUsers(), [&](Operation *user) {
          auto reader = user->getParentOfType<EinsumOp>();
          return reader && reader.builtinReduce() == Reduce::last &&
                 cast<StringAttr>(reader.getReduced()[0]) == rank;
        });
      });
      seen.clear();
      if (!coordinate || isStop ||
          !dependsOn(where.getCondition(), coordinate, seen))
        continue;
      InFlightDiagnostic warning =
          where.emitWarning()
          << tensorName(tensor) << " stays absent from the first step where `"
          << printExpr(where.getCondition()) << "` is false";
      warning.attachNote() << "hint: identity step: `else " << printAccess(read)
                           << "`; a stop: read it with `last`";
      break;
    }
  }
}

LogicalResult attn::markRecurrences(CascadeOp cascade, bool diagnose) {
  Dependences dependences(cascade);
  Builder b(cascade.getContext());
  bool failedAny = false;
  for (auto [number, members] : llvm::enumerate(dependences.getCycles())) {
    Recurrence recurrence(cascade, members);
    llvm::MapVector<Operation *, Order> orders;
    if (!recurrence.findOrder(orders)) {
      if (diagnose)
        recurrence.report();
      failedAny = true;
      continue;
    }
    if (diagnose) {
      failedAny |= failed(recurrence.checkBases(orders));
      recurrence.warnGuarded(orders);
    }
    for (Operation *op : members) {
      SmallVector<Attribute> iterate;
      for (auto &[rank, sign] : orders[op])
        iterate.push_back(b.getArrayAttr({rank, b.getI64IntegerAttr(sign)}));
      op->setAttr("attn.iterate", b.getArrayAttr(iterate));
      op->setAttr("attn.scc", b.getI64IntegerAttr(number));
    }
  }
  return failure(failedAny && diagnose);
}

namespace {
struct CheckRecurrences
    : attn::impl::AttnCheckRecurrencesBase<CheckRecurrences> {
  void runOnOperation() override {
    if (failed(markRecurrences(getOperation(), /*diagnose=*/true)))
      signalPassFailure();
  }
};
} // namespace
