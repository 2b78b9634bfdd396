//===- Reduce.cpp - reductions as carried values ----------------*- C++ -*-===//
#include "passes/cpu/Reduce.h"
#include "mlir/IR/SymbolTable.h"

using namespace mlir;
using namespace attn;
using namespace attn::cpu;
using arith::CmpIPredicate;

Reduction::Reduction(CodeBuilder &b, StorageMap &storages, EinsumOp op,
                     ArrayRef<Type> point, Type real)
    : b(b), storages(storages), op(op), point(point), real(real) {
  if (auto builtin = op.builtinReduce())
    kind = *builtin;
  else
    monoid = SymbolTable::lookupNearestSymbolFrom<MonoidOp>(
        op->getParentOfType<CascadeOp>(),
        cast<FlatSymbolRefAttr>(op.getMonoidAttr()));
}

/// A constant of the scalar types, reals as `type`.
static Value emitConstant(CodeBuilder &b, Attribute value, Type type) {
  if (auto real = dyn_cast<FloatAttr>(value))
    return b.real(type, real.getValueAsDouble());
  return b.constant(cast<TypedAttr>(value));
}

SmallVector<Value> Reduction::identity() {
  if (monoid) {
    SmallVector<Value> state;
    for (auto [value, type] : llvm::zip(monoid.getIdentity(), point))
      state.push_back(emitConstant(b, value, type));
    return state;
  }
  Type type = point[0];
  switch (kind) {
  case Reduce::argmax:
  case Reduce::argmin: // best key, its coordinate, is there one
    return {isa<FloatType>(type) ? b.real(type, 0) : b.integer(type, 0),
            b.i32(0), b.boolean(false)};
  case Reduce::first:
  case Reduce::last: // the value, is there one
    return {isa<FloatType>(type) ? b.real(type, 0) : b.integer(type, 0),
            b.boolean(false)};
  default: {
    Type scalar = isa<FloatType>(type) ? b.getF64Type() : type;
    return {emitConstant(b, identityOf(kind, scalar), type)};
  }
  }
}

SmallVector<Value> Reduction::merge(ValueRange left, ValueRange right) {
  RegionEmitter region(b, storages, real);
  Block &block = monoid.getCombine().front();
  unsigned i = 0;
  for (ValueRange side : {left, right})
    for (Value value : side) {
      bool exact = value.getType().isF64() && !real.isF64();
      region.bind(block.getArgument(i++), {value, {}, {}, exact});
    }
  SmallVector<Value> merged;
  for (auto [scalar, type] : llvm::zip(region.emit(block), point))
    merged.push_back(isa<FloatType>(type) ? b.convert(scalar.value, type)
                                          : scalar.value);
  return merged;
}

SmallVector<Value> Reduction::builtin(ValueRange state, const Scalar &point,
                                      Value coordinate) {
  Value x = point.value, best = state[0];
  switch (kind) {
  case Reduce::sum:
    return {b.addReassociated(best, x)};
  case Reduce::prod:
    return {b.mulReassociated(best, x)};
  case Reduce::max:
    return {b.max(best, x)};
  case Reduce::min:
    return {b.min(best, x)};
  case Reduce::any:
    return {b.bitOr(best, x)};
  case Reduce::all:
    return {b.bitAnd(best, x)};
  case Reduce::count:
    return {b.add(best, b.i32(1))};
  case Reduce::argmax:
  case Reduce::argmin: {
    Value better = b.compare(kind == Reduce::argmax ? CmpIPredicate::sgt
                                                    : CmpIPredicate::slt,
                             x, best);
    if (isa<FloatType>(x.getType())) // the first NaN stays
      better = b.bitAnd(b.bitNot(b.isNan(best)), b.bitOr(better, b.isNan(x)));
    Value take = b.bitOr(better, b.bitNot(state[2]));
    return {b.select(take, x, best), b.select(take, coordinate, state[1]),
            b.boolean(true)};
  }
  case Reduce::first:
    return {b.select(state[1], best, x), b.boolean(true)};
  case Reduce::last:
    return {x, b.boolean(true)};
  }
  llvm_unreachable("unknown reduction");
}

bool Reduction::joins(EinsumOp op) {
  constexpr Reduce ofOnePart[] = {Reduce::sum,  Reduce::prod, Reduce::max,
                                  Reduce::min,  Reduce::any,  Reduce::all,
                                  Reduce::count};
  auto kind = op.builtinReduce();
  return kind && llvm::is_contained(ofOnePart, *kind);
}

SmallVector<Value> Reduction::join(ValueRange left, ValueRange right) {
  if (kind == Reduce::count)
    return {b.add(left[0], right[0])};
  return builtin(left, {right[0], {}, {}, false}, {});
}

SmallVector<Value> Reduction::combine(ValueRange state, ArrayRef<Scalar> points,
                                      Value coordinate) {
  SmallVector<Value> next;
  Value present;
  if (monoid) {
    SmallVector<Value> right;
    for (const Scalar &scalar : points) {
      right.push_back(scalar.value);
      present = b.both(present, scalar.present);
    }
    next = merge(state, right);
  } else {
    present = points[0].present;
    next = builtin(state, points[0], coordinate);
  }
  if (present)
    for (auto [value, old] : llvm::zip(next, state))
      value = b.select(present, value, old);
  return next;
}

SmallVector<Scalar> Reduction::finish(ValueRange state) {
  bool exact =
      llvm::any_of(point, [&](Type t) { return t.isF64() && !real.isF64(); });
  SmallVector<Scalar> results;
  if (monoid) {
    for (Value value : state)
      results.push_back({value, {}, {}, exact});
    return results;
  }
  switch (kind) {
  case Reduce::argmax:
  case Reduce::argmin:
    return {{state[1], state[2], {}, false}};
  case Reduce::first:
  case Reduce::last:
    return {{state[0], state[1], {}, exact}};
  default:
    return {{state[0], {}, {}, exact}};
  }
}
