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
#include "passes/cascade/Normalise.h"
#include "passes/derive/Deriver.h"
#include "passes/derive/Laws.h"

using namespace mlir;
using namespace attn;

std::string Deriver::nameOf(EinsumOp op, StringRef suffix) {
  return (cast<StringAttr>(op.getNames()[0]).getValue() + suffix).str();
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

/// Is nothing real compared in it?
static bool isOfIntegers(Value condition) {
  Operation *def = condition.getDefiningOp();
  return !def || isa<ReadOp>(def) ||
         llvm::all_of(def->getOperands(), [](Value operand) {
           return !isa<FloatType>(operand.getType()) && isOfIntegers(operand);
         });
}

/// A read, or a product of reads (perhaps where integers are something):
/// nothing worth sharing.
static bool isPlainProduct(Value value) {
  Operation *def = value.getDefiningOp();
  if (auto where = dyn_cast_or_null<WhereOp>(def))
    return !where.getValue().getDefiningOp<ReadOp>() &&
           isOfIntegers(where.getCondition()) &&
           isPlainProduct(where.getValue());
  auto map = dyn_cast_or_null<MapOp>(def);
  if (map && map.getFn() == Fn::mul)
    return isPlainProduct(map.getOperand(0)) &&
           isPlainProduct(map.getOperand(1));
  // Codes of integers are read as reals.
  if (map && map.getFn() == Fn::real)
    return isPlainProduct(map.getOperand(0));
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

/// What stands for the factors that a sum leaves out: of a square of which one
/// is kept, its root; else a 1 where the factor is present.
void Deriver::leaveOut(EinsumOp op, const Form &form, Factors kept) {
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
}

/// This step's part of a sum called `own`.
Value Deriver::tilePart(EinsumOp op, const Form &form, StringRef own) {
  Value yield = op.getMapYield().getOperand(0);
  // A count of what moves asks for presence alone.
  bool isCount = op.builtinReduce() == Reduce::count && form.kind != Form::Free;
  // What is summed is a map of its own unless it is a plain product: other
  // reductions of the stream often need the same.
  auto summand = [&](ExprBuilder &e, Coordinates &at) {
    at[stream.rank] = wholeCoordinate(e, at);
    Value value =
        isCount ? presence(e, op, yield, at) : rebuild(e, op, yield, at);
    return e.where(value ? value : e.boolean(true), inside(e, at));
  };
  Value map;
  if (!isPlainProduct(yield) && !isCount) {
    std::string name = (own + ".map").str();
    Type element =
        isa<FloatType>(yield.getType()) ? computeReal(op) : yield.getType();
    EinsumSpec spec{name, with(op.getSpace(), {n1, n0}), {}, {}, element};
    map = buildEinsum(b, op.getLoc(), spec, summand).getResult(0);
  }
  std::string name = (own + ".tile").str();
  EinsumSpec part{name,
                  with(op.getSpace(), {n1}),
                  {n0},
                  op.getMonoidAttr(),
                  computeType(op)};
  return buildEinsum(
             b, op.getLoc(), part,
             [&](ExprBuilder &e, Coordinates &at) {
               return map ? e.read(map, at) : summand(e, at);
             },
             [&](ExprBuilder &e, Coordinates &) { return e.boolean(true); })
      .getResult(0);
}

/// The state of the step before as it has to be now: moved by the sums that
/// lack factors of this one, then repaired.
Value Deriver::carried(ExprBuilder &e, const Form &form, Factors kept,
                       Coordinates &at) {
  Coordinates earlier = at;
  earlier[n1] = e.map(Fn::sub, {at[n1], e.integer(1)});
  Value before = e.read(sums[kept], earlier);
  if (form.kind == Form::Shift)
    before = e.map(Fn::add, {before, e.read(moves[0], at)});
  for (Factors other = 0; other < kept; ++other) {
    if ((other & kept) != other)
      continue;
    Value moved = e.read(sums[other], earlier);
    for (auto [i, distance] : llvm::enumerate(moves))
      if ((kept & ~other) & (1u << i))
        moved = e.map(Fn::mul, {moved, e.read(distance, at)});
    before = e.map(Fn::add, {before, moved});
  }
  return factor ? e.map(Fn::mul, {before, e.read(factor, at)}) : before;
}

/// A sum that keeps some factors: this step's part, then the recurrence.
void Deriver::accumulate(EinsumOp op, const Form &form, Factors kept) {
  Reduce kind = *op.builtinReduce();
  bool isWhole = kept == (1u << form.shifts.size()) - 1;
  std::string own = nameOf(op);
  if (!isWhole)
    own += ".moment" + std::to_string(llvm::popcount(kept));
  leaveOut(op, form, kept);
  Value tile = tilePart(op, form, own);
  leftOut.clear();
  halved = {};

  // The recurrence reads itself: built on a placeholder, then closed.
  Ranks space = with(op.getSpace(), {}), ranks = with(op.getSpace(), {n1});
  Type element = computeType(op);
  auto type = NamedTensorType::get(b.getContext(), ranks, element);
  auto placeholder =
      UnrealizedConversionCastOp::create(b, op.getLoc(), type, ValueRange{});
  auto set = [&](Value state) {
    sums[kept] = state;
    if (isWhole)
      running[op.getResult(0)] = state;
  };
  set(placeholder.getResult(0));
  Value state =
      recurrence(own, space, element, identityOf(kind, scalarTypeOf(element)),
                 [&](ExprBuilder &e, Coordinates &at) {
                   Value before = carried(e, form, kept, at);
                   return e.map(*combinerOf(kind), {before, e.read(tile, at)});
                 });
  placeholder.getResult(0).replaceAllUsesWith(state);
  placeholder.erase();
  set(state);
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
