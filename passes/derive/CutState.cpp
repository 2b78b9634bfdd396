//===- CutState.cpp - what a cut cascade carries ----------------*- C++ -*-===//
#include "passes/derive/CutState.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace attn;

CutState::CutState(CascadeOp original, CascadeOp source)
    : original(original), source(source), rank(original.getCutAttr()),
      forms({[this](Value v) { return isLate(v); },
             [this](Value v) -> EinsumOp {
               return hasCut(v) ? v.getDefiningOp<EinsumOp>() : EinsumOp();
             }}) {}

LogicalResult CutState::fail(const Twine &why) {
  return original.emitError() << "cut " << rank.getValue() << ": " << why;
}

bool CutState::isReduction(Operation *op) const {
  auto einsum = dyn_cast_or_null<EinsumOp>(op);
  return einsum && llvm::is_contained(strings(einsum.getReduced()), rank);
}

bool CutState::isLate(Value value) {
  Operation *op = value.getDefiningOp();
  if (!op || op->getBlock() != &source.getBody().front())
    return false;
  if (isReduction(op))
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

//===----------------------------------------------------------------------===//
// Components
//===----------------------------------------------------------------------===//

/// ONLINE, MERGE: states combine, and each repairs to the statistics of both.
LogicalResult CutState::checkMerges(EinsumOp op) {
  std::optional<Reduce> kind = op.builtinReduce();
  StringRef name = strings(op.getNames())[0].getValue();
  if (kind && !combinerOf(*kind))
    return fail(name + ", " + stringifyReduce(*kind) +
                ", has no state that merges");
  for (Value yielded : op.getMapYield().getOperands()) {
    const Form &form = forms.of(yielded);
    bool repairs =
        form.kind == Form::Scale && kind == Reduce::sum && form.shifts.empty();
    // The repair depends only on ranks that the state keeps.
    for (const ShiftTerm &term : form.terms())
      repairs &= !rankNotKept(op, term.tensor);
    for (const LateFactor &factor : form.factors)
      repairs &=
          !rankNotKept(op, factor.tensor) && factor.kind != LateFactor::Clears;
    if (form.kind != Form::Free && !repairs)
      return fail("no repair of " + name + " was derived");
  }
  return success();
}

LogicalResult CutState::find() {
  llvm::StringSet<> taken;
  for (ArrayAttr ports : {original.getInputs(), original.getOutputs()})
    for (auto port : ports.getAsRange<PortAttr>())
      taken.insert(port.getName().getValue());
  auto nameOf = [&](EinsumOp op, unsigned result, StringRef suffix) {
    std::string name = (strings(op.getNames())[result].strref() + suffix).str();
    llvm::replace(name, '.', '_');
    while (!taken.insert(name).second)
      name += "_state";
    return name;
  };
  for (EinsumOp op : source.getBody().front().getOps<EinsumOp>()) {
    if (!isReduction(op))
      continue;
    if (failed(checkMerges(op)))
      return failure();
    Ranks space = strings(op.getSpace());
    for (unsigned i = 0; i < op.getNumResults(); ++i)
      components.push_back(
          {op, i, false, nameOf(op, i, ""), space, computeType(op, i)});
    // 0 of an empty row is no quotient of two zeros.
    if (formOf(op).factors.empty())
      continue;
    auto used = presenceRanks(op, op.getMapYield().getOperand(0));
    llvm::erase_if(space,
                   [&](StringAttr name) { return !used.contains(name); });
    components.push_back({op, 0, true, nameOf(op, 0, "_any"), space,
                          IntegerType::get(op.getContext(), 1)});
  }
  return components.empty() ? fail("nothing is reduced over it") : success();
}

//===----------------------------------------------------------------------===//
// Points
//===----------------------------------------------------------------------===//

Value CutState::rebuild(ExprBuilder &e, EinsumOp op, Value value,
                        Coordinates &at) {
  IRMapping mapping = substitution(coordinatesOf(op), at);
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

/// The map that a read of a point stands for; null: it has to be read.
EinsumOp CutState::mapOf(ReadOp read, EinsumOp op) {
  auto point = read.getTensor().getDefiningOp<EinsumOp>();
  bool isMap = point && hasCut(point.getResult(0)) && !point.isReduction() &&
               isPlainRead(read, op);
  return isMap ? point : EinsumOp();
}

/// An input inside of its bounds, or a statistic.
bool CutState::isAlwaysThere(ReadOp read) {
  bool isPlain = isa<BlockArgument>(read.getTensor()) &&
                 read.getBounds() == Bounds::inside;
  return isPlain || isLate(read.getTensor());
}

/// Ranks that `presence` depends on.
llvm::DenseSet<StringAttr> CutState::presenceRanks(EinsumOp op, Value value) {
  Operation *def = value.getDefiningOp();
  llvm::DenseSet<StringAttr> result;
  if (!def)
    return result;
  auto add = [&](const llvm::DenseSet<StringAttr> &more) {
    result.insert_range(more);
  };
  auto addAll = [&](Value whole) {
    Dependence dependence(op.getMap().front());
    Ranks ranks = op.mapRanks();
    for (int i : dependence.of(whole).set_bits())
      result.insert(ranks[i]);
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
