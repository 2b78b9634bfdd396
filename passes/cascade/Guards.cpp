//===- Guards.cpp - which results of reductions are present -----*- C++ -*-===//
// Writes the hoisted presence formula (dialect/Presence.h) of every reduction
// as its guard. Formulas of definitions are inlined where they are used; those
// of a recurrence, and large ones, become bool tensors of their own.
#include "dialect/Affine.h"
#include "dialect/Presence.h"
#include "dialect/PrintExpr.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Matchers.h"
#include "passes/Passes.h"
#include "passes/cascade/Dependences.h"

namespace attn {
#define GEN_PASS_DEF_ATTNGUARDS
#include "passes/Passes.h.inc"
} // namespace attn

using namespace mlir;
using namespace attn;
using Kind = PresenceFormula::Kind;
using Formula = const PresenceFormula *;
using Node = PresenceNode;

/// More operations than this, and a formula gets a tensor of its own.
static constexpr unsigned maxInlined = 48;

namespace {
/// Where the region values and positions of a node's formula are in the block
/// that is written.
struct Frame {
  IRMapping values;
  SmallVector<Value> positions;
};

class Writer {
public:
  Writer(PresenceAnalysis &analysis, CascadeOp cascade)
      : analysis(analysis), cascade(cascade) {}

  void writeGuard(EinsumOp op);
  bool madeTensors() const { return !tensors.empty(); }

private:
  /// Null stands for true, here and in `tensorOf`.
  Value write(Formula formula, Frame &frame, OpBuilder &b, Location loc);
  Value writeCall(Formula formula, Frame &frame, OpBuilder &b, Location loc);
  Value writeNode(const Node *node, ArrayRef<Value> at, OpBuilder &b,
                  Location loc);
  Value copy(Value value, Frame &frame, OpBuilder &b);
  Value term(const PresenceTerm &term, Frame &frame, OpBuilder &b);
  Value index(ExtentAttr extent, OpBuilder &b, Location loc);
  Value expr(AffineExpr expr, ExtentAttr extent, OpBuilder &b, Location loc);
  Value map(Fn fn, ValueRange operands, OpBuilder &b, Location loc);
  Value unique(Operation *op, OpBuilder &b);

  bool needsTensor(const Node *node);
  bool isRecursive(const Node *node);
  unsigned cost(const Node *node);
  Value tensorOf(const Node *node);
  Value einsumOf(const Node *node);
  Value equationsOf(const Node *node);
  std::string nameOf(const Node *node);
  void yieldSimplified(Region &region, Value condition, OpBuilder &b,
                       Location loc, bool total);

  PresenceAnalysis &analysis;
  CascadeOp cascade;
  llvm::DenseMap<const Node *, Value> tensors;
  llvm::DenseMap<const Node *, bool> recursive;
  llvm::DenseMap<const Node *, unsigned> costs;
  /// Calls being inlined, with their arguments: asked again, the greatest
  /// solution is true.
  SmallVector<std::pair<const Node *, SmallVector<Value>>> active;
};
} // namespace

//===----------------------------------------------------------------------===//
// Scalars
//===----------------------------------------------------------------------===//

/// The value of `op`, folded, or that of an equal operation before it.
Value Writer::unique(Operation *op, OpBuilder &b) {
  SmallVector<Value> folded;
  if (succeeded(b.tryFold(op, folded)) && !folded.empty() &&
      folded[0] != op->getResult(0)) {
    op->erase();
    op = folded[0].getDefiningOp();
    if (!isa_and_nonnull<arith::ConstantOp>(op))
      return folded[0];
  }
  for (Operation &other : *b.getInsertionBlock()) {
    if (&other == op)
      break;
    if (OperationEquivalence::isEquivalentTo(
            &other, op, OperationEquivalence::exactValueMatch, nullptr,
            OperationEquivalence::IgnoreLocations)) {
      op->erase();
      return other.getResult(0);
    }
  }
  return op->getResult(0);
}

Value Writer::copy(Value value, Frame &frame, OpBuilder &b) {
  if (Value known = frame.values.lookupOrNull(value))
    return known;
  Operation *op = value.getDefiningOp();
  for (Value operand : op->getOperands())
    if (!isa<NamedTensorType>(operand.getType()))
      copy(operand, frame, b);
  Value result = unique(b.clone(*op, frame.values), b);
  frame.values.map(value, result);
  return result;
}

Value Writer::term(const PresenceTerm &term, Frame &frame, OpBuilder &b) {
  return term.value ? copy(term.value, frame, b)
                    : frame.positions[term.position];
}

Value Writer::map(Fn fn, ValueRange operands, OpBuilder &b, Location loc) {
  return unique(MapOp::create(b, loc, fn, operands), b);
}

Value Writer::expr(AffineExpr expr, ExtentAttr extent, OpBuilder &b,
                   Location loc) {
  if (auto constant = dyn_cast<AffineConstantExpr>(expr))
    return unique(arith::ConstantOp::create(
                      b, loc, b.getI32IntegerAttr(constant.getValue())),
                  b);
  if (auto symbol = dyn_cast<AffineSymbolExpr>(expr))
    return unique(ExtentOp::create(b, loc, b.getI32Type(),
                                   extent.getRanks()[symbol.getPosition()]),
                  b);
  auto binary = cast<AffineBinaryOpExpr>(expr);
  Value lhs = this->expr(binary.getLHS(), extent, b, loc);
  Value rhs = this->expr(binary.getRHS(), extent, b, loc);
  switch (expr.getKind()) {
  case AffineExprKind::Add:
    return map(Fn::add, {lhs, rhs}, b, loc);
  case AffineExprKind::Mul:
    return map(Fn::mul, {lhs, rhs}, b, loc);
  case AffineExprKind::Mod:
    return map(Fn::mod, {lhs, rhs}, b, loc);
  case AffineExprKind::CeilDiv: {
    Value negated = map(Fn::neg, lhs, b, loc);
    return map(Fn::neg, map(Fn::floordiv, {negated, rhs}, b, loc), b, loc);
  }
  default:
    return map(Fn::floordiv, {lhs, rhs}, b, loc);
  }
}

Value Writer::index(ExtentAttr extent, OpBuilder &b, Location loc) {
  Value least;
  for (AffineExpr result : extent.getMap().getResults()) {
    Value value = expr(result, extent, b, loc);
    least = least ? map(Fn::min, {least, value}, b, loc) : value;
  }
  return least;
}

//===----------------------------------------------------------------------===//
// Formulas
//===----------------------------------------------------------------------===//

Value Writer::write(Formula formula, Frame &frame, OpBuilder &b, Location loc) {
  switch (formula->kind) {
  case Kind::True:
    return {};
  case Kind::False:
    return unique(arith::ConstantOp::create(b, loc, b.getBoolAttr(false)), b);
  case Kind::And:
  case Kind::Or: {
    bool isAnd = formula->kind == Kind::And;
    Value result;
    for (Formula operand : formula->operands) {
      Value value = write(operand, frame, b, loc);
      if (!value && !isAnd)
        return {};
      if (!value || value == result)
        continue;
      result = result ? map(isAnd ? Fn::and_ : Fn::or_, {result, value}, b, loc)
                      : value;
    }
    return result;
  }
  case Kind::Condition: {
    Value value = copy(formula->value, frame, b);
    return formula->negated ? map(Fn::not_, value, b, loc) : value;
  }
  case Kind::NonZero: {
    Value value = copy(formula->value, frame, b);
    Value zero = unique(
        arith::ConstantOp::create(b, loc, b.getIntegerAttr(value.getType(), 0)),
        b);
    return map(Fn::ne, {value, zero}, b, loc);
  }
  case Kind::Defined: {
    SmallVector<Value> indices;
    for (const PresenceTerm &t : formula->terms)
      indices.push_back(term(t, frame, b));
    Value value = unique(
        ReadOp::create(b, loc, formula->value, indices, Bounds::data), b);
    // A present value equals itself or is a NaN.
    Value equal = map(Fn::eq, {value, value}, b, loc);
    if (value.getType().isSignlessInteger())
      return equal;
    return map(Fn::or_, {equal, map(Fn::ne, {value, value}, b, loc)}, b, loc);
  }
  case Kind::InExtent: {
    Value value = term(formula->terms[0], frame, b);
    Value zero = unique(
        arith::ConstantOp::create(b, loc, b.getIntegerAttr(value.getType(), 0)),
        b);
    Value extent =
        unique(ExtentOp::create(b, loc, b.getI32Type(), formula->rank), b);
    if (value.getType() != extent.getType())
      extent = unique(
          CastOp::create(b, loc, value.getType(), extent, value.getType()), b);
    Value above = map(Fn::le, {zero, value}, b, loc);
    Value below = map(Fn::lt, {value, extent}, b, loc);
    return map(Fn::and_, {above, below}, b, loc);
  }
  case Kind::Equal: {
    Value value = term(formula->terms[0], frame, b);
    Value constant = index(formula->constant, b, loc);
    if (value.getType() != constant.getType())
      constant = unique(
          CastOp::create(b, loc, value.getType(), constant, value.getType()),
          b);
    return map(formula->negated ? Fn::ne : Fn::eq, {value, constant}, b, loc);
  }
  case Kind::Call:
    return writeCall(formula, frame, b, loc);
  }
  llvm_unreachable("unknown formula");
}

Value Writer::writeCall(Formula formula, Frame &frame, OpBuilder &b,
                        Location loc) {
  const Node *node = formula->node;
  if (node->isTrue)
    return {};
  SmallVector<Value> at;
  for (auto [i, t] : llvm::enumerate(formula->terms))
    at.push_back(node->erased >> i & 1 ? Value() : term(t, frame, b));
  if (!needsTensor(node))
    return writeNode(node, at, b, loc);
  Value tensor = tensorOf(node);
  if (!tensor)
    return {};
  llvm::erase(at, Value());
  return unique(ReadOp::create(b, loc, tensor, at, Bounds::absent), b);
}

/// The formula of a node, inlined at the given coordinates (null: erased).
Value Writer::writeNode(const Node *node, ArrayRef<Value> at, OpBuilder &b,
                        Location loc) {
  std::pair<const Node *, SmallVector<Value>> self{node,
                                                   SmallVector<Value>(at)};
  if (llvm::is_contained(active, self))
    return {};
  active.push_back(self);
  Frame frame;
  frame.positions.assign(at.begin(), at.end());
  if (auto einsum = dyn_cast<EinsumOp>(node->definition))
    for (Region *region : {&einsum.getMap(), &einsum.getGuard()})
      if (!region->empty())
        for (auto [argument, value] : llvm::zip(region->getArguments(), at))
          if (value)
            frame.values.map(argument, value);
  Value result = write(node->body, frame, b, loc);
  active.pop_back();
  return result;
}

//===----------------------------------------------------------------------===//
// Companion tensors
//===----------------------------------------------------------------------===//

static void forEachCall(Formula formula,
                        llvm::function_ref<void(Formula)> callback) {
  if (formula->kind == Kind::Call && !formula->node->isTrue)
    callback(formula);
  for (Formula operand : formula->operands)
    forEachCall(operand, callback);
}

/// Does a chain of calls lead from a node back to it at other coordinates?
/// Chains that pass their coordinates through unchanged close by the greatest
/// solution; those through the equations of another tensor end in its tensor.
bool Writer::isRecursive(const Node *node) {
  if (auto it = recursive.find(node); it != recursive.end())
    return it->second;
  auto passesThrough = [](const Node *from, Formula call) {
    for (auto [i, t] : llvm::enumerate(call->terms)) {
      if (call->node->erased >> i & 1)
        continue;
      auto argument = dyn_cast_or_null<BlockArgument>(t.value);
      if (t.value ? !argument || argument.getArgNumber() != i : t.position != i)
        return false;
    }
    return from->definition->getResult(0).getType() ==
           call->node->definition->getResult(0).getType();
  };
  bool result = false;
  llvm::DenseMap<const Node *, bool> seen; // reached, through moving calls?
  SmallVector<std::pair<const Node *, bool>> stack{{node, false}};
  while (!stack.empty() && !result) {
    auto [at, moved] = stack.pop_back_val();
    forEachCall(at->body, [&](Formula call) {
      bool moves = moved || !passesThrough(at, call);
      if (call->node == node)
        result |= moves;
      auto [it, isNew] = seen.try_emplace(call->node, moves);
      if (!isNew && (it->second || !moves))
        return;
      it->second = moves;
      if (call->node != node && isa<EquationsOp>(call->node->definition) &&
          isa<EinsumOp>(node->definition) && isRecursive(call->node))
        return;
      stack.push_back({call->node, moves});
    });
  }
  recursive[node] = result;
  return result;
}

static unsigned size(Formula formula) {
  unsigned result = 1;
  for (Formula operand : formula->operands)
    result += size(operand);
  return result;
}

unsigned Writer::cost(const Node *node) {
  if (auto it = costs.find(node); it != costs.end())
    return it->second;
  costs[node] = 0;
  unsigned result = size(node->body);
  forEachCall(node->body, [&](Formula call) {
    if (!isRecursive(call->node))
      result += std::min(cost(call->node), maxInlined);
  });
  return costs[node] = result;
}

bool Writer::needsTensor(const Node *node) {
  return tensors.contains(node) || isRecursive(node) || cost(node) > maxInlined;
}

static SmallVector<Attribute> keptRanks(const Node *node) {
  auto type = cast<NamedTensorType>(node->definition->getResult(0).getType());
  SmallVector<Attribute> kept;
  for (auto [i, rank] : llvm::enumerate(type.getRanks()))
    if (!(node->erased >> i & 1))
      kept.push_back(rank);
  return kept;
}

static std::string companionName(Value tensor, Node::Mode mode,
                                 uint64_t erased) {
  static constexpr const char *suffix[] = {".present", ".true", ".false"};
  std::string name = tensorName(tensor).str() + suffix[mode];
  auto ranks = cast<NamedTensorType>(tensor.getType()).getRanks();
  for (auto [i, rank] : llvm::enumerate(ranks))
    if (erased >> i & 1)
      name += "." + rank.str();
  return name;
}

std::string Writer::nameOf(const Node *node) {
  return companionName(node->definition->getResult(0), node->mode,
                       node->erased);
}

Value Writer::tensorOf(const Node *node) {
  if (auto it = tensors.find(node); it != tensors.end())
    return it->second;
  auto equations = dyn_cast<EquationsOp>(node->definition);
  bool keepsConstants =
      equations &&
      llvm::all_of(equations.getPatterns(), [&](Attribute pattern) {
        for (auto [i, index] : llvm::enumerate(cast<ArrayAttr>(pattern)))
          if (isa<ExtentAttr>(index) && (node->erased >> i & 1))
            return false;
        return true;
      });
  return keepsConstants ? equationsOf(node) : einsumOf(node);
}

/// Yields `condition` (null: true) without the conjuncts that hold everywhere.
void Writer::yieldSimplified(Region &region, Value condition, OpBuilder &b,
                             Location loc, bool total) {
  SmallVector<Value> conjuncts;
  std::function<void(Value)> split = [&](Value value) {
    auto op = value.getDefiningOp<MapOp>();
    if (!op || op.getFn() != Fn::and_) {
      conjuncts.push_back(value);
      return;
    }
    split(op.getOperand(0));
    split(op.getOperand(1));
  };
  if (condition)
    split(condition);
  IterationSpace space(cascade);
  space.isTotal = [&](Value tensor) { return isa<BlockArgument>(tensor); };
  space.addRegion(region);
  Value result;
  for (Value conjunct : conjuncts) {
    PointSet points = space.truth(conjunct, Approximation::Under);
    if (!points.isNone() && space.implies(PointSet::all(), points))
      continue;
    result = result ? map(Fn::and_, {result, conjunct}, b, loc) : conjunct;
  }
  if (!result)
    result = arith::ConstantOp::create(b, loc, b.getBoolAttr(true));
  else if (total)
    result =
        ElseOp::create(b, loc, result,
                       arith::ConstantOp::create(b, loc, b.getBoolAttr(false)));
  YieldOp::create(b, loc, result);
  // What only dropped conjuncts used.
  for (Operation &op :
       llvm::make_early_inc_range(llvm::reverse(region.front())))
    if (!isa<YieldOp>(op) && op.use_empty())
      op.erase();
}

Value Writer::einsumOf(const Node *node) {
  Location loc = node->definition->getLoc();
  OpBuilder b(node->definition);
  SmallVector<Attribute> ranks = keptRanks(node);
  SmallVector<StringAttr> names = llvm::map_to_vector(
      ranks, [](Attribute a) { return cast<StringAttr>(a); });
  Type type = NamedTensorType::get(b.getContext(), names, b.getI1Type());
  auto op = EinsumOp::create(
      b, loc, TypeRange{type}, b.getArrayAttr(b.getStringAttr(nameOf(node))),
      b.getArrayAttr(ranks), b.getArrayAttr({}), Attribute(), UnitAttr());
  tensors[node] = op.getResult(0);
  Block *block = b.createBlock(&op.getMap());
  SmallVector<Value> at;
  for (unsigned i = 0;
       i < cast<NamedTensorType>(node->definition->getResult(0).getType())
               .getRanks()
               .size();
       ++i)
    at.push_back(node->erased >> i & 1
                     ? Value()
                     : Value(block->addArgument(b.getI32Type(), loc)));
  // Nothing outside this block is active in it.
  auto saved = std::exchange(active, {});
  Value condition = writeNode(node, at, b, loc);
  active = std::move(saved);
  yieldSimplified(op.getMap(), condition, b, loc, /*total=*/true);
  if (op.getResult(0).use_empty() && !isRecursive(node) &&
      matchPattern(op.getMapYield().getOperand(0), m_One())) {
    op.erase(); // true everywhere after all
    return tensors[node] = Value();
  }
  return op.getResult(0);
}

Value Writer::equationsOf(const Node *node) {
  auto source = cast<EquationsOp>(node->definition);
  OpBuilder b(source);
  SmallVector<Attribute> ranks = keptRanks(node);
  SmallVector<StringAttr> names = llvm::map_to_vector(
      ranks, [](Attribute a) { return cast<StringAttr>(a); });
  Type type = NamedTensorType::get(b.getContext(), names, b.getI1Type());
  SmallVector<Attribute> patterns;
  for (Attribute pattern : source.getPatterns()) {
    SmallVector<Attribute> kept;
    for (auto [i, index] : llvm::enumerate(cast<ArrayAttr>(pattern)))
      if (!(node->erased >> i & 1))
        kept.push_back(index);
    patterns.push_back(b.getArrayAttr(kept));
  }
  // Operands read this tensor: create it first, then fill them in.
  auto op = EquationsOp::create(b, source.getLoc(), type, nameOf(node),
                                ValueRange(), b.getArrayAttr(patterns));
  tensors[node] = op.getResult();
  SmallVector<Value> operands;
  for (auto [equation, pattern] :
       llvm::zip(source.getEquations(), source.getPatterns())) {
    uint64_t erased = 0;
    unsigned position = 0;
    for (auto [i, index] : llvm::enumerate(cast<ArrayAttr>(pattern)))
      if (isa<StringAttr>(index)) {
        if (node->erased >> i & 1)
          erased |= uint64_t(1) << position;
        ++position;
      }
    if (Operation *definition = equation.getDefiningOp();
        definition && !isSelection(definition)) {
      Value operand = tensorOf(analysis.get(definition, erased, node->mode));
      if (operand) {
        operands.push_back(operand);
        continue;
      }
    }
    // Present everywhere, or a selection: present where its element is.
    SmallVector<StringAttr> plain;
    for (auto [i, rank] :
         llvm::enumerate(cast<NamedTensorType>(equation.getType()).getRanks()))
      if (!(erased >> i & 1))
        plain.push_back(rank);
    SmallVector<Attribute> space(plain.begin(), plain.end());
    Type operandType =
        NamedTensorType::get(b.getContext(), plain, b.getI1Type());
    auto leaf = EinsumOp::create(
        b, source.getLoc(), TypeRange{operandType},
        b.getArrayAttr(
            b.getStringAttr(companionName(equation, node->mode, erased))),
        b.getArrayAttr(space), b.getArrayAttr({}), Attribute(), UnitAttr());
    OpBuilder inner(b.getContext());
    Block *block = inner.createBlock(&leaf.getMap());
    for (size_t i = 0; i < plain.size(); ++i)
      block->addArgument(b.getI32Type(), source.getLoc());
    Value value;
    if (isSelection(equation.getDefiningOp()) && !erased) {
      PresenceFormula defined(Kind::Defined);
      defined.value = equation;
      Frame frame;
      for (BlockArgument argument : block->getArguments())
        defined.terms.push_back({argument});
      for (BlockArgument argument : block->getArguments())
        frame.values.map(argument, argument);
      value = write(&defined, frame, inner, source.getLoc());
    }
    yieldSimplified(leaf.getMap(), value, inner, source.getLoc(), true);
    operands.push_back(leaf.getResult(0));
  }
  op->setOperands(operands);
  return op.getResult();
}

void Writer::writeGuard(EinsumOp op) {
  const Node *node = analysis.get(op);
  OpBuilder b(op.getContext());
  Block *block = b.createBlock(&op.getGuard());
  SmallVector<Value> at;
  for (size_t i = 0; i < op.getSpace().size(); ++i)
    at.push_back(block->addArgument(b.getI32Type(), op.getLoc()));
  Value condition =
      node->isTrue ? Value() : writeNode(node, at, b, op.getLoc());
  yieldSimplified(op.getGuard(), condition, b, op.getLoc(), /*total=*/false);
}

namespace {
struct Guards : attn::impl::AttnGuardsBase<Guards> {
  void runOnOperation() override {
    PresenceAnalysis analysis(getOperation());
    Writer writer(analysis, getOperation());
    SmallVector<EinsumOp> reductions;
    getOperation().walk([&](EinsumOp op) {
      if (op.isReduction() && op.getGuard().empty() && !isSelection(op))
        reductions.push_back(op);
    });
    // Solve everything before guards change what it is computed from.
    for (EinsumOp op : reductions)
      analysis.get(op);
    for (EinsumOp op : reductions)
      writer.writeGuard(op);
    // Guards may have joined recurrences, or begun one.
    if (writer.madeTensors())
      (void)markRecurrences(getOperation(), /*diagnose=*/false);
  }
};
} // namespace
