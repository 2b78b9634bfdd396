//===- Recurrence.cpp - steps whose definitions need each other -*- C++ -*-===//
#include "passes/cpu/Recurrence.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace attn;
using namespace attn::cpu;
using arith::CmpIPredicate;

Recurrence::Recurrence(const Plan &plan, const Step &step) : plan(plan) {
  for (unsigned u : step.units)
    units.push_back(&plan.units[u]);
}

/// The type of the tensor a unit stores to.
static NamedTensorType storedType(const Plan &plan, const Target &target) {
  CascadeOp cascade = plan.cascade;
  Value tensor = target.tensor ? target.tensor
                               : cascade.getReturn().getOperand(target.output);
  return cast<NamedTensorType>(tensor.getType());
}

/// The constant that the unit's equation has on `rank`, if it has one.
static ExtentAttr constantOn(const Plan &plan, const Unit &unit,
                             StringAttr rank) {
  const Target &target = unit.targets[0];
  if (!target.pattern)
    return {};
  int64_t axis = storedType(plan, target).rankIndex(rank);
  return axis < 0 ? ExtentAttr() : dyn_cast<ExtentAttr>(target.pattern[axis]);
}

SmallVector<Recurrence::Access>
Recurrence::accessesIn(ArrayRef<const Unit *> members) const {
  SmallVector<Access> accesses;
  auto add = [&](const Unit *reader, Value tensor, ReadOp read) {
    Value stored = plan.storedTensor(tensor);
    for (const Unit *writer : members)
      if (llvm::any_of(writer->targets,
                       [&](const Target &t) { return t.tensor == stored; })) {
        Access access{reader, writer, read};
        if (llvm::all_of(outer, [&](const Iteration &walk) {
              return relation(access, walk.rank.lookup(reader),
                              walk.rank.lookup(writer)) == Relation::Same;
            }))
          accesses.push_back(access);
      }
  };
  for (const Unit *reader : members) {
    if (reader->isCopy()) {
      add(reader, reader->source, {});
      continue;
    }
    for (ReadOp read : readsOf(reader->op))
      add(reader, read.getTensor(), read);
  }
  return accesses;
}

//===----------------------------------------------------------------------===//
// Which rank, which direction
//===----------------------------------------------------------------------===//

/// Name of the rank whose coordinate `value` is, if it is an argument.
static StringAttr coordinateRank(Value value) {
  auto argument = dyn_cast<BlockArgument>(value);
  if (!argument)
    return {};
  Operation *op = argument.getOwner()->getParentOp();
  SmallVector<StringAttr> ranks;
  if (auto einsum = dyn_cast<EinsumOp>(op)) {
    ranks = strings(einsum.getSpace());
    llvm::append_range(ranks, strings(einsum.getReduced()));
  } else if (auto order = dyn_cast<OrderOp>(op)) {
    ranks = strings(order.getSpace());
    ranks.back() = order.getFromAttr();
  }
  unsigned i = argument.getArgNumber();
  return i < ranks.size() ? ranks[i] : StringAttr();
}

/// `value` as factor * coordinate of `rank` + shift.
static std::optional<std::pair<int64_t, int64_t>> affineIn(Value value,
                                                           StringAttr rank) {
  if (coordinateRank(value) == rank)
    return std::pair<int64_t, int64_t>{1, 0};
  APInt constant;
  if (matchPattern(value, m_ConstantInt(&constant)))
    return std::pair<int64_t, int64_t>{0, constant.getSExtValue()};
  auto map = value.getDefiningOp<MapOp>();
  if (!map || map.getOperands().size() != 2)
    return std::nullopt;
  auto x = affineIn(map.getOperand(0), rank);
  auto y = affineIn(map.getOperand(1), rank);
  if (!x || !y)
    return std::nullopt;
  switch (map.getFn()) {
  case Fn::add:
    return std::pair{x->first + y->first, x->second + y->second};
  case Fn::sub:
    return std::pair{x->first - y->first, x->second - y->second};
  case Fn::mul:
    if (x->first == 0)
      return std::pair{x->second * y->first, x->second * y->second};
    if (y->first == 0)
      return std::pair{y->second * x->first, y->second * x->second};
    return std::nullopt;
  default:
    return std::nullopt;
  }
}

Recurrence::Relation Recurrence::relation(const Access &access,
                                          StringAttr readerRank,
                                          StringAttr writerRank) const {
  if (!access.read)
    return readerRank == writerRank ? Relation::Same : Relation::Unknown;
  ReadOp read = access.read;
  int64_t axis = read.getTensor().getType().rankIndex(writerRank);
  if (axis < 0)
    return Relation::Same;
  Value index = read.getIndices()[axis];
  auto affine = affineIn(index, readerRank);
  if (!affine)
    return Relation::Unknown;
  auto [factor, shift] = *affine;
  if (factor == 1)
    return shift == 0  ? Relation::Same
           : shift < 0 ? Relation::Earlier
                       : Relation::Later;
  if (factor > 1 && shift > 0)
    return Relation::Later;
  return Relation::Unknown;
}

/// Direction of reads such as `X[j] where j < t`, by the comparisons of a
/// region: +1 if a reduced coordinate lies before that of `rank`.
static int directionOfGuards(Operation *op, StringAttr rank) {
  int direction = 0;
  op->walk([&](MapOp map) {
    bool less = map.getFn() == Fn::lt || map.getFn() == Fn::le;
    bool greater = map.getFn() == Fn::gt || map.getFn() == Fn::ge;
    if (!less && !greater)
      return;
    bool left = coordinateRank(map.getOperand(0)) == rank;
    bool right = coordinateRank(map.getOperand(1)) == rank;
    if (left != right)
      direction = right == less ? 1 : -1;
  });
  return direction;
}

/// `attn.iterate` of a definition: pairs of rank and direction, outermost
/// first.
static std::pair<StringAttr, int> annotation(const Unit &unit, unsigned level) {
  auto list = unit.op->getAttrOfType<ArrayAttr>("attn.iterate");
  if (!list || level >= list.size())
    return {};
  auto pair = dyn_cast<ArrayAttr>(list[level]);
  if (!pair || pair.size() != 2)
    return {};
  auto rank = dyn_cast<StringAttr>(pair[0]);
  auto direction = dyn_cast<IntegerAttr>(pair[1]);
  if (!rank || !direction)
    return {};
  return {rank, direction.getInt() < 0 ? -1 : 1};
}

std::optional<Iteration> Recurrence::chooseRank(ArrayRef<const Unit *> members,
                                                unsigned level) const {
  Iteration iteration;
  StringAttr name;
  for (const Unit *unit : members)
    if (auto [rank, direction] = annotation(*unit, level); rank) {
      iteration.rank[unit] = rank;
      iteration.direction = direction;
      name = rank;
    }
  if (name) {
    for (const Unit *unit : members)
      iteration.rank.try_emplace(unit, name);
    return iteration;
  }
  // Unannotated: the first rank along which no two reads disagree, and which
  // orders something.
  llvm::SetVector<StringAttr> candidates;
  for (const Unit *unit : members)
    for (const Target &target : unit->targets)
      for (StringAttr rank : storedType(plan, target).getRanks())
        candidates.insert(rank);
  for (bool allowUnknown : {false, true})
    for (StringAttr rank : candidates) {
      int direction = 0;
      bool fits = true, orders = false;
      for (const Access &access : accessesIn(members)) {
        Relation how = relation(access, rank, rank);
        int wanted = how == Relation::Earlier ? 1 : -1;
        if (constantOn(plan, *access.reader, rank))
          continue;
        if (how == Relation::Same)
          continue;
        orders = true;
        if (how == Relation::Unknown) {
          fits &= allowUnknown;
          wanted = directionOfGuards(access.reader->op, rank);
          if (wanted == 0)
            continue;
        }
        fits &= direction == 0 || direction == wanted;
        direction = wanted;
      }
      if (!fits || !orders)
        continue;
      iteration.direction = direction < 0 ? -1 : 1;
      for (const Unit *unit : members)
        iteration.rank[unit] = rank;
      return iteration;
    }
  return std::nullopt;
}

SmallVector<StringAttr> Recurrence::parallelRanks() const {
  SmallVector<StringAttr> ranks;
  for (StringAttr rank : units.front()->space) {
    bool shared = llvm::all_of(units, [&](const Unit *unit) {
      return llvm::is_contained(unit->space, rank) &&
             llvm::all_of(unit->targets, [&](const Target &target) {
               return storedType(plan, target).rankIndex(rank) >= 0;
             });
    });
    bool unshifted = llvm::all_of(accessesIn(units), [&](const Access &access) {
      if (!access.read)
        return true;
      ReadOp read = access.read;
      int64_t axis = read.getTensor().getType().rankIndex(rank);
      return axis >= 0 && coordinateRank(read.getIndices()[axis]) == rank;
    });
    bool iterative = llvm::any_of(units, [&](const Unit *unit) {
      for (unsigned level = 0;; ++level) {
        StringAttr name = annotation(*unit, level).first;
        if (!name || name == rank)
          return name != nullptr;
      }
    });
    if (shared && unshifted && !iterative)
      ranks.push_back(rank);
  }
  return ranks;
}

//===----------------------------------------------------------------------===//
// The walk
//===----------------------------------------------------------------------===//

std::vector<std::vector<unsigned>>
Recurrence::order(ArrayRef<const Unit *> members,
                  const Iteration &iteration) const {
  std::vector<Unit> nodes(members.size());
  auto number = [&](const Unit *unit) -> unsigned {
    return llvm::find(members, unit) - members.begin();
  };
  for (const Access &access : accessesIn(members)) {
    StringAttr reader = iteration.rank.lookup(access.reader);
    StringAttr writer = iteration.rank.lookup(access.writer);
    // A base equation and what feeds it run where their constant says; among
    // themselves they keep their order.
    bool same = relation(access, reader, writer) == Relation::Same;
    bool bothConstant = constantOn(plan, *access.reader, reader) &&
                        constantOn(plan, *access.writer, writer);
    if (same || bothConstant)
      nodes[number(access.reader)].dependencies.push_back(
          number(access.writer));
  }
  std::vector<Step> steps;
  orderComponents(nodes, steps);
  std::vector<std::vector<unsigned>> components;
  for (const Step &step : steps) {
    components.emplace_back(step.units.begin(), step.units.end());
    if (!step.recurrent)
      continue;
    components.back().push_back(~0u); // marks a cycle
  }
  return components;
}

LogicalResult Recurrence::emit(CodeBuilder &b, UnitEmitter &emitter,
                               Frame &frame, const Coordinates &fixed) {
  std::vector<Pending> pending;
  for (const Unit *unit : units)
    pending.push_back({unit, fixed, {}});
  return emitLevel(b, emitter, frame, std::move(pending), 0);
}

LogicalResult Recurrence::emitLevel(CodeBuilder &b, UnitEmitter &emitter,
                                    Frame &frame, std::vector<Pending> pending,
                                    unsigned level) {
  auto members =
      llvm::map_to_vector(pending, [](const Pending &p) { return p.unit; });
  std::optional<Iteration> iteration = chooseRank(members, level);
  if (!iteration || level > 8)
    return members.front()->op->emitError(
        "cyclic definition: no rank orders the steps of this recurrence");

  // The walk covers the ranks and the base points beside them.
  Value low = b.i64(0), high = b.i64(0);
  for (const Unit *unit : members) {
    StringAttr rank = iteration->rank.lookup(unit);
    high = b.max(high, frame.extent(rank));
    if (ExtentAttr constant = constantOn(plan, *unit, rank)) {
      Value point = frame.evaluate(constant);
      low = b.min(low, point);
      high = b.max(high, b.add(point, b.i64(1)));
    }
  }
  auto components = order(members, *iteration);
  outer.push_back(*iteration);
  LogicalResult result = success();
  b.loop(low, high, [&](Value i) {
    Value t = i;
    if (iteration->direction < 0)
      t = b.sub(b.add(low, b.sub(high, b.i64(1))), i);
    for (const std::vector<unsigned> &component : components) {
      bool cycle = component.back() == ~0u;
      std::vector<Pending> inner;
      for (unsigned u : component) {
        if (u == ~0u)
          continue;
        Pending next = pending[u];
        StringAttr rank = iteration->rank.lookup(next.unit);
        Value runs;
        if (ExtentAttr constant = constantOn(plan, *next.unit, rank)) {
          runs = b.compare(CmpIPredicate::eq, t, frame.evaluate(constant));
        } else if (llvm::is_contained(next.unit->space, rank)) {
          runs = b.ult(t, frame.extent(rank));
          next.fixed[rank] = t;
        }
        next.condition = b.both(next.condition, runs);
        inner.push_back(std::move(next));
      }
      if (cycle) {
        if (failed(emitLevel(b, emitter, frame, std::move(inner), level + 1)))
          result = failure();
        continue;
      }
      b.ifThen(inner[0].condition,
               [&] { emitter.emit(*inner[0].unit, inner[0].fixed); });
    }
  });
  outer.pop_back();
  return result;
}
