//===- Online.cpp - one pass over a stream ----------------------*- C++ -*-===//
// The laws ONLINE, HOIST and MERGE's cocycle, written as a cascade. For a
// reduction A = sum over n of f(x, M) with M late and f a Scale:
//
//   A[-1] = 0
//   A[n1] = A[n1-1] * h(M[n1-1], M[n1]) + sum over n0 of g(x, M[n1])
//   A     = A[|n1|-1] * late factors, or 0 where no point is present
//
// Two empty states repair by 1, never by exp(-inf - -inf). With factors x - M
// (ONLINE-LINEAR) the sums that lack some of them are accumulated too, and
// move each other:
//
//   A[n1] = (A[n1-1] + (M[n1-1] - M[n1]) * A'[n1-1]) * h + ...
#include "passes/derive/Online.h"
#include "passes/cascade/Normalise.h"
#include "passes/derive/Laws.h"

using namespace mlir;
using namespace attn;

namespace {

class Deriver {
public:
  Deriver(CascadeOp cascade, const Stream &stream)
      : cascade(cascade), stream(stream), b(cascade.getContext()),
        forms(stream.tensors()) {
    if (auto tile = cascade->getAttrOfType<IntegerAttr>(kStreamTileName))
      tileSize = tile.getInt();
  }

  void run();

private:
  // What a clone is taken at.
  enum class Step { Now, Before, Final };

  /// Shift factors of a summand that a sum of it keeps, a bit each.
  using Factors = unsigned;

  void partition();
  void reduce(EinsumOp op);
  void accumulate(EinsumOp op, const Form &form, Factors kept);
  Value finish(EinsumOp op);

  Value pointTile(EinsumOp op);
  Value lateTensor(EinsumOp op, Step step);
  Value readLate(ExprBuilder &e, Value tensor, Coordinates &at, Step step);
  Value readSafe(ExprBuilder &e, Value tensor, Coordinates &at);
  Value rebuild(ExprBuilder &e, EinsumOp op, Value value, Coordinates &at);
  Value presence(ExprBuilder &e, EinsumOp op, Value value, Coordinates &at,
                 DenseMap<Value, Value> &cache);
  Value repair(EinsumOp op, const Form &form);
  Value move(EinsumOp op, ArrayRef<ShiftTerm> shift, StringRef name);
  Value ones(EinsumOp op, Value value, StringRef name);
  Value readFinite(ExprBuilder &e, Value tensor, Coordinates &at, Step step);
  Ranks ranksOf(EinsumOp op, ArrayRef<ShiftTerm> shift);
  Value anyPresent(EinsumOp op);
  Value existing(ExprBuilder &e, EinsumOp op, Value value, Coordinates &at);

  Value recurrence(StringRef name, RankRef ranks, Type element,
                   TypedAttr identity, ExprFn step);
  Ranks with(ArrayAttr ranks, std::initializer_list<StringAttr> extra);
  Value wholeCoordinate(ExprBuilder &e, Coordinates &at);
  Value inside(ExprBuilder &e, Coordinates &at);
  std::string nameOf(EinsumOp op, StringRef suffix = "");
  Type elementOf(EinsumOp op);

  CascadeOp cascade;
  const Stream &stream;
  int64_t tileSize = kStreamTile;
  OpBuilder b;
  FormAnalysis forms;
  StringAttr n1, n0;
  // Definitions are made on demand, while another one is being written: always
  // at the end of the body, whose order means nothing.
  Block *body = nullptr;
  DenseMap<Value, Value> tiles;                 // point -> tile
  DenseMap<Value, Value> running;               // reduction -> over n1
  DenseMap<Value, Value> safe;                  // the same, finite if empty
  DenseMap<std::pair<Value, int>, Value> lates; // late map at a step
  DenseMap<Value, Value> finals;
  // Of the reduction that is being written: its repair, how far each factor
  // moved, its sums by the factors they keep, and what stands for a factor that
  // is left out.
  Value factor;
  SmallVector<Value> moves;
  DenseMap<Factors, Value> sums;
  DenseMap<Value, Value> leftOut;
  Value halved; // a square of this counts once
};

} // namespace

std::string Deriver::nameOf(EinsumOp op, StringRef suffix) {
  return (cast<StringAttr>(op.getNames()[0]).getValue() + suffix).str();
}

/// The compute type of a result: rounding waits for the finished value.
Type Deriver::elementOf(EinsumOp op) {
  Type element = cast<NamedTensorType>(op.getResultTypes()[0]).getElementType();
  return isa<FloatType>(element) ? computeReal(op) : scalarTypeOf(element);
}

Ranks Deriver::with(ArrayAttr ranks, std::initializer_list<StringAttr> extra) {
  Ranks result;
  for (StringAttr rank : strings(ranks))
    if (rank != stream.rank)
      result.push_back(rank);
  result.append(extra);
  return result;
}

void Deriver::partition() {
  MLIRContext *ctx = cascade.getContext();
  n1 = freshRank(cascade, (stream.rank.getValue() + "1").str());
  auto steps =
      AffineMap::get(0, 1, getAffineSymbolExpr(0, ctx).ceilDiv(tileSize));
  declareRank(cascade, n1, ExtentAttr::get(ctx, steps, {stream.rank}));
  n0 = freshRank(cascade, (stream.rank.getValue() + "0").str());
  declareRank(cascade, n0, ExtentAttr::constant(ctx, tileSize));
}

/// n = n1 * |n0| + n0.
Value Deriver::wholeCoordinate(ExprBuilder &e, Coordinates &at) {
  Value start = e.map(Fn::mul, {at[n1], e.integer(tileSize)});
  return e.map(Fn::add, {start, at[n0]});
}

Value Deriver::inside(ExprBuilder &e, Coordinates &at) {
  return e.map(Fn::lt, {at[stream.rank], e.extent(stream.rank)});
}

//===----------------------------------------------------------------------===//
// Expressions on tiles
//===----------------------------------------------------------------------===//

/// The value of a late tensor at a step, at the coordinates of its ranks.
Value Deriver::readLate(ExprBuilder &e, Value tensor, Coordinates &at,
                        Step step) {
  auto op = tensor.getDefiningOp<EinsumOp>();
  if (stream.late.contains(op))
    tensor = lateTensor(op, step);
  else if (step == Step::Final)
    tensor = finish(op);
  else
    tensor = running.lookup(tensor);
  SmallVector<Value> indices;
  bool isMap = stream.late.contains(op);
  for (StringAttr rank : cast<NamedTensorType>(tensor.getType()).getRanks()) {
    Value index = at.lookup(rank);
    if (rank == n1 && step == Step::Before && !isMap)
      index = e.map(Fn::sub, {index, e.integer(1)});
    indices.push_back(index);
  }
  Value value = e.read(tensor, indices);
  if (isMap || step == Step::Final)
    return value;
  // The state lacks its factors until the end; whoever needs it now has them as
  // they are now.
  for (const LateFactor &late : summandForm(forms, op).factors) {
    if (late.kind == LateFactor::Requires)
      continue;
    Value by = readLate(e, late.tensor, at, step);
    value = late.kind == LateFactor::Clears
                ? e.otherwise(by, value)
                : e.map(late.kind == LateFactor::Divides ? Fn::div : Fn::mul,
                        {value, by});
  }
  return value;
}

/// A late tensor, 0 where it is the identity of a maximum or minimum.
Value Deriver::readFinite(ExprBuilder &e, Value tensor, Coordinates &at,
                          Step step) {
  Value value = readLate(e, tensor, at, step);
  auto kind = tensor.getDefiningOp<EinsumOp>().builtinReduce();
  if (kind != Reduce::max && kind != Reduce::min)
    return value;
  Value empty =
      e.map(Fn::eq, {value, e.constant(identityOf(*kind, value.getType()))});
  return e.otherwise(e.where(e.real(0), empty), value);
}

/// For points: the identity of a maximum is no value to subtract.
Value Deriver::readSafe(ExprBuilder &e, Value tensor, Coordinates &at) {
  auto op = tensor.getDefiningOp<EinsumOp>();
  auto kind = op.builtinReduce();
  if (kind != Reduce::max && kind != Reduce::min)
    return readLate(e, tensor, at, Step::Now);
  Value &known = safe[tensor];
  if (!known) {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToEnd(body);
    std::string name = nameOf(op, ".finite");
    EinsumSpec spec{name, with(op.getSpace(), {n1}), {}, {}, elementOf(op)};
    known = buildEinsum(b, op.getLoc(), spec,
                        [&](ExprBuilder &f, Coordinates &row) {
                          return readFinite(f, tensor, row, Step::Now);
                        })
                .getResult(0);
  }
  return e.read(known, at);
}

/// The expression on a tile: points and late tensors of this step, late
/// factors left out.
Value Deriver::rebuild(ExprBuilder &e, EinsumOp op, Value value,
                       Coordinates &at) {
  IRMapping mapping;
  for (auto &[rank, argument] : coordinatesOf(op))
    mapping.map(argument, at[rank]);
  std::function<Value(Operation *)> leaf = [&](Operation *def) -> Value {
    if (auto read = dyn_cast<ReadOp>(def)) {
      Value tensor = read.getTensor();
      if (stream.isPoint(tensor))
        return e.read(pointTile(tensor.getDefiningOp<EinsumOp>()), at);
      if (stream.isLate(tensor))
        return readSafe(e, tensor, at);
      return {};
    }
    if (forms.of(def->getResult(0)).kind != Form::Scale)
      return {};
    if (isa<ElseOp>(def) && forms.of(def->getOperand(0)).kind == Form::Late)
      return cloneExpr(e.b, def->getOperand(1), mapping, leaf);
    auto map = dyn_cast<MapOp>(def);
    if (!map)
      return {};
    bool isSquare =
        map.getFn() == Fn::pow ||
        (map.getFn() == Fn::mul && map.getOperand(0) == map.getOperand(1));
    if (isSquare && halved == map.getOperand(0))
      return cloneExpr(e.b, halved, mapping, leaf);
    if (isSquare && leftOut.count(map.getOperand(0)))
      return e.read(leftOut.lookup(map.getOperand(0)), at);
    auto late = [&](unsigned i) {
      return forms.of(map.getOperand(i)).kind == Form::Late;
    };
    // As a factor; the same value in an exponent stands.
    auto isLeftOut = [&](unsigned i) {
      return leftOut.count(map.getOperand(i)) > 0;
    };
    auto operand = [&](unsigned i) {
      return isLeftOut(i) ? e.read(leftOut.lookup(map.getOperand(i)), at)
                          : cloneExpr(e.b, map.getOperand(i), mapping, leaf);
    };
    if (map.getFn() == Fn::mul && late(0) && late(1))
      return e.real(1);
    if (map.getFn() == Fn::mul && (late(0) || late(1)))
      return operand(late(0) ? 1 : 0);
    if (map.getFn() == Fn::div && late(1))
      return late(0) ? e.real(1) : operand(0);
    if ((map.getFn() == Fn::mul || map.getFn() == Fn::div) &&
        (isLeftOut(0) || isLeftOut(1)))
      return e.map(map.getFn(), {operand(0), operand(1)});
    return {};
  };
  if (Value one = leftOut.lookup(value))
    return e.read(one, at);
  // A summand that is a late value alone: the factor of a 1.
  if (op.builtinReduce() == Reduce::sum &&
      value == op.getMapYield().getOperand(0) &&
      forms.of(value).kind == Form::Late) {
    std::function<Value(Value)> one = [&](Value late) -> Value {
      if (auto where = late.getDefiningOp<WhereOp>())
        return e.where(one(where.getValue()),
                       cloneExpr(e.b, where.getCondition(), mapping, leaf));
      return e.constant(cast<TypedAttr>(
          isa<FloatType>(late.getType())
              ? Attribute(e.b.getFloatAttr(late.getType(), 1))
              : Attribute(e.b.getIntegerAttr(late.getType(), 1))));
    };
    return one(value);
  }
  return cloneExpr(e.b, value, mapping, leaf);
}

/// True where a value is present.
static Value isPresent(ExprBuilder &e, Value x) {
  return e.map(Fn::or_, {e.map(Fn::eq, {x, x}), e.map(Fn::ne, {x, x})});
}

/// A bool that is present exactly where `value` is; null: everywhere.
Value Deriver::presence(ExprBuilder &e, EinsumOp op, Value value,
                        Coordinates &at, DenseMap<Value, Value> &cache) {
  Operation *def = value.getDefiningOp();
  if (!def || isa<NamedTensorType>(value.getType()))
    return {};
  if (auto it = cache.find(value); it != cache.end())
    return it->second;
  Value result;
  auto join = [&](Value other) {
    if (other)
      result = result ? e.map(Fn::and_, {result, other}) : other;
  };
  if (auto where = dyn_cast<WhereOp>(def)) {
    Value inner = presence(e, op, where.getValue(), at, cache);
    result = e.where(inner ? inner : e.boolean(true),
                     rebuild(e, op, where.getCondition(), at));
  } else if (auto read = dyn_cast<ReadOp>(def)) {
    if (stream.isPoint(read.getTensor())) {
      result = isPresent(e, rebuild(e, op, value, at));
    } else if (!isa<BlockArgument>(read.getTensor()) ||
               read.getBounds() != Bounds::inside) {
      if (!stream.isLate(read.getTensor())) {
        result = isPresent(e, rebuild(e, op, value, at));
      }
    }
  } else if (auto otherwise = dyn_cast<ElseOp>(def)) {
    Value second = presence(e, op, otherwise.getOtherwise(), at, cache);
    if (second) {
      Value first = presence(e, op, otherwise.getValue(), at, cache);
      result = first ? e.otherwise(first, second) : Value();
    }
  } else {
    for (Value operand : def->getOperands())
      join(presence(e, op, operand, at, cache));
  }
  return cache[value] = result;
}

/// Clones a point of the stream over (n1, n0), absent beyond the extent.
Value Deriver::pointTile(EinsumOp op) {
  Value &known = tiles[op.getResult(0)];
  if (known)
    return known;
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToEnd(body);
  EinsumSpec spec;
  std::string name = nameOf(op);
  spec.name = name;
  spec.space = with(op.getSpace(), {n1, n0});
  spec.reduced = strings(op.getReduced());
  spec.monoid = op.getMonoidAttr();
  spec.element = cast<NamedTensorType>(op.getResultTypes()[0]).getElementType();
  spec.rounded = op.getRounded();
  auto whole = [&](ExprBuilder &e, Coordinates &at) {
    at[stream.rank] = wholeCoordinate(e, at);
  };
  auto map = [&](ExprBuilder &e, Coordinates &at) {
    whole(e, at);
    Value value = rebuild(e, op, op.getMapYield().getOperand(0), at);
    return e.where(value, inside(e, at));
  };
  auto exists = [&](ExprBuilder &e, Coordinates &at) {
    whole(e, at);
    Value condition = inside(e, at);
    if (op.getGuard().empty())
      return condition;
    IRMapping mapping;
    for (auto &[rank, argument] :
         coordinatesOf(strings(op.getSpace()), op.getGuard().front()))
      mapping.map(argument, at[rank]);
    auto yield = cast<YieldOp>(op.getGuard().front().back());
    Value own = cloneExpr(e.b, yield.getOperand(0), mapping);
    return e.map(Fn::and_, {condition, own});
  };
  Value tile = buildEinsum(b, op.getLoc(), spec, map,
                           op.isReduction() ? ExprFn(exists) : ExprFn())
                   .getResult(0);
  return tiles[op.getResult(0)] = tile;
}

/// A map over rows, on the statistics of this step, the one before, or the
/// finished ones.
Value Deriver::lateTensor(EinsumOp op, Step step) {
  auto key = std::pair(op.getResult(0), static_cast<int>(step));
  if (Value known = lates.lookup(key))
    return known;
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToEnd(body);
  EinsumSpec spec;
  constexpr StringLiteral suffixes[] = {".now", ".before", ""};
  std::string name = nameOf(op, suffixes[static_cast<int>(step)]);
  spec.name = name;
  spec.space =
      step == Step::Final ? strings(op.getSpace()) : with(op.getSpace(), {n1});
  spec.element = elementOf(op);
  if (step == Step::Final) {
    spec.element =
        cast<NamedTensorType>(op.getResultTypes()[0]).getElementType();
    spec.rounded = op.getRounded();
  }
  Value tensor =
      buildEinsum(b, op.getLoc(), spec, [&](ExprBuilder &e, Coordinates &at) {
        IRMapping mapping;
        for (auto &[rank, argument] : coordinatesOf(op))
          mapping.map(argument, at[rank]);
        return cloneExpr(e.b, op.getMapYield().getOperand(0), mapping,
                         [&](Operation *def) -> Value {
                           auto read = dyn_cast<ReadOp>(def);
                           if (!read || !stream.isLate(read.getTensor()))
                             return {};
                           return readLate(e, read.getTensor(), at, step);
                         });
      }).getResult(0);
  return lates[key] = tensor;
}

//===----------------------------------------------------------------------===//
// Recurrences
//===----------------------------------------------------------------------===//

/// X[ranks, -1] = identity, X[ranks, n1] = step(at), where the tensor itself is
/// readable through `at`'s builder as `b`'s placeholder.
Value Deriver::recurrence(StringRef name, RankRef ranks, Type element,
                          TypedAttr identity, ExprFn step) {
  Ranks all(ranks);
  all.push_back(n1);
  std::string baseName = (name + ".first").str(),
              stepName = (name + ".step").str();
  EinsumSpec first{baseName, Ranks(ranks), {}, {}, element};
  Value base = buildEinsum(b, cascade.getLoc(), first,
                           [&](ExprBuilder &e, Coordinates &) {
                             return e.constant(identity);
                           })
                   .getResult(0);
  EinsumSpec next{stepName, all, {}, {}, element};
  Value stepTensor = buildEinsum(b, cascade.getLoc(), next, step).getResult(0);
  SmallVector<Attribute> basePattern(ranks.begin(), ranks.end());
  SmallVector<Attribute> stepPattern(all.begin(), all.end());
  basePattern.push_back(ExtentAttr::constant(b.getContext(), -1));
  auto type = NamedTensorType::get(b.getContext(), all, element);
  return EquationsOp::create(b, cascade.getLoc(), type, b.getStringAttr(name),
                             ValueRange{base, stepTensor},
                             b.getArrayAttr({b.getArrayAttr(basePattern),
                                             b.getArrayAttr(stepPattern)}));
}

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
  EinsumSpec spec{name, ranksOf(op, shift), {}, {}, elementOf(op)};
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
          rest, with(point.getSpace(), {n1, n0}), {}, {}, elementOf(point)};
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
  Ranks all = strings(op.getSpace());
  llvm::append_range(all, strings(op.getReduced()));
  EinsumSpec spec{name, {}, {}, {}, elementOf(op)};
  for (int i : dependence.of(value).set_bits())
    if (all[i] != stream.rank)
      spec.space.push_back(all[i]);
  spec.space.append({n1, n0});
  return buildEinsum(b, op.getLoc(), spec,
                     [&](ExprBuilder &e, Coordinates &at) {
                       at[stream.rank] = wholeCoordinate(e, at);
                       DenseMap<Value, Value> cache;
                       Value here = presence(e, op, value, at, cache);
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
  spec.element = elementOf(op);
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
                   Value moved = term.coefficient < 0
                                     ? e.map(Fn::sub, {before, now})
                                     : e.map(Fn::sub, {now, before});
                   double c = std::fabs(term.coefficient);
                   if (c != 1)
                     moved = e.map(Fn::mul, {moved, e.real(c)});
                   Value still = e.map(Fn::eq, {now, before});
                   moved = e.otherwise(e.where(e.real(0), still), moved);
                   sum = sum ? e.map(Fn::add, {sum, moved}) : moved;
                 }
                 SmallVector<Value> operands;
                 MapOp map = exponential->map;
                 IRMapping none;
                 if (map.getNumOperands() == 2)
                   operands.push_back(cloneExpr(e.b, map.getOperand(0), none));
                 operands.push_back(sum);
                 Value factor = e.map(map.getFn(), operands);
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

/// A read, or a product of reads: nothing worth sharing.
static bool isPlainProduct(Value value) {
  Operation *def = value.getDefiningOp();
  auto map = dyn_cast_or_null<MapOp>(def);
  if (map && map.getFn() == Fn::mul)
    return isPlainProduct(map.getOperand(0)) &&
           isPlainProduct(map.getOperand(1));
  return isa_and_nonnull<ReadOp>(def);
}

/// One reduction of the stream, with the sums that move it.
void Deriver::reduce(EinsumOp op) {
  Form form = summandForm(forms, op);
  factor = repair(op, form);
  if (factor)
    noteLaw(cascade, Law::Online, nameOf(op));
  if (form.kind == Form::Shift)
    noteLaw(cascade, Law::OnlineShift, nameOf(op));
  if (!form.shifts.empty())
    noteLaw(cascade, Law::OnlineLinear, nameOf(op));
  if (!form.factors.empty())
    noteLaw(cascade, Law::Hoist, nameOf(op));
  moves.clear();
  sums.clear();
  if (form.kind == Form::Shift) {
    moves.push_back(move(op, form.shift, nameOf(op, ".move")));
  } else {
    for (const ShiftFactor &shift : form.shifts)
      moves.push_back(move(op, shift.shift, nameOf(op, ".move")));
  }
  Factors all = (1u << form.shifts.size()) - 1;
  bool isSquare = form.shifts.size() == 2 && form.shifts[0] == form.shifts[1];
  for (Factors kept = 0; kept <= all; ++kept) {
    if (isSquare && kept == 2) {
      sums[kept] = sums[1];
      continue;
    }
    accumulate(op, form, kept);
  }
}

/// This step's part of a sum that keeps some factors, then the recurrence.
void Deriver::accumulate(EinsumOp op, const Form &form, Factors kept) {
  Value yield = op.getMapYield().getOperand(0);
  Reduce kind = *op.builtinReduce();
  Factors all = (1u << form.shifts.size()) - 1;
  std::string own = nameOf(op);
  if (kept != all)
    own += ".moment" + std::to_string(llvm::popcount(kept));
  leftOut.clear();
  halved = {};
  for (auto [i, shift] : llvm::enumerate(form.shifts)) {
    if (kept & (1u << i))
      continue;
    if (llvm::any_of(llvm::enumerate(form.shifts), [&](auto other) {
          return (kept & (1u << other.index())) &&
                 other.value().value == shift.value;
        }))
      halved = shift.value;
    else
      leftOut[shift.value] = ones(op, shift.value, nameOf(op, ".one"));
  }

  EinsumSpec part;
  std::string name = own + ".tile";
  part.name = name;
  part.space = with(op.getSpace(), {n1});
  part.reduced = {n0};
  part.monoid = op.getMonoidAttr();
  part.element = elementOf(op);
  // A count of what moves asks for presence alone.
  bool isCount = kind == Reduce::count && form.kind != Form::Free;
  // What is summed is a map of its own unless it is a plain product: other
  // reductions of the stream often need the same.
  auto summand = [&](ExprBuilder &e, Coordinates &at) {
    at[stream.rank] = wholeCoordinate(e, at);
    Value value;
    if (isCount) {
      DenseMap<Value, Value> cache;
      value = presence(e, op, yield, at, cache);
      if (!value)
        value = e.boolean(true);
    } else {
      value = rebuild(e, op, yield, at);
    }
    return e.where(value, inside(e, at));
  };
  Value map;
  if (!isPlainProduct(yield) && !isCount) {
    std::string mapName = own + ".map";
    Type element =
        isa<FloatType>(yield.getType()) ? computeReal(op) : yield.getType();
    EinsumSpec spec{mapName, with(op.getSpace(), {n1, n0}), {}, {}, element};
    map = buildEinsum(b, op.getLoc(), spec, summand).getResult(0);
  }
  Value tile =
      buildEinsum(
          b, op.getLoc(), part,
          [&](ExprBuilder &e, Coordinates &at) {
            return map ? e.read(map, at) : summand(e, at);
          },
          [&](ExprBuilder &e, Coordinates &) { return e.boolean(true); })
          .getResult(0);
  leftOut.clear();
  halved = {};

  // The recurrence reads itself: built on a placeholder, then closed.
  Ranks space = with(op.getSpace(), {});
  Ranks ranks = space;
  ranks.push_back(n1);
  auto type = NamedTensorType::get(b.getContext(), ranks, part.element);
  auto placeholder =
      UnrealizedConversionCastOp::create(b, op.getLoc(), type, ValueRange{});
  sums[kept] = placeholder.getResult(0);
  if (kept == all)
    running[op.getResult(0)] = placeholder.getResult(0);
  auto identity = identityOf(kind, scalarTypeOf(part.element));
  Value state = recurrence(
      own, space, part.element, identity, [&](ExprBuilder &e, Coordinates &at) {
        Coordinates earlier = at;
        earlier[n1] = e.map(Fn::sub, {at[n1], e.integer(1)});
        Value before = e.read(sums[kept], earlier);
        if (form.kind == Form::Shift)
          before = e.map(Fn::add, {before, e.read(moves[0], at)});
        // Sums that lack factors of this one move it.
        for (Factors other = 0; other < kept; ++other) {
          if ((other & kept) != other)
            continue;
          Value moved = e.read(sums[other], earlier);
          for (auto [i, distance] : llvm::enumerate(moves))
            if ((kept & ~other) & (1u << i))
              moved = e.map(Fn::mul, {moved, e.read(distance, at)});
          before = e.map(Fn::add, {before, moved});
        }
        if (factor)
          before = e.map(Fn::mul, {before, e.read(factor, at)});
        return e.map(combiner(kind), {before, e.read(tile, at)});
      });
  placeholder.getResult(0).replaceAllUsesWith(state);
  placeholder.erase();
  sums[kept] = state;
  if (kept == all)
    running[op.getResult(0)] = state;
}

/// Whether any point was present, over the ranks that presence depends on;
/// null: every row has points or nothing depends on it.
Value Deriver::anyPresent(EinsumOp op) {
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
          DenseMap<Value, Value> cache;
          Value here = presence(e, op, yield, full, cache);
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

/// A fibre that does not exist gives nothing: the guard of `op`, as a
/// condition.
Value Deriver::existing(ExprBuilder &e, EinsumOp op, Value value,
                        Coordinates &at) {
  if (op.getGuard().empty())
    return value;
  Block &guard = op.getGuard().front();
  IRMapping mapping;
  for (auto &[rank, argument] : coordinatesOf(strings(op.getSpace()), guard))
    mapping.map(argument, at[rank]);
  auto yield = cast<YieldOp>(guard.back());
  Value exists = cloneExpr(
      e.b, yield.getOperand(0), mapping, [&](Operation *def) -> Value {
        auto read = dyn_cast<ReadOp>(def);
        if (!read || !stream.isLate(read.getTensor()))
          return {};
        return readLate(e, read.getTensor(), at, Step::Final);
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
  Value present = scales ? anyPresent(op) : Value();
  EinsumSpec spec;
  std::string name = nameOf(op);
  spec.name = name;
  spec.space = strings(op.getSpace());
  spec.element = cast<NamedTensorType>(op.getResultTypes()[0]).getElementType();
  spec.rounded = op.getRounded();
  auto value = [&](ExprBuilder &e, Coordinates &at) {
    at[n1] = e.map(Fn::sub, {e.extent(n1), e.integer(1)});
    Value result = e.read(running.lookup(op.getResult(0)), at);
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
      result = e.otherwise(
          e.where(result, e.read(present, at)),
          e.constant(cast<TypedAttr>(e.b.getZeroAttr(result.getType()))));
    return existing(e, op, result, at);
  };
  Value final = buildEinsum(b, op.getLoc(), spec, value).getResult(0);
  return finals[op.getResult(0)] = final;
}

void Deriver::run() {
  partition();
  SmallVector<Value> outside;
  auto isMember = [&](Operation *user) {
    auto reader = user->getParentOfType<EinsumOp>();
    return reader &&
           (stream.reductions.contains(reader) ||
            stream.points.contains(reader) || stream.late.contains(reader));
  };
  for (auto *set : {&stream.reductions, &stream.late})
    for (EinsumOp op : *set)
      if (!llvm::all_of(op->getUsers(), isMember))
        outside.push_back(op.getResult(0));

  b.setInsertionPoint(stream.reductions.back());
  SmallVector<Type> types =
      llvm::map_to_vector(outside, [](Value v) { return v.getType(); });
  auto kernel = KernelOp::create(b, cascade.getLoc(), types, ScheduleAttr());
  body = b.createBlock(&kernel.getBody());
  b.setInsertionPointToEnd(body);
  for (EinsumOp op : stream.reductions)
    reduce(op);
  SmallVector<Value> results = llvm::map_to_vector(outside, [&](Value tensor) {
    auto op = tensor.getDefiningOp<EinsumOp>();
    return stream.late.contains(op) ? lateTensor(op, Step::Final) : finish(op);
  });
  ReturnOp::create(b, cascade.getLoc(), results);
  MLIRContext *ctx = cascade.getContext();
  SmallVector<StringAttr> parallel(stream.rows);
  auto tile =
      b.getDictionaryAttr(b.getNamedAttr(n0, b.getI64IntegerAttr(tileSize)));
  kernel.setScheduleAttr(
      ScheduleAttr::get(ctx, parallel, n1, tile, StringAttr(), 1));
  shareEinsums(*body);
  // A late statistic that another kernel reads is finished here too; members
  // keep reading the old definition until they are gone.
  for (auto [tensor, result] : llvm::zip(outside, kernel.getResults()))
    tensor.replaceUsesWithIf(result, [&](OpOperand &use) {
      return !isMember(use.getOwner()) && !kernel->isAncestor(use.getOwner());
    });
}

void attn::deriveStreams(CascadeOp cascade) {
  for (const Stream &stream : findStreams(cascade))
    Deriver(cascade, stream).run();
}
