//===- Finish.cpp - what the states of a stream finish as -------*- C++ -*-===//
// The last state with its late factors, 0 where no point was present, nothing
// where the fibre does not exist.
#include "passes/derive/Deriver.h"
#include "passes/derive/Laws.h"
#include "passes/derive/PointConditions.h"

using namespace mlir;
using namespace attn;

/// A state of its own: was any point present, over the ranks that presence
/// depends on.
Value Deriver::presentState(EinsumOp op) {
  Value yield = op.getMapYield().getOperand(0);
  Ranks all = strings(op.getSpace());
  all.append({n1, n0});
  // Which ranks matter is known once the expression stands.
  std::string name = nameOf(op, ".present");
  auto build = [&](RankRef space) {
    EinsumSpec spec{name,
                    Ranks(space),
                    {n0},
                    ReduceAttr::get(b.getContext(), Reduce::any),
                    b.getI1Type()};
    spec.space.push_back(n1);
    return buildEinsum(
        b, op.getLoc(), spec,
        [&](ExprBuilder &e, Coordinates &at) {
          at[stream.rank] = wholeCoordinate(e, at);
          Coordinates full = at;
          for (StringAttr rank : strings(op.getSpace()))
            if (!full.count(rank))
              full[rank] = at[n0]; // does not occur
          Value here = contributes(e, op, yield, full);
          return e.where(here ? here : e.boolean(true), inside(e, at));
        },
        [&](ExprBuilder &e, Coordinates &) { return e.boolean(true); });
  };
  EinsumOp probe = build(with(op.getSpace(), {}));
  Dependence dependence(probe.getMap().front());
  auto used = dependence.of(probe.getMapYield().getOperand(0));
  Ranks space;
  for (auto [i, rank] : llvm::enumerate(with(op.getSpace(), {})))
    if (used.test(i))
      space.push_back(rank);
  EinsumOp tile = probe;
  if (space.size() + 1 != probe.getSpace().size()) {
    tile = build(space);
    probe.erase();
  }
  auto type = NamedTensorType::get(b.getContext(), strings(tile.getSpace()),
                                   b.getI1Type());
  auto placeholder =
      UnrealizedConversionCastOp::create(b, op.getLoc(), type, ValueRange{});
  Value state = recurrence(
      name, space, b.getI1Type(), b.getBoolAttr(false),
      [&](ExprBuilder &e, Coordinates &at) {
        Coordinates before = at;
        before[n1] = e.map(Fn::sub, {at[n1], e.integer(1)});
        return e.map(Fn::or_, {e.read(placeholder.getResult(0), before),
                               e.read(tile.getResult(0), at)});
      });
  placeholder.getResult(0).replaceAllUsesWith(state);
  placeholder.erase();
  return state;
}

/// A maximum or minimum over the same points, none of them its identity: its
/// last state tells whether there was one. Null: none.
EinsumOp Deriver::witnessOf(EinsumOp op) {
  PointConditions moved(stream, /*movesOnly=*/true);
  PointConditions present(stream, /*movesOnly=*/false);
  const auto &own = moved.of(op.getMapYield().getOperand(0));
  if (!own.isExact)
    return {};
  auto isWitness = [&](EinsumOp other) {
    auto kind = other.builtinReduce();
    if ((kind != Reduce::max && kind != Reduce::min) ||
        !isa<FloatType>(other.getMapYield().getOperand(0).getType()) ||
        isGuarded(other) || !running.count(other.getResult(0)) ||
        summandForm(forms, other).hasLate())
      return false;
    for (StringAttr rank : strings(other.getSpace()))
      if (!llvm::is_contained(op.getSpace(), rank))
        return false;
    Value value = other.getMapYield().getOperand(0);
    const auto &there = present.of(value);
    auto identity = cast<FloatAttr>(identityOf(*kind, value.getType()));
    return there.isExact && there.needed == own.needed &&
           present.excludes(value, identity.getValueAsDouble());
  };
  auto it = llvm::find_if(stream.reductions, isWitness);
  return it == stream.reductions.end() ? EinsumOp() : *it;
}

/// Whether any point of `op` was present, at the end of the row.
std::function<Value(ExprBuilder &, Coordinates &)>
Deriver::anyPresent(EinsumOp op) {
  if (EinsumOp witness = witnessOf(op)) {
    noteLaw(cascade, Law::Witness, nameOf(op));
    Value states = running.lookup(witness.getResult(0));
    Reduce kind = *witness.builtinReduce();
    return [=](ExprBuilder &e, Coordinates &at) {
      Value last = e.read(states, at);
      return e.map(Fn::ne,
                   {last, e.constant(identityOf(kind, last.getType()))});
    };
  }
  Value present = presentState(op);
  return [=](ExprBuilder &e, Coordinates &at) { return e.read(present, at); };
}

/// A fibre that does not exist gives nothing: the guard of `op`, as a
/// condition.
Value Deriver::existing(ExprBuilder &e, EinsumOp op, Value value,
                        Coordinates &at) {
  if (op.getGuard().empty())
    return value;
  Value exists = guardAt(e, op, at, [&](Operation *def) -> Value {
    auto read = dyn_cast<ReadOp>(def);
    return read && stream.isLate(read.getTensor())
               ? readLate(e, read.getTensor(), at, Step::Final)
               : Value();
  });
  return e.where(value, exists);
}

/// The finished reduction: the last state, late factors applied.
Value Deriver::finish(EinsumOp op) {
  if (Value known = finals.lookup(op.getResult(0)))
    return known;
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToEnd(body);
  Form form = summandForm(forms, op);
  // Only what multiplies may make a value of an empty row.
  bool scales = llvm::any_of(form.factors, [](const LateFactor &late) {
    return late.kind == LateFactor::Multiplies ||
           late.kind == LateFactor::Divides;
  });
  std::function<Value(ExprBuilder &, Coordinates &)> present;
  if (scales)
    present = anyPresent(op);
  std::string name = nameOf(op);
  EinsumSpec spec = mapLike(op, name);
  auto value = [&](ExprBuilder &e, Coordinates &at) {
    at[n1] = e.map(Fn::sub, {e.extent(n1), e.integer(1)});
    Value state = e.read(running.lookup(op.getResult(0)), at), result = state;
    for (const LateFactor &late : form.factors) {
      Value value = readLate(e, late.tensor, at, Step::Final);
      if (late.kind == LateFactor::Clears)
        continue;
      if (late.kind == LateFactor::Requires) {
        Value none =
            e.constant(identityOf(*op.builtinReduce(), result.getType()));
        result = e.otherwise(e.where(result, isPresent(e, value)), none);
        continue;
      }
      result = e.map(late.kind == LateFactor::Divides ? Fn::div : Fn::mul,
                     {result, value});
    }
    // Whatever the other factors made of it.
    for (const LateFactor &late : form.factors)
      if (late.kind == LateFactor::Clears)
        result = e.otherwise(readLate(e, late.tensor, at, Step::Final), result);
    if (present)
      // Cleared points sum up to 0, or to NaN where 0 met an infinite factor.
      result = e.otherwise(
          e.where(result, present(e, at)),
          mayBeCleared(op, op.getMapYield().getOperand(0))
              ? state
              : e.constant(cast<TypedAttr>(e.b.getZeroAttr(result.getType()))));
    return existing(e, op, result, at);
  };
  Value final = buildEinsum(b, op.getLoc(), spec, value).getResult(0);
  return finals[op.getResult(0)] = final;
}
