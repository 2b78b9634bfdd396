//===- Cut.cpp - --attn-cut -------------------------------------*- C++ -*-===//
//-*-===//
// A cascade cut along rank n becomes three more: `_partial` over a piece of n
// (inputs -> state), `_merge` (two states -> state) and `_finish` (state ->
// outputs). The state is what the online rule carries: every reduction over n
// with its late factors left out, repaired when two states of it meet.
//
//   partial   A_i = op_i over the piece of g_i(x, M)          M the piece's own
//   merge     A_i = a_i * h_i(M_a, M) op_i b_i * h_i(M_b, M)  M merged
//   finish    A_i * late factors, then the outputs
//===----------------------------------------------------------------------===//
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Pass/PassManager.h"
#include "passes/Passes.h"
#include "passes/derive/CutWriter.h"
#include "passes/derive/Form.h"
#include "passes/derive/Passes.h"
#include "passes/derive/Presence.h"
#include "llvm/ADT/StringSet.h"

namespace attn {
#define GEN_PASS_DEF_ATTNCUT
#include "passes/derive/Passes.h.inc"
} // namespace attn

using namespace mlir;
using namespace attn;

namespace {

/// One tensor of the state: a component of a reduction, or whether it has had
/// any point (`flag`).
struct Component {
  EinsumOp op;
  unsigned result;
  bool flag;
  std::string name;
  Ranks space;
  Type element;
};

/// Where a definition is taken: over a piece, of either state, merged, final.
struct Place {
  explicit Place(CutWriter &writer, bool isPiece = false, bool isFinal = false)
      : writer(writer), isPiece(isPiece), isFinal(isFinal) {}

  CutWriter &writer;
  bool isPiece, isFinal;
  DenseMap<Value, Value> states; // reduction result -> state
  DenseMap<Operation *, Value> flags;
  DenseMap<Value, Value> known; // other tensors
};

class Cutter : private Presence {
public:
  Cutter(CascadeOp original, CascadeOp source)
      : original(original), source(source), rank(original.getCutAttr()),
        b(original.getContext()),
        forms({[this](Value v) { return isLate(v); },
               [this](Value v) -> EinsumOp {
                 return hasCut(v) ? v.getDefiningOp<EinsumOp>() : EinsumOp();
               }}) {}

  LogicalResult run();

private:
  bool hasCut(Value tensor) {
    return cast<NamedTensorType>(tensor.getType()).rankIndex(rank) >= 0;
  }
  bool isCutReduction(Operation *op) {
    auto einsum = dyn_cast_or_null<EinsumOp>(op);
    return einsum && llvm::is_contained(strings(einsum.getReduced()), rank);
  }
  /// A reduction over the rank, or what is computed of one without the rank.
  bool isLate(Value tensor);
  LogicalResult fail(const Twine &why) {
    return original.emitError() << "cut " << rank.getValue() << ": " << why;
  }
  LogicalResult collect();
  const Form &formOf(EinsumOp op) {
    return forms.of(op.getMapYield().getOperand(0));
  }

  LogicalResult partial();
  LogicalResult merge();
  LogicalResult finish();

  Value tensor(Value source, Place &place);
  void rewire(Operation *op, Place &place);
  Value valueOf(EinsumOp op, unsigned result, Place &place);
  Value point(EinsumOp op, Place &place);
  Value rebuild(ExprBuilder &e, EinsumOp op, Value value,
                Coordinates &at) override;
  EinsumOp mapOf(ReadOp read, EinsumOp op) override;
  bool isAlwaysThere(ReadOp read) override;
  llvm::DenseSet<StringAttr> presenceRanks(EinsumOp op, Value value);
  Value carried(ExprBuilder &e, const Component &c, Coordinates &at,
                Place &side, Place &merged);
  Value combined(const Component &c, Place &a, Place &b, Place &merged);
  std::vector<Value> arguments(CutWriter &writer, Place &place,
                               StringRef suffix);

  CascadeOp original, source;
  StringAttr rank;
  OpBuilder b;
  FormAnalysis forms;
  DenseMap<Operation *, bool> late;
  std::vector<EinsumOp> reductions;
  std::vector<Component> components;
};

} // namespace

//===----------------------------------------------------------------------===//
// The state
//===----------------------------------------------------------------------===//

bool Cutter::isLate(Value value) {
  Operation *op = value.getDefiningOp();
  if (!op || op->getBlock() != &source.getBody().front())
    return false;
  if (isCutReduction(op))
    return true;
  auto [it, isNew] = late.try_emplace(op, false);
  if (!isNew || hasCut(value))
    return it->second;
  bool found = false;
  op->walk([&](Operation *inner) {
    for (Value operand : inner->getOperands())
      if (isa<NamedTensorType>(operand.getType()) && operand != value)
        found |= isLate(operand);
  });
  return late[op] = found;
}

static std::string plainName(EinsumOp op, unsigned result) {
  std::string name = strings(op.getNames())[result].str();
  llvm::replace(name, '.', '_');
  return name;
}

/// The type that a state is stored in: what it is computed in, never rounded.
static Type stateType(EinsumOp op, unsigned result) {
  Type element =
      cast<NamedTensorType>(op.getResult(result).getType()).getElementType();
  return isa<FloatType>(element) ? computeReal(op) : scalarTypeOf(element);
}

LogicalResult Cutter::collect() {
  constexpr Reduce merging[] = {Reduce::sum,  Reduce::prod, Reduce::max,
                                Reduce::min,  Reduce::any,  Reduce::all,
                                Reduce::count};
  llvm::StringSet<> taken;
  for (ArrayAttr ports : {original.getInputs(), original.getOutputs()})
    for (auto port : ports.getAsRange<PortAttr>())
      taken.insert(port.getName().getValue());
  auto unique = [&](std::string name) {
    while (!taken.insert(name).second)
      name += "_state";
    return name;
  };
  for (EinsumOp op : source.getBody().front().getOps<EinsumOp>()) {
    if (!isCutReduction(op))
      continue;
    std::optional<Reduce> kind = op.builtinReduce();
    StringRef name = strings(op.getNames())[0].getValue();
    if (kind && !llvm::is_contained(merging, *kind))
      return fail(name + ", " + stringifyReduce(*kind) +
                  ", has no state that merges");
    for (Value yielded : op.getMapYield().getOperands()) {
      const Form &form = forms.of(yielded);
      bool repairs = form.kind == Form::Scale && kind == Reduce::sum &&
                     form.shifts.empty();
      // The repair depends only on ranks that the state keeps.
      auto isKept = [&](Value tensor) {
        return llvm::all_of(cast<NamedTensorType>(tensor.getType()).getRanks(),
                            [&](StringAttr r) {
                              return llvm::is_contained(strings(op.getSpace()),
                                                        r);
                            });
      };
      for (const Exponential &e : form.exponentials)
        for (const ShiftTerm &term : e.shift)
          repairs &= isKept(term.tensor);
      for (const LateFactor &factor : form.factors)
        repairs &= isKept(factor.tensor) && factor.kind != LateFactor::Clears;
      if (form.kind != Form::Free && !repairs)
        return fail("no repair of " + name + " was derived");
    }
    reductions.push_back(op);
    Ranks space = strings(op.getSpace());
    for (unsigned i = 0; i < op.getNumResults(); ++i)
      components.push_back(
          {op, i, false, unique(plainName(op, i)), space, stateType(op, i)});
    // 0 of an empty row is no quotient of two zeros.
    if (formOf(op).factors.empty())
      continue;
    auto used = presenceRanks(op, op.getMapYield().getOperand(0));
    Ranks rows;
    llvm::copy_if(space, std::back_inserter(rows),
                  [&](StringAttr name) { return used.contains(name); });
    components.push_back(
        {op, 0, true, unique(plainName(op, 0) + "_any"), rows, b.getI1Type()});
  }
  if (reductions.empty())
    return fail("nothing is reduced over it");
  return success();
}

//===----------------------------------------------------------------------===//
// Definitions at a place
//===----------------------------------------------------------------------===//

/// Tensors of the source that `op` reads become those of the place.
void Cutter::rewire(Operation *op, Place &place) {
  op->walk([&](Operation *inner) {
    for (OpOperand &operand : inner->getOpOperands()) {
      Value value = operand.get();
      bool isSource = isa<NamedTensorType>(value.getType()) &&
                      value.getParentRegion() == &source.getBody();
      if (isSource)
        operand.set(tensor(value, place));
    }
  });
}

Value Cutter::tensor(Value value, Place &place) {
  if (auto argument = dyn_cast<BlockArgument>(value))
    return place.writer.input(argument);
  if (Value known = place.known.lookup(value))
    return known;
  Operation *op = value.getDefiningOp();
  unsigned result = cast<OpResult>(value).getResultNumber();
  if (isCutReduction(op))
    return place.known[value] = valueOf(cast<EinsumOp>(op), result, place);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToEnd(place.writer.body());
  if (hasCut(value) && isa<EinsumOp>(op) && op->getNumResults() == 1 &&
      place.isPiece)
    return point(cast<EinsumOp>(op), place);
  // Known before what it reads: it may read itself.
  Operation *clone = b.clone(*op);
  for (auto [from, to] : llvm::zip(op->getResults(), clone->getResults()))
    place.known[from] = to;
  rewire(clone, place);
  return place.known[value];
}

/// The value of a reduction as far as the place knows it.
Value Cutter::valueOf(EinsumOp op, unsigned result, Place &place) {
  Value state = place.states.lookup(op.getResult(result));
  const Form &form = formOf(op);
  if (form.factors.empty() && !place.isFinal)
    return state;
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToEnd(place.writer.body());
  EinsumSpec spec;
  std::string name = strings(op.getNames())[result].str();
  spec.name = name;
  spec.space = strings(op.getSpace());
  auto type = cast<NamedTensorType>(op.getResult(result).getType());
  spec.element = place.isFinal ? type.getElementType() : stateType(op, result);
  spec.rounded = place.isFinal && op.getRounded();
  EinsumOp built =
      buildEinsum(b, op.getLoc(), spec, [&](ExprBuilder &e, Coordinates &at) {
        Value whole = e.read(state, at), value = whole;
        for (const LateFactor &factor : form.factors)
          value = e.map(factor.kind == LateFactor::Divides ? Fn::div : Fn::mul,
                        {value, e.read(factor.tensor, at)});
        if (Value flag = place.flags.lookup(op))
          value = e.otherwise(e.where(value, e.read(flag, at)),
                              mayBeCleared(op, op.getMapYield().getOperand(0))
                                  ? whole
                                  : e.real(0));
        if (!place.isFinal || op.getGuard().empty())
          return value;
        // A fibre that does not exist gives nothing.
        Block &guard = op.getGuard().front();
        IRMapping mapping;
        for (auto &[rank, argument] : coordinatesOf(spec.space, guard))
          mapping.map(argument, at[rank]);
        return e.where(
            value,
            cloneExpr(e.b, cast<YieldOp>(guard.back()).getOperand(0), mapping));
      });
  rewire(built, place);
  return built.getResult(0);
}

/// A clone without late factors.
Value Cutter::rebuild(ExprBuilder &e, EinsumOp op, Value value,
                      Coordinates &at) {
  IRMapping mapping;
  for (auto &[rank, argument] : coordinatesOf(op))
    mapping.map(argument, at[rank]);
  std::function<Value(Operation *)> leaf = [&](Operation *def) -> Value {
    auto map = dyn_cast<MapOp>(def);
    if (!map || forms.of(map.getResult()).kind != Form::Scale)
      return {};
    auto isFactor = [&](unsigned i) {
      return forms.of(map.getOperand(i)).kind == Form::Late;
    };
    auto operand = [&](unsigned i) {
      return cloneExpr(e.b, map.getOperand(i), mapping, leaf);
    };
    if (map.getFn() == Fn::mul && (isFactor(0) || isFactor(1)))
      return isFactor(0) && isFactor(1) ? e.real(1)
                                        : operand(isFactor(0) ? 1 : 0);
    if (map.getFn() == Fn::div && isFactor(1))
      return isFactor(0) ? e.real(1) : operand(0);
    return {};
  };
  return cloneExpr(e.b, value, mapping, leaf);
}

/// Something over the cut rank, over a piece.
Value Cutter::point(EinsumOp op, Place &place) {
  IRMapping none;
  auto clone = cast<EinsumOp>(b.cloneWithoutRegions(*op, none));
  place.known[op.getResult(0)] = clone.getResult(0);
  Block &from = op.getMap().front();
  Block *block = b.createBlock(&clone.getMap());
  for (BlockArgument argument : from.getArguments())
    block->addArgument(argument.getType(), argument.getLoc());
  Ranks all = strings(op.getSpace());
  llvm::append_range(all, strings(op.getReduced()));
  Coordinates at = coordinatesOf(all, *block);
  ExprBuilder e(b, op.getLoc());
  Value value = rebuild(e, op, op.getMapYield().getOperand(0), at);
  YieldOp::create(b, op.getLoc(), value);
  if (!op.getGuard().empty())
    op.getGuard().cloneInto(&clone.getGuard(), none);
  rewire(clone, place);
  return clone.getResult(0);
}

/// The map that a read of a point stands for; null: it has to be read.
EinsumOp Cutter::mapOf(ReadOp read, EinsumOp op) {
  auto point = read.getTensor().getDefiningOp<EinsumOp>();
  bool isMap = point && hasCut(point.getResult(0)) && !point.isReduction() &&
               isPlainRead(read, op);
  return isMap ? point : EinsumOp();
}

/// Ranks that `presence` depends on.
llvm::DenseSet<StringAttr> Cutter::presenceRanks(EinsumOp op, Value value) {
  Operation *def = value.getDefiningOp();
  llvm::DenseSet<StringAttr> result;
  if (!def)
    return result;
  auto add = [&](const llvm::DenseSet<StringAttr> &more) {
    result.insert_range(more);
  };
  auto addAll = [&](Value whole) {
    Dependence dependence(op.getMap().front());
    const llvm::SmallBitVector &used = dependence.of(whole);
    for (auto [i, entry] : llvm::enumerate(coordinatesOf(op)))
      if (used.test(i))
        result.insert(entry.first);
  };
  auto map = dyn_cast<MapOp>(def);
  if (auto where = dyn_cast<WhereOp>(def)) {
    add(presenceRanks(op, where.getValue()));
    addAll(where.getCondition());
  } else if (auto read = dyn_cast<ReadOp>(def)) {
    if (EinsumOp point = mapOf(read, op))
      add(presenceRanks(point, point.getMapYield().getOperand(0)));
    else if (!isAlwaysThere(read))
      addAll(value);
  } else if (map && (map.getFn() == Fn::and_ || map.getFn() == Fn::or_)) {
    addAll(value);
  } else {
    for (Value operand : def->getOperands())
      add(presenceRanks(op, operand));
  }
  return result;
}

/// An input inside of its bounds, or a statistic.
bool Cutter::isAlwaysThere(ReadOp read) {
  bool isPlain = isa<BlockArgument>(read.getTensor()) &&
                 read.getBounds() == Bounds::inside;
  return isPlain || isLate(read.getTensor());
}

//===----------------------------------------------------------------------===//
// The three cascades
//===----------------------------------------------------------------------===//

LogicalResult Cutter::partial() {
  CutWriter writer(original, source, rank, "_partial",
                   "over a piece of rank " + rank.str() +
                       ": the state of that piece");
  Place place(writer, /*isPiece=*/true);
  b.setInsertionPointToEnd(writer.body());
  auto always = [](ExprBuilder &e, Coordinates &) { return e.boolean(true); };
  // First those that others read: a reduction may be reached through them.
  std::vector<std::pair<std::string, Value>> outputs;
  std::vector<Operation *> built;
  for (const Component &c : components) {
    EinsumOp op = c.op;
    Value state;
    if (c.flag) {
      EinsumSpec spec{c.name, c.space, strings(op.getReduced()),
                      ReduceAttr::get(b.getContext(), Reduce::any),
                      b.getI1Type()};
      EinsumOp any = buildEinsum(
          b, op.getLoc(), spec,
          [&](ExprBuilder &e, Coordinates &at) {
            Value here = contributes(e, op, op.getMapYield().getOperand(0), at);
            return here ? here : e.boolean(true);
          },
          always);
      built.push_back(any);
      state = place.flags[op] = any.getResult(0);
    } else if (op.getNumResults() == 1) {
      EinsumSpec spec{c.name, strings(op.getSpace()), strings(op.getReduced()),
                      op.getMonoidAttr(), c.element};
      EinsumOp reduced = buildEinsum(
          b, op.getLoc(), spec,
          [&](ExprBuilder &e, Coordinates &at) {
            return rebuild(e, op, op.getMapYield().getOperand(0), at);
          },
          always);
      built.push_back(reduced);
      state = reduced.getResult(0);
    } else {
      if (c.result == 0) {
        // A declared monoid: all components in one einsum.
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
          result.setType(NamedTensorType::get(
              b.getContext(), strings(op.getSpace()), stateType(op, i)));
        clone.setRounded(false);
        built.push_back(clone);
        for (auto [from, to] : llvm::zip(op.getResults(), clone.getResults()))
          place.states[from] = to;
      }
      state = place.states.lookup(op.getResult(c.result));
    }
    if (!c.flag)
      place.states[op.getResult(c.result)] = state;
    outputs.emplace_back(c.name, state);
  }
  for (Operation *op : built)
    rewire(op, place);
  return writer.finish(outputs);
}

/// The state as inputs called by its names.
std::vector<Value> Cutter::arguments(CutWriter &writer, Place &place,
                                     StringRef suffix) {
  std::vector<Value> result;
  for (const Component &c : components) {
    EinsumOp op = c.op;
    Value argument = writer.addInput(c.name + suffix.str(), c.space, c.element);
    (c.flag ? place.flags[op] : place.states[op.getResult(c.result)]) =
        argument;
    result.push_back(argument);
  }
  return result;
}

/// One side's state, repaired to the merged statistics.
Value Cutter::carried(ExprBuilder &e, const Component &c, Coordinates &at,
                      Place &side, Place &merged) {
  EinsumOp op = c.op;
  Value state = e.read(side.states.lookup(op.getResult(c.result)), at);
  Value factor, isEmpty;
  for (const Exponential &exponential : formOf(op).exponentials) {
    if (exponential.shift.empty())
      continue;
    Value sum;
    for (const ShiftTerm &term : exponential.shift) {
      Value before = e.read(tensor(term.tensor, side), at);
      Value now = e.read(tensor(term.tensor, merged), at);
      Value moved = term.coefficient < 0 ? e.map(Fn::sub, {before, now})
                                         : e.map(Fn::sub, {now, before});
      double scale = std::fabs(term.coefficient);
      if (scale != 1)
        moved = e.map(Fn::mul, {moved, e.real(scale)});
      Value still = e.map(Fn::eq, {now, before});
      moved = e.otherwise(e.where(e.real(0), still), moved);
      sum = sum ? e.map(Fn::add, {sum, moved}) : moved;
      // A piece without a maximum gives nothing, whatever it summed.
      auto statistic = term.tensor.getDefiningOp<EinsumOp>();
      std::optional<Reduce> kind =
          statistic ? statistic.builtinReduce() : std::nullopt;
      if (isCutReduction(statistic) &&
          (kind == Reduce::max || kind == Reduce::min)) {
        Value identity = e.constant(identityOf(*kind, before.getType()));
        Value empty = e.map(Fn::and_, {e.map(Fn::eq, {before, identity}),
                                       e.map(Fn::ne, {now, identity})});
        isEmpty = isEmpty ? e.map(Fn::or_, {isEmpty, empty}) : empty;
      }
    }
    SmallVector<Value> operands;
    MapOp map = exponential.map;
    IRMapping none;
    if (map.getNumOperands() == 2)
      operands.push_back(cloneExpr(e.b, map.getOperand(0), none));
    operands.push_back(sum);
    Value h = e.map(map.getFn(), operands);
    factor = factor ? e.map(Fn::mul, {factor, h}) : h;
  }
  if (!factor)
    return state;
  Value value = e.map(Fn::mul, {state, factor});
  return isEmpty ? e.otherwise(e.where(e.real(0), isEmpty), value) : value;
}

Value Cutter::combined(const Component &c, Place &left, Place &right,
                       Place &merged) {
  EinsumOp op = c.op;
  EinsumSpec spec{c.name, c.space, {}, {}, c.element};
  // Statistics first: they are definitions of their own.
  for (const Exponential &exponential : formOf(op).exponentials)
    for (const ShiftTerm &term : exponential.shift)
      for (Place *place : {&left, &right, &merged})
        tensor(term.tensor, *place);
  b.setInsertionPointToEnd(merged.writer.body());
  return buildEinsum(
             b, op.getLoc(), spec,
             [&](ExprBuilder &e, Coordinates &at) {
               if (c.flag)
                 return e.map(Fn::or_, {e.read(left.flags.lookup(op), at),
                                        e.read(right.flags.lookup(op), at)});
               if (std::optional<Reduce> kind = op.builtinReduce())
                 return e.map(*combinerOf(*kind),
                              {carried(e, c, at, left, merged),
                               carried(e, c, at, right, merged)});
               // A declared monoid says it itself.
               auto module = original->getParentOfType<ModuleOp>();
               auto monoid = module.lookupSymbol<MonoidOp>(
                   cast<FlatSymbolRefAttr>(op.getMonoidAttr()).getValue());
               Block &block = monoid.getCombine().front();
               IRMapping mapping;
               unsigned count = op.getNumResults();
               for (unsigned i = 0; i < 2 * count; ++i) {
                 Place &side = i < count ? left : right;
                 Value state = side.states.lookup(op.getResult(i % count));
                 mapping.map(block.getArgument(i), e.read(state, at));
               }
               return cloneExpr(
                   e.b, cast<YieldOp>(block.back()).getOperand(c.result),
                   mapping);
             })
      .getResult(0);
}

LogicalResult Cutter::merge() {
  CutWriter writer(original, source, rank, "_merge",
                   "two states, the first of the earlier piece: one state");
  Place left(writer), right(writer), merged(writer);
  arguments(writer, left, "_a");
  arguments(writer, right, "_b");
  // A statistic is merged before what it repairs.
  std::vector<Value> made(components.size());
  auto isReady = [&](const Component &c) {
    if (c.flag)
      return true;
    SmallVector<Value> work;
    for (const Exponential &e : formOf(c.op).exponentials)
      for (const ShiftTerm &term : e.shift)
        work.push_back(term.tensor);
    DenseSet<Value> seen;
    while (!work.empty()) {
      Value value = work.pop_back_val();
      Operation *op = value.getDefiningOp();
      if (!op || !seen.insert(value).second)
        continue;
      if (isCutReduction(op)) {
        if (!merged.states.count(value))
          return false;
        for (const LateFactor &factor : formOf(cast<EinsumOp>(op)).factors)
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
  };
  for (bool changed = true; changed;) {
    changed = false;
    for (auto [i, c] : llvm::enumerate(components)) {
      if (made[i] || !isReady(c))
        continue;
      made[i] = combined(c, left, right, merged);
      EinsumOp op = c.op;
      (c.flag ? merged.flags[op] : merged.states[op.getResult(c.result)]) =
          made[i];
      changed = true;
    }
  }
  std::vector<std::pair<std::string, Value>> outputs;
  for (auto [c, value] : llvm::zip(components, made)) {
    if (!value)
      return fail("the state of " + c.name + " depends on itself");
    outputs.emplace_back(c.name, value);
  }
  return writer.finish(outputs);
}

LogicalResult Cutter::finish() {
  CutWriter writer(original, source, rank, "_finish", "a state: the outputs");
  Place place(writer, /*isPiece=*/false, /*isFinal=*/true);
  arguments(writer, place, "");
  std::vector<std::pair<std::string, Value>> outputs;
  for (auto [port, value] :
       llvm::zip(original.getOutputs().getAsRange<PortAttr>(),
                 source.getReturn().getOperands()))
    outputs.emplace_back(port.getName().str(), tensor(value, place));
  return writer.finish(outputs);
}

LogicalResult Cutter::run() {
  for (Operation &op : source.getBody().front()) {
    if (auto equations = dyn_cast<EquationsOp>(op))
      if (hasCut(equations.getResult()))
        return fail("states of recurrences along it are not derived (" +
                    equations.getName() + ")");
    if (auto order = dyn_cast<OrderOp>(op))
      if (order.getFromAttr() == rank)
        return fail("an order of its points has no state that merges (" +
                    order.getName() + ")");
  }
  if (failed(collect()) || failed(partial()) || failed(merge()))
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
