//===- Cut.cpp - --attn-cut -------------------------------------*- C++ -*-===//
// A cascade cut along rank n becomes three more: `_partial` over a piece of n
// (inputs -> state), `_merge` (two states -> state) and `_finish` (state ->
// outputs). The state is what the online rule carries (CutState.h), repaired
// when two of it meet (MERGE).
//
//   partial   A_i = op_i over the piece of g_i(x, M)          M the piece's own
//   merge     A_i = a_i * h_i(M_a, M) op_i b_i * h_i(M_b, M)  M merged
//   finish    A_i * late factors, then the outputs
//===----------------------------------------------------------------------===//
#include "mlir/Pass/PassManager.h"
#include "passes/Passes.h"
#include "passes/derive/CutPlace.h"
#include "passes/derive/Passes.h"

namespace attn {
#define GEN_PASS_DEF_ATTNCUT
#include "passes/derive/Passes.h.inc"
} // namespace attn

using namespace mlir;
using namespace attn;

namespace {

class Cutter {
public:
  Cutter(CascadeOp original, CascadeOp source) : state(original, source) {}

  LogicalResult run();

private:
  LogicalResult checkDefinitions();
  LogicalResult partial();
  LogicalResult merge();
  LogicalResult finish();

  CutWriter write(StringRef suffix, const Twine &doc) {
    return CutWriter(state.original, state.source, state.rank, suffix, doc);
  }
  EinsumOp anyPoint(OpBuilder &b, const Component &c);
  EinsumOp reduction(OpBuilder &b, const Component &c);
  EinsumOp declaredReduction(OpBuilder &b, EinsumOp op);

  bool isReady(const Component &c, CutPlace &merged);
  Value combined(OpBuilder &b, const Component &c, CutPlace &left,
                 CutPlace &right, CutPlace &merged);
  Value repaired(ExprBuilder &e, const Component &c, Coordinates &at,
                 CutPlace &side, CutPlace &merged);
  Value lacksStatistic(ExprBuilder &e, Value statistic, Value before,
                       Value now);
  Value declaredCombination(ExprBuilder &e, const Component &c, Coordinates &at,
                            CutPlace &left, CutPlace &right);

  CutState state;
};

} // namespace

static Value always(ExprBuilder &e, Coordinates &) { return e.boolean(true); }

//===----------------------------------------------------------------------===//
// Partial
//===----------------------------------------------------------------------===//

EinsumOp Cutter::anyPoint(OpBuilder &b, const Component &c) {
  EinsumOp op = c.op;
  EinsumSpec spec{c.name, c.space, strings(op.getReduced()),
                  ReduceAttr::get(b.getContext(), Reduce::any), b.getI1Type()};
  return buildEinsum(
      b, op.getLoc(), spec,
      [&](ExprBuilder &e, Coordinates &at) {
        Value yield = op.getMapYield().getOperand(0);
        Value here = state.contributes(e, op, yield, at);
        return here ? here : e.boolean(true);
      },
      always);
}

EinsumOp Cutter::reduction(OpBuilder &b, const Component &c) {
  EinsumOp op = c.op;
  EinsumSpec spec{c.name, c.space, strings(op.getReduced()), op.getMonoidAttr(),
                  c.element};
  return buildEinsum(
      b, op.getLoc(), spec,
      [&](ExprBuilder &e, Coordinates &at) {
        return state.rebuild(e, op, op.getMapYield().getOperand(0), at);
      },
      always);
}

/// Of a declared monoid: all components in one einsum.
EinsumOp Cutter::declaredReduction(OpBuilder &b, EinsumOp op) {
  auto clone = cast<EinsumOp>(b.clone(*op.getOperation()));
  Region &guard = clone.getGuard();
  guard.dropAllReferences();
  guard.getBlocks().clear();
  OpBuilder::InsertionGuard restore(b);
  Block *block = b.createBlock(&guard);
  for (unsigned i = 0; i < op.getSpace().size(); ++i)
    block->addArgument(b.getI32Type(), op.getLoc());
  ExprBuilder e(b, op.getLoc());
  YieldOp::create(b, op.getLoc(), e.boolean(true));
  for (auto [i, result] : llvm::enumerate(clone.getResults()))
    result.setType(NamedTensorType::get(b.getContext(), strings(op.getSpace()),
                                        computeType(op, i)));
  clone.setRounded(false);
  return clone;
}

LogicalResult Cutter::partial() {
  CutWriter writer =
      write("_partial", "over a piece of rank " + state.rank.str() +
                            ": the state of that piece");
  CutPlace place(state, writer, CutPlace::Piece);
  OpBuilder b = OpBuilder::atBlockEnd(writer.body());
  // First those that others read: a reduction may be reached through them.
  std::vector<std::pair<std::string, Value>> outputs;
  std::vector<EinsumOp> built;
  for (const Component &c : state.components) {
    if (c.flag)
      built.push_back(anyPoint(b, c));
    else if (EinsumOp(c.op).getNumResults() == 1)
      built.push_back(reduction(b, c));
    else if (c.result == 0)
      built.push_back(declaredReduction(b, c.op));
    place[c] = built.back().getResult(c.result);
    outputs.emplace_back(c.name, place[c]);
  }
  for (EinsumOp op : built)
    place.rewire(op);
  return writer.finish(outputs);
}

//===----------------------------------------------------------------------===//
// Merge
//===----------------------------------------------------------------------===//

/// A side whose maximum (minimum) is that of nothing, and the merged one is
/// not: it gives nothing, whatever it summed. Null: no such statistic.
Value Cutter::lacksStatistic(ExprBuilder &e, Value statistic, Value before,
                             Value now) {
  auto op = statistic.getDefiningOp<EinsumOp>();
  std::optional<Reduce> kind = op ? op.builtinReduce() : std::nullopt;
  if (!state.isReduction(op) || (kind != Reduce::max && kind != Reduce::min))
    return {};
  Value identity = e.constant(identityOf(*kind, before.getType()));
  Value wasEmpty = e.map(Fn::eq, {before, identity});
  return e.map(Fn::and_, {wasEmpty, e.map(Fn::ne, {now, identity})});
}

/// One side's state, repaired to the merged statistics.
Value Cutter::repaired(ExprBuilder &e, const Component &c, Coordinates &at,
                       CutPlace &side, CutPlace &merged) {
  Value own = e.read(side[c], at);
  Value factor, isEmpty;
  for (const Exponential &exponential : state.formOf(c.op).exponentials) {
    Value sum;
    for (const ShiftTerm &term : exponential.shift) {
      Value before = e.read(side.tensor(term.tensor), at);
      Value now = e.read(merged.tensor(term.tensor), at);
      Value moved = term.moved(e, before, now);
      sum = sum ? e.map(Fn::add, {sum, moved}) : moved;
      if (Value empty = lacksStatistic(e, term.tensor, before, now))
        isEmpty = isEmpty ? e.map(Fn::or_, {isEmpty, empty}) : empty;
    }
    if (!sum)
      continue;
    Value h = exponential.of(e, sum);
    factor = factor ? e.map(Fn::mul, {factor, h}) : h;
  }
  if (!factor)
    return own;
  Value value = e.map(Fn::mul, {own, factor});
  return isEmpty ? e.otherwise(e.where(e.real(0), isEmpty), value) : value;
}

/// A declared monoid says itself how states combine.
Value Cutter::declaredCombination(ExprBuilder &e, const Component &c,
                                  Coordinates &at, CutPlace &left,
                                  CutPlace &right) {
  auto monoid = SymbolTable::lookupNearestSymbolFrom<MonoidOp>(
      state.original, cast<FlatSymbolRefAttr>(EinsumOp(c.op).getMonoidAttr()));
  Block &block = monoid.getCombine().front();
  IRMapping mapping;
  unsigned i = 0;
  for (CutPlace *side : {&left, &right})
    for (const Component &own : state.components)
      if (own.op == c.op && !own.flag)
        mapping.map(block.getArgument(i++), e.read((*side)[own], at));
  Value yielded = cast<YieldOp>(block.back()).getOperand(c.result);
  return cloneExpr(e.b, yielded, mapping);
}

Value Cutter::combined(OpBuilder &b, const Component &c, CutPlace &left,
                       CutPlace &right, CutPlace &merged) {
  EinsumOp op = c.op;
  // Statistics first: they are definitions of their own.
  for (const ShiftTerm &term : state.formOf(op).terms())
    for (CutPlace *place : {&left, &right, &merged})
      place->tensor(term.tensor);
  EinsumSpec spec{c.name, c.space, {}, {}, c.element};
  auto combine = [&](ExprBuilder &e, Coordinates &at) -> Value {
    if (c.flag)
      return e.map(Fn::or_, {e.read(left[c], at), e.read(right[c], at)});
    std::optional<Reduce> kind = op.builtinReduce();
    if (!kind)
      return declaredCombination(e, c, at, left, right);
    Value x = repaired(e, c, at, left, merged);
    return e.map(*combinerOf(*kind), {x, repaired(e, c, at, right, merged)});
  };
  return buildEinsum(b, op.getLoc(), spec, combine).getResult(0);
}

/// A statistic is merged before what it repairs.
bool Cutter::isReady(const Component &c, CutPlace &merged) {
  if (c.flag)
    return true;
  SmallVector<Value> work;
  for (const ShiftTerm &term : state.formOf(c.op).terms())
    work.push_back(term.tensor);
  DenseSet<Value> seen;
  while (!work.empty()) {
    Value value = work.pop_back_val();
    Operation *op = value.getDefiningOp();
    if (!op || !seen.insert(value).second)
      continue;
    if (state.isReduction(op)) {
      if (!merged.hasState(value))
        return false;
      for (const LateFactor &factor : state.formOf(cast<EinsumOp>(op)).factors)
        work.push_back(factor.tensor);
      continue;
    }
    op->walk([&](Operation *inner) {
      for (Value operand : inner->getOperands())
        if (isa<NamedTensorType>(operand.getType()))
          work.push_back(operand);
    });
  }
  return true;
}

LogicalResult Cutter::merge() {
  CutWriter writer =
      write("_merge", "two states, the first of the earlier piece: one state");
  CutPlace left(state, writer, CutPlace::State);
  CutPlace right(state, writer, CutPlace::State);
  CutPlace merged(state, writer, CutPlace::State);
  left.addInputs("_a");
  right.addInputs("_b");
  OpBuilder b = OpBuilder::atBlockEnd(writer.body());
  std::vector<Value> made(state.components.size());
  for (bool changed = true; changed;) {
    changed = false;
    for (auto [c, value] : llvm::zip(state.components, made))
      if (!value && isReady(c, merged)) {
        value = combined(b, c, left, right, merged);
        merged[c] = value;
        changed = true;
      }
  }
  std::vector<std::pair<std::string, Value>> outputs;
  for (auto [c, value] : llvm::zip(state.components, made)) {
    if (!value)
      return state.fail("the state of " + c.name + " depends on itself");
    outputs.emplace_back(c.name, value);
  }
  return writer.finish(outputs);
}

//===----------------------------------------------------------------------===//
// Finish
//===----------------------------------------------------------------------===//

LogicalResult Cutter::finish() {
  CutWriter writer = write("_finish", "a state: the outputs");
  CutPlace place(state, writer, CutPlace::Final);
  place.addInputs("");
  std::vector<std::pair<std::string, Value>> outputs;
  for (auto [port, value] :
       llvm::zip(state.original.getOutputs().getAsRange<PortAttr>(),
                 state.source.getReturn().getOperands()))
    outputs.emplace_back(port.getName().str(), place.tensor(value));
  return writer.finish(outputs);
}

//===----------------------------------------------------------------------===//
// The pass
//===----------------------------------------------------------------------===//

LogicalResult Cutter::checkDefinitions() {
  for (Operation &op : state.source.getBody().front()) {
    if (auto equations = dyn_cast<EquationsOp>(op))
      if (state.hasCut(equations.getResult()))
        return state.fail("states of recurrences along it are not derived (" +
                          equations.getName() + ")");
    if (auto order = dyn_cast<OrderOp>(op))
      if (order.getFromAttr() == state.rank)
        return state.fail("an order of its points has no state that merges (" +
                          order.getName() + ")");
  }
  return success();
}

LogicalResult Cutter::run() {
  if (failed(checkDefinitions()) || failed(state.find()) || failed(partial()) ||
      failed(merge()))
    return failure();
  return finish();
}

namespace {
struct Cut : attn::impl::AttnCutBase<Cut> {
  void runOnOperation() override {
    for (CascadeOp cascade :
         llvm::to_vector(getOperation().getOps<CascadeOp>())) {
      if (!cascade.getCutAttr())
        continue;
      // The state is of the normalised cascade; what was written stands.
      OpBuilder builder(getOperation().getBodyRegion());
      builder.setInsertionPointAfter(cascade);
      auto source = cast<CascadeOp>(builder.clone(*cascade.getOperation()));
      source.setSymName((cascade.getSymName() + ".cut").str());
      OpPassManager passes(CascadeOp::getOperationName());
      passes.addPass(createAttnGuards());
      passes.addPass(createAttnNormalise());
      bool good = succeeded(runPipeline(passes, source)) &&
                  succeeded(Cutter(cascade, source).run());
      source.erase();
      if (!good)
        return signalPassFailure();
    }
  }
};
} // namespace
