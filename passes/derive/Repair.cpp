//===- Repair.cpp - how accumulators move as statistics do ------*- C++ -*-===//
// The factor h of ONLINE, the distances of ONLINE-LINEAR and ONLINE-SHIFT, and
// what stands for a factor that a lower moment lacks.
#include "passes/derive/Deriver.h"

using namespace mlir;
using namespace attn;

/// Kept ranks that late terms have, and the step.
Ranks Deriver::ranksOf(EinsumOp op, ArrayRef<ShiftTerm> shift) {
  Ranks ranks;
  for (StringAttr rank : strings(op.getSpace()))
    if (llvm::any_of(shift, [&](const ShiftTerm &term) {
          return cast<NamedTensorType>(term.tensor.getType()).rankIndex(rank) >=
                 0;
        }))
      ranks.push_back(rank);
  ranks.push_back(n1);
  return ranks;
}

/// How far a shift moved in this step: sum of c_i (M_i now - M_i before), 0 as
/// long as there was nothing to move.
Value Deriver::move(EinsumOp op, ArrayRef<ShiftTerm> shift, StringRef name) {
  EinsumSpec spec{name, ranksOf(op, shift), {}, {}, computeType(op)};
  return buildEinsum(
             b, op.getLoc(), spec,
             [&](ExprBuilder &e, Coordinates &at) {
               Value sum;
               for (const ShiftTerm &term : shift) {
                 Value now = readFinite(e, term.tensor, at, Step::Now);
                 Value before = readFinite(e, term.tensor, at, Step::Before);
                 Value moved = e.map(Fn::sub, {now, before});
                 if (term.coefficient != 1)
                   moved = e.map(Fn::mul, {moved, e.real(term.coefficient)});
                 sum = sum ? e.map(Fn::add, {sum, moved}) : moved;
               }
               // Statistics of nothing may be anything.
               Value isFinite = e.map(
                   Fn::lt, {e.map(Fn::abs, {sum}),
                            e.real(std::numeric_limits<double>::infinity())});
               return e.otherwise(e.where(sum, isFinite), e.real(0));
             })
      .getResult(0);
}

/// 1 where `value` of the map of `op` is present: a factor left out.
Value Deriver::ones(EinsumOp op, Value value, StringRef name) {
  auto read = value.getDefiningOp<ReadOp>();
  auto point = read && stream.isPoint(read.getTensor())
                   ? read.getTensor().getDefiningOp<EinsumOp>()
                   : EinsumOp();
  if (point) {
    Value yield = point.getMapYield().getOperand(0);
    const Form &form = forms.of(yield);
    if (form.kind == Form::Scale && form.shifts.size() == 1) {
      // A named product that has the factor: the product without it.
      Value inner = form.shifts[0].value;
      Value one = ones(point, inner, name);
      DenseMap<Value, Value> outer = std::move(leftOut);
      leftOut.clear();
      leftOut[inner] = one;
      std::string rest = nameOf(point, ".rest");
      EinsumSpec spec{
          rest, with(point.getSpace(), {n1, n0}), {}, {}, computeType(point)};
      Value product = buildEinsum(b, op.getLoc(), spec,
                                  [&](ExprBuilder &e, Coordinates &at) {
                                    at[stream.rank] = wholeCoordinate(e, at);
                                    return e.where(rebuild(e, point, yield, at),
                                                   inside(e, at));
                                  })
                          .getResult(0);
      leftOut = std::move(outer);
      return product;
    }
  }
  Dependence dependence(op.getMap().front());
  Ranks all = op.mapRanks();
  EinsumSpec spec{name, {}, {}, {}, computeType(op)};
  for (int i : dependence.of(value).set_bits())
    if (all[i] != stream.rank)
      spec.space.push_back(all[i]);
  spec.space.append({n1, n0});
  return buildEinsum(b, op.getLoc(), spec,
                     [&](ExprBuilder &e, Coordinates &at) {
                       at[stream.rank] = wholeCoordinate(e, at);
                       Value here = presence(e, op, value, at);
                       Value one = e.where(e.real(1), inside(e, at));
                       return here ? e.where(one, here) : one;
                     })
      .getResult(0);
}

/// Anything but a built-in extremum: it may divide what is not there yet.
static bool isQuotient(const ShiftTerm &term) {
  auto kind = term.tensor.getDefiningOp<EinsumOp>().builtinReduce();
  return kind != Reduce::max && kind != Reduce::min;
}

/// h(M before, M now) over the ranks of the late tensors; null: nothing to do.
Value Deriver::repair(EinsumOp op, const Form &form) {
  SmallVector<const Exponential *> moving;
  for (const Exponential &e : form.exponentials)
    if (!e.shift.empty())
      moving.push_back(&e);
  if (moving.empty())
    return {};
  EinsumSpec spec;
  std::string name = nameOf(op, ".repair");
  spec.name = name;
  spec.element = computeType(op);
  SmallVector<ShiftTerm> terms;
  for (const Exponential *e : moving)
    llvm::append_range(terms, e->shift);
  spec.space = ranksOf(op, terms);
  return buildEinsum(
             b, op.getLoc(), spec,
             [&](ExprBuilder &e, Coordinates &at) {
               Value product;
               for (const Exponential *exponential : moving) {
                 Value sum;
                 for (const ShiftTerm &term : exponential->shift) {
                   Value now = readLate(e, term.tensor, at, Step::Now);
                   Value before = readLate(e, term.tensor, at, Step::Before);
                   Value moved = term.moved(e, before, now);
                   sum = sum ? e.map(Fn::add, {sum, moved}) : moved;
                 }
                 Value factor = exponential->of(e, sum);
                 // A statistic that is a quotient may be NaN of nothing: there
                 // is nothing to repair. NaN among the points has reached the
                 // accumulator by itself.
                 if (llvm::any_of(exponential->shift, isQuotient)) {
                   Value isNumber = e.map(Fn::eq, {factor, factor});
                   factor = e.otherwise(e.where(factor, isNumber), e.real(1));
                 }
                 product = product ? e.map(Fn::mul, {product, factor}) : factor;
               }
               return product;
             })
      .getResult(0);
}
