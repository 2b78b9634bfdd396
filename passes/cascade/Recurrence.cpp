//===- Recurrence.cpp - the order of a cycle of definitions -----*- C++ -*-===//
#include "passes/cascade/Recurrence.h"
#include "llvm/ADT/SetVector.h"
#include <numeric>

using namespace mlir;
using namespace attn;

//===----------------------------------------------------------------------===//
// Dependences as edges
//===----------------------------------------------------------------------===//

Recurrence::Recurrence(CascadeOp cascade, ArrayRef<Operation *> members)
    : cascade(cascade), members(members) {
  for (Operation *op : members)
    if (auto equations = dyn_cast<EquationsOp>(op))
      addEquations(equations);
    else
      addReads(op);
}

void Recurrence::addEquations(EquationsOp op) {
  auto &space = *spaces.emplace_back(std::make_unique<IterationSpace>(cascade));
  for (auto [operand, pattern] :
       llvm::zip(op.getEquations(), op.getPatterns())) {
    if (!isMember(operand.getDefiningOp()))
      continue;
    Edge edge{op, operand.getDefiningOp(), {}, &space, PointSet::all(), {}, {}};
    // Plain coordinates pass through, and play no part beyond that.
    for (auto [rank, index] : llvm::zip(op.getResult().getType().getRanks(),
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
}

void Recurrence::addReads(Operation *op) {
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
std::optional<AffineForm> Recurrence::step(
    IterationSpace &space, StringAttr rank,
    ArrayRef<std::pair<StringAttr, AffineForm>> coordinates) const {
  auto find = [&](StringAttr name) -> const AffineForm * {
    for (auto &[other, form] : coordinates)
      if (other == name)
        return &form;
    return nullptr;
  };
  if (const AffineForm *form = find(rank))
    return *form;
  for (Attribute relation : CascadeOp(cascade).getRelations()) {
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

std::optional<AffineForm> Recurrence::lag(const Edge &edge,
                                          StringAttr rank) const {
  auto at = step(*edge.space, rank, edge.at);
  auto needs = step(*edge.space, rank, edge.needs);
  if (!at || !needs)
    return std::nullopt;
  return at->plus(*needs, -1);
}

bool Recurrence::isAtLeast(const Edge &edge, const AffineForm &form, int sign,
                           int64_t least) const {
  // Is `sign * form <= least - 1` impossible?
  auto below = AffineForm::of(least - 1).plus(form, -sign);
  return below && edge.space->isEmpty(
                      edge.points.intersect(PointSet::nonNegative(*below)));
}

//===----------------------------------------------------------------------===//
// The order
//===----------------------------------------------------------------------===//

SmallVector<SmallVector<Operation *>>
Recurrence::cyclesOf(ArrayRef<Operation *> members,
                     ArrayRef<unsigned> kept) const {
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

/// Along a rank in one direction: the edges that may stay at the same step.
/// None: some may go forward, or none moves.
std::optional<SmallVector<unsigned>>
Recurrence::staying(ArrayRef<unsigned> inside, ArrayRef<AffineForm> lags,
                    int sign) const {
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
  return isWeak && moves ? std::optional(left) : std::nullopt;
}

/// Walks a cycle along `rank`, in either direction, and what stays at a step of
/// it along further ranks.
bool Recurrence::solveAlong(StringAttr rank, ArrayRef<Operation *> cycle,
                            ArrayRef<unsigned> inside, Order &prefix,
                            Orders &orders) {
  SmallVector<AffineForm> lags;
  for (unsigned i : inside) {
    auto form = lag(edges[i], rank);
    if (!form)
      return false;
    lags.push_back(*form);
  }
  if (llvm::all_of(lags, [](auto &l) { return l.getConstant() == 0; }))
    return false;
  for (int sign : {1, -1}) {
    auto left = staying(inside, lags, sign);
    if (!left)
      continue;
    // Reads that may stay at this step: only there do they count further.
    std::vector<PointSet> saved;
    for (unsigned i : *left) {
      saved.push_back(edges[i].points);
      edges[i].points =
          edges[i].points.intersect(PointSet::zero(*lag(edges[i], rank)));
    }
    prefix.push_back({rank, sign});
    bool solved = solve(cycle, *left, prefix, orders);
    prefix.pop_back();
    for (auto [i, points] : llvm::zip(*left, saved))
      edges[i].points = points;
    if (solved)
      return true;
  }
  return false;
}

bool Recurrence::solve(ArrayRef<Operation *> component, ArrayRef<unsigned> kept,
                       Order &prefix, Orders &orders) {
  for (Operation *op : component)
    orders[op] = prefix;
  return llvm::all_of(cyclesOf(component, kept), [&](auto &cycle) {
    SmallVector<unsigned> inside;
    for (unsigned i : kept)
      if (llvm::is_contained(cycle, edges[i].reader) &&
          llvm::is_contained(cycle, edges[i].source))
        inside.push_back(i);
    return llvm::any_of(
        cascade.getRanks().getAsRange<RankAttr>(), [&](RankAttr rank) {
          return solveAlong(rank.getName(), cycle, inside, prefix, orders);
        });
  });
}

std::optional<Recurrence::Orders> Recurrence::findOrder() {
  SmallVector<unsigned> all(edges.size());
  std::iota(all.begin(), all.end(), 0);
  Order prefix;
  Orders orders;
  return solve(members, all, prefix, orders) ? std::optional(orders)
                                             : std::nullopt;
}
