//===- Unroll.cpp - a few steps of a recurrence as definitions --*- C++ -*-===//
// UNROLL: a recurrence of few static steps that is read at fixed steps alone is
// a chain of plain definitions, whose reductions stream like all others:
//
//   Z[-1] = z; Z[k] = f(Z[k-1]), |k| = 2:   Z[|k|-1] = f(f(z))
#include "dialect/PrintExpr.h"
#include "mlir/IR/Matchers.h"
#include "passes/Expr.h"
#include "passes/cascade/Dependences.h"
#include "passes/cascade/Normalise.h"
#include "passes/derive/Laws.h"

using namespace mlir;
using namespace attn;

// The code grows with the steps.
constexpr int64_t maxSteps = 4;

namespace {

class Unroller {
public:
  Unroller(CascadeOp cascade, ArrayRef<Operation *> members, StringAttr rank,
           int64_t steps)
      : cascade(cascade), members(members.begin(), members.end()), rank(rank),
        steps(steps), b(cascade.getContext()) {}

  /// False, with nothing changed, if a step is asked for that is not fixed.
  bool run();

private:
  using Step = std::optional<int64_t>;
  bool isMember(Value tensor) {
    Operation *def = tensor.getDefiningOp();
    return def && members.contains(def);
  }
  Step valueOf(Value value, Step here);
  Step stepOf(ReadOp read, Step here);
  bool isFixed(ReadOp read, Step here);
  Value tensorAt(Value tensor, int64_t step);
  Value copy(EinsumOp op, int64_t step);
  Value equationAt(EquationsOp op, int64_t step);
  Value readAt(ExprBuilder &e, ReadOp read, int64_t step, IRMapping &mapping);

  CascadeOp cascade;
  llvm::SetVector<Operation *> members;
  StringAttr rank;
  int64_t steps;
  OpBuilder b;
  DenseMap<std::pair<Value, int64_t>, Value> known;
};

} // namespace

/// An index as a number, `here` being the step of the reader.
Unroller::Step Unroller::valueOf(Value value, Step here) {
  if (auto argument = dyn_cast<BlockArgument>(value)) {
    auto op = dyn_cast<EinsumOp>(argument.getOwner()->getParentOp());
    unsigned i = argument.getArgNumber();
    return op && i < op.getSpace().size() && op.getSpace()[i] == rank ? here
                                                                      : Step();
  }
  IntegerAttr constant;
  if (matchPattern(value, m_Constant(&constant)))
    return constant.getInt();
  Operation *def = value.getDefiningOp();
  if (auto extent = dyn_cast<ExtentOp>(def))
    return cascade.staticExtent(extent.getRankAttr());
  auto map = dyn_cast<MapOp>(def);
  if (!map || map.getNumOperands() != 2)
    return {};
  Step x = valueOf(map.getOperand(0), here),
       y = valueOf(map.getOperand(1), here);
  if (!x || !y)
    return {};
  switch (map.getFn()) {
  case Fn::add:
    return *x + *y;
  case Fn::sub:
    return *x - *y;
  default:
    return {};
  }
}

/// The step at which a read of a member is.
Unroller::Step Unroller::stepOf(ReadOp read, Step here) {
  int64_t axis = read.getTensor().getType().rankIndex(rank);
  return axis < 0 ? Step() : valueOf(read.getIndices()[axis], here);
}

/// The equation that a step matches: constants win.
Value Unroller::equationAt(EquationsOp op, int64_t step) {
  int64_t axis = op.getType().rankIndex(rank);
  Value plain;
  for (auto [equation, pattern] :
       llvm::zip(op.getEquations(), op.getPatterns().getAsRange<ArrayAttr>())) {
    auto constant = dyn_cast<ExtentAttr>(pattern[axis]);
    if (!constant)
      plain = isMember(equation) ? equation : Value();
    else if (constant.getMap().getNumResults() == 1 &&
             constant.getConstant() == step)
      return equation;
  }
  return step >= 0 && step < steps ? plain : Value();
}

/// True if the read, and all that it needs, is at steps with an equation.
bool Unroller::isFixed(ReadOp read, Step here) {
  Step step = stepOf(read, here);
  if (!step)
    return false;
  if (auto equations = read.getTensor().getDefiningOp<EquationsOp>())
    return bool(equationAt(equations, *step));
  return *step >= 0 && *step < steps;
}

Value Unroller::readAt(ExprBuilder &e, ReadOp read, int64_t step,
                       IRMapping &mapping) {
  SmallVector<Value> indices;
  for (auto [index, axis] :
       llvm::zip(read.getIndices(), read.getTensor().getType().getRanks()))
    if (axis != rank)
      indices.push_back(cloneExpr(e.b, index, mapping));
  return e.read(tensorAt(read.getTensor(), step), indices, read.getBounds());
}

Value Unroller::copy(EinsumOp op, int64_t step) {
  OpBuilder::InsertionGuard insertion(b);
  b.setInsertionPoint(op);
  EinsumSpec spec;
  std::string name = (tensorName(op.getResult(0)) + "." + Twine(step)).str();
  spec.name = name;
  for (StringAttr space : strings(op.getSpace()))
    if (space != rank)
      spec.space.push_back(space);
  spec.reduced = strings(op.getReduced());
  spec.monoid = op.getMonoidAttr();
  spec.element = cast<NamedTensorType>(op.getResultTypes()[0]).getElementType();
  spec.rounded = op.getRounded();
  auto clone = [&](ExprBuilder &e, Coordinates &at, Block &block,
                   RankRef names) {
    IRMapping mapping;
    for (auto &[name, argument] : coordinatesOf(names, block))
      mapping.map(argument, name == rank ? e.integer(step) : at.lookup(name));
    return cloneExpr(e.b, cast<YieldOp>(block.back()).getOperand(0), mapping,
                     [&](Operation *def) -> Value {
                       auto read = dyn_cast<ReadOp>(def);
                       if (!read || !isMember(read.getTensor()))
                         return {};
                       return readAt(e, read, *stepOf(read, step), mapping);
                     });
  };
  auto map = [&](ExprBuilder &e, Coordinates &at) {
    return clone(e, at, op.getMap().front(), op.mapRanks());
  };
  auto guard = [&](ExprBuilder &e, Coordinates &at) {
    return clone(e, at, op.getGuard().front(), strings(op.getSpace()));
  };
  return buildEinsum(b, op.getLoc(), spec, map,
                     op.getGuard().empty() ? ExprFn() : ExprFn(guard))
      .getResult(0);
}

Value Unroller::tensorAt(Value tensor, int64_t step) {
  if (Value value = known.lookup({tensor, step}))
    return value;
  Value value;
  if (auto equations = tensor.getDefiningOp<EquationsOp>()) {
    value = equationAt(equations, step);
    // A base equation has no such rank.
    if (isMember(value))
      value = tensorAt(value, step);
  } else {
    value = copy(tensor.getDefiningOp<EinsumOp>(), step);
  }
  return known[{tensor, step}] = value;
}

bool Unroller::run() {
  SmallVector<ReadOp> outside;
  bool isCovered = true;
  for (Operation *op : members) {
    auto einsum = dyn_cast<EinsumOp>(op);
    auto equations = dyn_cast<EquationsOp>(op);
    if (einsum)
      isCovered &= einsum.getNumResults() == 1 &&
                   llvm::is_contained(einsum.getSpace(), rank);
    else if (equations)
      // Constants at other indices are other tensors.
      for (auto pattern : equations.getPatterns().getAsRange<ArrayAttr>())
        for (auto [axis, index] :
             llvm::zip(equations.getType().getRanks(), pattern))
          isCovered &= axis == rank || isa<StringAttr>(index);
    else
      return false;
    if (!isCovered)
      return false;
    op->walk([&](ReadOp read) {
      if (isMember(read.getTensor()))
        for (int64_t step = 0; step < steps; ++step)
          isCovered &= isFixed(read, step);
    });
    for (Operation *user : op->getUsers()) {
      if (members.contains(user) || members.contains(definitionOf(user)))
        continue;
      auto read = dyn_cast<ReadOp>(user);
      isCovered &= read && isFixed(read, Step());
      outside.push_back(read);
    }
  }
  if (!isCovered)
    return false;
  for (ReadOp read : outside) {
    OpBuilder at(read);
    ExprBuilder e(at, read.getLoc());
    IRMapping none;
    Value value = readAt(e, read, *stepOf(read, Step()), none);
    read.getResult().replaceAllUsesWith(value);
    read.erase();
  }
  return true;
}

/// The rank that all of a recurrence iterates along; null: there are several.
static StringAttr iterativeRank(ArrayRef<Operation *> members) {
  StringAttr rank;
  for (Operation *op : members) {
    auto iterate = op->getAttrOfType<ArrayAttr>("attn.iterate");
    if (!iterate || iterate.size() != 1)
      return {};
    auto own = cast<StringAttr>(cast<ArrayAttr>(iterate[0])[0]);
    if (rank && rank != own)
      return {};
    rank = own;
  }
  return rank;
}

void attn::unroll(CascadeOp cascade) {
  Dependences dependences(cascade);
  bool changed = false;
  for (ArrayRef<Operation *> members : dependences.getCycles()) {
    StringAttr rank = iterativeRank(members);
    auto steps = rank ? cascade.staticExtent(rank) : std::nullopt;
    if (!steps || *steps < 1 || *steps > maxSteps)
      continue;
    std::string name = tensorName(members.front()->getResult(0)).str();
    if (!Unroller(cascade, members, rank, *steps).run())
      continue;
    noteLaw(cascade, Law::Unroll, name);
    changed = true;
  }
  if (changed)
    renormalise(cascade);
}
