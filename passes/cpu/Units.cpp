//===- Units.cpp - the code of one unit -------------------------*- C++ -*-===//
#include "passes/cpu/Units.h"
#include "mlir/IR/Matchers.h"
#include "passes/cpu/Formats.h"
#include "passes/cpu/Reduce.h"

using namespace mlir;
using namespace attn;
using namespace attn::cpu;
using arith::CmpIPredicate;

void UnitEmitter::emit(const Unit &unit, Coordinates fixed) {
  if (!team)
    return emitLoops(unit, fixed, 0);
  SmallVector<StringAttr> free;
  for (StringAttr rank : unit.space)
    if (!fixed.contains(rank))
      free.push_back(rank);
  // Orders sort in the memory of the worker, one at a time; points of packed
  // outputs share bytes.
  bool alone = free.empty() || isa<OrderOp>(unit.op) || plan.isPacked(unit);
  if (alone) {
    Value first = b.compare(CmpIPredicate::eq, team->thread, b.i64(0));
    b.ifThen(first, [&] { emitLoops(unit, fixed, 0); });
    return emitBarrier(b);
  }
  Value points = b.i64(1);
  for (StringAttr rank : free)
    points = b.mul(points, frame.extent(rank));
  auto op = scf::ForOp::create(b, team->thread, points, team->threads);
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(op.getBody());
    Value rest = op.getInductionVar();
    for (size_t i = free.size(); i-- > 0;) {
      Value extent = frame.extent(free[i]);
      fixed[free[i]] =
          i ? Value(arith::RemUIOp::create(b, rest, extent)) : rest;
      if (i)
        rest = arith::DivUIOp::create(b, rest, extent);
    }
    emitLoops(unit, fixed, 0);
  }
  emitBarrier(b);
}

void UnitEmitter::emitLoops(const Unit &unit, Coordinates &at, size_t rank) {
  if (rank == unit.space.size()) {
    // Several targets decide one by one when they store.
    Value own =
        unit.targets.size() == 1 ? isOwnPoint(unit.targets[0], at) : Value();
    return b.ifThen(own, [&] { emitPoint(unit, at); });
  }
  StringAttr name = unit.space[rank];
  if (at.contains(name))
    return emitLoops(unit, at, rank + 1);
  b.loop(b.i64(0), frame.extent(name), [&](Value i) {
    at[name] = i;
    emitLoops(unit, at, rank + 1);
  });
  at.erase(name);
}

void UnitEmitter::emitPoint(const Unit &unit, const Coordinates &at) {
  if (unit.isCopy())
    emitCopy(unit, at);
  else if (isa<OrderOp>(unit.op))
    emitOrder(unit, at);
  else
    emitEinsum(unit, at);
}

//===----------------------------------------------------------------------===//
// Stores
//===----------------------------------------------------------------------===//

static unsigned countConstants(ArrayAttr pattern) {
  return llvm::count_if(pattern,
                        [](Attribute a) { return isa<ExtentAttr>(a); });
}

Value UnitEmitter::isOwnPoint(const Target &target, const Coordinates &at) {
  if (!target.pattern)
    return {};
  auto equations = target.tensor.getDefiningOp<EquationsOp>();
  ArrayRef<StringAttr> ranks = equations.getResult().getType().getRanks();
  unsigned constants = countConstants(target.pattern);
  bool before = true;
  Value own;
  for (auto other : equations.getPatterns().getAsRange<ArrayAttr>()) {
    if (other == target.pattern) {
      before = false;
      continue;
    }
    unsigned more = countConstants(other);
    if (more < constants || (more == constants && !before))
      continue;
    // Does the point match `other`?
    Value matches = b.boolean(true);
    bool possible = true;
    for (auto [axis, rank] : llvm::enumerate(ranks)) {
      auto theirs = dyn_cast<ExtentAttr>(other[axis]);
      if (!theirs)
        continue;
      auto ours = dyn_cast<ExtentAttr>(target.pattern[axis]);
      // A coordinate is never negative and never the extent.
      if (!ours &&
          (theirs.getConstant().value_or(0) < 0 || theirs.getRank() == rank)) {
        possible = false;
        break;
      }
      Value mine = ours ? frame.evaluate(ours) : at.lookup(rank);
      matches = b.bitAnd(
          matches, b.compare(CmpIPredicate::eq, mine, frame.evaluate(theirs)));
    }
    if (possible)
      own = b.both(own, b.bitNot(matches));
  }
  return own;
}

void UnitEmitter::storeAt(const Target &target, const Coordinates &at,
                          Scalar value) {
  NamedTensorType type;
  CascadeOp cascade = plan.cascade;
  if (target.tensor)
    type = cast<NamedTensorType>(target.tensor.getType());
  else
    type = cast<NamedTensorType>(
        cascade.getReturn().getOperand(target.output).getType());
  const Storage &s = target.output >= 0 ? storages.output(target.output)
                                        : storages.of(target.tensor);
  SmallVector<Value> indices;
  for (auto [axis, rank] : llvm::enumerate(type.getRanks())) {
    auto constant = target.pattern ? dyn_cast<ExtentAttr>(target.pattern[axis])
                                   : ExtentAttr();
    indices.push_back(constant ? frame.evaluate(constant) : at.lookup(rank));
  }
  // Kept unpacked, an i4 still has four bits.
  if (type.getElementType().isInteger(4))
    value.value = wrap(b, type.getElementType(), value.value);
  storages.store(b, s, indices, value);
}

void UnitEmitter::emitCopy(const Unit &unit, const Coordinates &at) {
  const Storage &s = storages.of(unit.source);
  SmallVector<Value> indices;
  for (StringAttr rank :
       cast<NamedTensorType>(unit.source.getType()).getRanks())
    indices.push_back(at.lookup(rank));
  Type element = s.element;
  Type real = element.isF64() ? Type(b.getF64Type()) : b.getF32Type();
  storeAt(unit.targets[0], at, storages.load(b, s, indices, real));
}

//===----------------------------------------------------------------------===//
// Einsums
//===----------------------------------------------------------------------===//

Value UnitEmitter::emitGuard(EinsumOp op, const Coordinates &at, Type real) {
  if (op.getGuard().empty())
    return {};
  Block &block = op.getGuard().front();
  if (matchPattern(block.back().getOperand(0), m_One()))
    return {};
  RegionEmitter region(b, storages, real);
  for (auto [argument, rank] :
       llvm::zip(block.getArguments(), strings(op.getSpace())))
    region.bindCoordinate(argument, at.lookup(rank));
  Scalar holds = region.emit(block)[0];
  return b.both(holds.value, holds.present);
}

void UnitEmitter::emitEinsum(const Unit &unit, const Coordinates &at) {
  auto op = cast<EinsumOp>(unit.op);
  Type real = plan.facts.computeType(op);
  SmallVector<StringAttr> ranks = strings(op.getSpace());
  SmallVector<StringAttr> reduced = strings(op.getReduced());
  SmallVector<Value> coordinates = llvm::map_to_vector(
      ranks, [&](StringAttr rank) { return at.lookup(rank); });

  auto emitMap = [&]() {
    RegionEmitter region(b, storages, real);
    for (auto [argument, value] :
         llvm::zip(op.getMap().getArguments(), coordinates))
      region.bindCoordinate(argument, value);
    return region.emit(op.getMap().front());
  };
  auto storeAll = [&](ArrayRef<Scalar> values, Value guard) {
    for (auto [target, value] : llvm::zip(unit.targets, values)) {
      Scalar kept = value;
      kept.present = b.both(kept.present, guard);
      Value own = unit.targets.size() > 1 ? isOwnPoint(target, at) : Value();
      b.ifThen(own, [&, &target = target] { storeAt(target, at, kept); });
    }
  };
  Value guard = emitGuard(op, at, real);
  if (!op.isReduction())
    return storeAll(emitMap(), guard);

  // The types a point has are known once its code exists: emit it aside.
  SmallVector<Type> types;
  {
    OpBuilder::InsertionGuard restore(b);
    auto probe = scf::IfOp::create(b, b.boolean(true), false);
    b.setInsertionPointToStart(probe.thenBlock());
    size_t known = coordinates.size();
    coordinates.append(reduced.size(), b.i64(0));
    for (const Scalar &value : emitMap())
      types.push_back(value.value.getType());
    coordinates.truncate(known);
    probe.erase();
  }
  Reduction reduction(b, storages, op, types, real);
  auto emitReduced = [&](ValueRange start) {
    std::function<SmallVector<Value>(ValueRange)> walk =
        [&](ValueRange state) -> SmallVector<Value> {
      size_t depth = coordinates.size() - ranks.size();
      if (depth < reduced.size() && part == Part::Step &&
          reduced[depth] == partRank) {
        coordinates.push_back(at.lookup(partRank));
        SmallVector<Value> next = walk(state);
        coordinates.pop_back();
        return next;
      }
      if (depth == reduced.size()) {
        Value last =
            depth ? b.convert(coordinates.back(), b.getI32Type()) : b.i32(0);
        return reduction.combine(state, emitMap(), last);
      }
      bool isShared = lane && depth + 1 == reduced.size();
      auto loop = scf::ForOp::create(b, b.i64(0), frame.extent(reduced[depth]),
                                     b.i64(isShared ? warpLanes : 1), state);
      OpBuilder::InsertionGuard restore(b);
      b.setInsertionPointToStart(loop.getBody());
      Value first = loop.getInductionVar();
      coordinates.push_back(isShared ? b.add(first, lane) : first);
      SmallVector<Value> next = walk(loop.getRegionIterArgs());
      coordinates.pop_back();
      if (!next.empty())
        scf::YieldOp::create(b, next);
      return SmallVector<Value>(loop.getResults());
    };
    return walk(start);
  };
  if (part == Part::Whole) {
    SmallVector<Value> state = b.ifElse(
        guard, [&] { return emitReduced(reduction.identity()); },
        [&] { return reduction.identity(); });
    for (int distance = warpLanes / 2; lane && distance; distance /= 2)
      state = reduction.join(state, llvm::map_to_vector(state, [&](Value part) {
                               return emitButterfly(b, part, distance);
                             }));
    return storeAll(reduction.finish(state), guard);
  }
  Value memory = stateAt(unit, at);
  SmallVector<Value> identity = reduction.identity();
  if (part == Part::Start)
    return storeState(memory, identity);
  if (part == Part::End)
    return storeAll(reduction.finish(loadState(memory, identity)), guard);
  b.ifThen(guard, [&] {
    storeState(memory, emitReduced(loadState(memory, identity)));
  });
}

//===----------------------------------------------------------------------===//
// Reductions in parts
//===----------------------------------------------------------------------===//

// A component of a state: the widest scalar.
constexpr int64_t stateWord = 8;

/// Components of a reduction's state, at most.
static int64_t stateWords(const Unit &unit) {
  return std::max<int64_t>(3, unit.op->getNumResults());
}

Value UnitEmitter::stateBytes(Frame &frame, const Unit &unit,
                              ArrayRef<StringAttr> fixed) {
  Value bytes = frame.prologue.i64(stateWord * stateWords(unit));
  for (StringAttr rank : unit.space)
    if (!llvm::is_contained(fixed, rank))
      bytes = saturatingMul(frame.prologue, bytes, frame.extent(rank));
  return bytes;
}

Value UnitEmitter::stateAt(const Unit &unit, const Coordinates &at) {
  Value point = b.i64(0);
  for (StringAttr rank : partLoops)
    point = b.add(b.mul(point, frame.extent(rank)), at.lookup(rank));
  return b.gep(b.getI8Type(), partMemory,
               b.mul(point, b.i64(stateWord * stateWords(unit))));
}

SmallVector<Value> UnitEmitter::loadState(Value memory, ValueRange like) {
  SmallVector<Value> state;
  for (auto [i, value] : llvm::enumerate(like)) {
    Value pointer = b.gep(b.getI64Type(), memory, i);
    Type type = value.getType();
    if (!type.isInteger(1)) {
      state.push_back(b.load(type, pointer));
      continue;
    }
    Value byte = b.load(b.getI8Type(), pointer);
    state.push_back(
        b.compare(CmpIPredicate::ne, byte, b.integer(b.getI8Type(), 0)));
  }
  return state;
}

void UnitEmitter::storeState(Value memory, ValueRange state) {
  for (auto [i, value] : llvm::enumerate(state)) {
    Value stored = value;
    if (value.getType().isInteger(1))
      stored = arith::ExtUIOp::create(b, b.getI8Type(), value);
    b.store(stored, b.gep(b.getI64Type(), memory, i));
  }
}

void UnitEmitter::emitPart(const Unit &unit, Coordinates fixed, Part which,
                           StringAttr rank, Value memory) {
  part = which;
  partRank = rank;
  partMemory = memory;
  partLoops.clear();
  for (StringAttr loop : unit.space)
    if (!fixed.contains(loop))
      partLoops.push_back(loop);
  emit(unit, std::move(fixed));
  part = Part::Whole;
}
