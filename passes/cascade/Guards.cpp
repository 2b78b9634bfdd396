//===- Guards.cpp - which results of reductions are present -----*- C++ -*-===//
// Writes the hoisted presence formula (dialect/Presence.h) of every reduction
// as its guard. Formulas of definitions are inlined where they are used; those
// of a recurrence, and large ones, become bool tensors of their own.
#include "dialect/Affine.h"
#include "dialect/PrintExpr.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Matchers.h"
#include "passes/Passes.h"
#include "passes/cascade/Dependences.h"
#include "passes/cascade/FormulaCalls.h"
#include "passes/cascade/FormulaWriter.h"

namespace attn {
#define GEN_PASS_DEF_ATTNGUARDS
#include "passes/Passes.h.inc"
} // namespace attn

using namespace mlir;
using namespace attn;
using Node = PresenceNode;

namespace {
class GuardWriter {
public:
  GuardWriter(PresenceAnalysis &analysis, CascadeOp cascade)
      : analysis(analysis), cascade(cascade) {}

  void writeGuard(EinsumOp op);
  bool madeTensors() const { return !tensors.empty(); }

private:
  /// The formula of a node at coordinates (null: erased); null: true.
  Value write(const Node *node, ArrayRef<Value> at, OpBuilder &b, Location loc);
  Value writeInlined(const Node *node, ArrayRef<Value> at, OpBuilder &b,
                     Location loc);

  /// The tensor of a node; null: true everywhere.
  Value tensorOf(const Node *node);
  Value einsumOf(const Node *node);
  Value equationsOf(const Node *node);
  Value leafOf(OpBuilder &b, Location loc, Value equation, uint64_t erased,
               Node::Mode mode);
  void yieldSimplified(Region &region, Value condition, OpBuilder &b,
                       Location loc, bool total);

  PresenceAnalysis &analysis;
  CascadeOp cascade;
  FormulaCalls calls;
  llvm::DenseMap<const Node *, Value> tensors;
  /// Nodes being inlined, with their arguments: asked again, the greatest
  /// solution is true.
  SmallVector<std::pair<const Node *, SmallVector<Value>>> active;
};
} // namespace

//===----------------------------------------------------------------------===//
// Formulas
//===----------------------------------------------------------------------===//

Value GuardWriter::write(const Node *node, ArrayRef<Value> at, OpBuilder &b,
                         Location loc) {
  bool needsTensor =
      tensors.contains(node) || calls.isRecursive(node) || calls.isLarge(node);
  if (!needsTensor)
    return writeInlined(node, at, b, loc);
  Value tensor = tensorOf(node);
  if (!tensor)
    return {};
  SmallVector<Value> indices(at);
  llvm::erase(indices, Value());
  return unique(ReadOp::create(b, loc, tensor, indices, Bounds::absent), b);
}

Value GuardWriter::writeInlined(const Node *node, ArrayRef<Value> at,
                                OpBuilder &b, Location loc) {
  std::pair<const Node *, SmallVector<Value>> self{node,
                                                   SmallVector<Value>(at)};
  if (llvm::is_contained(active, self))
    return {};
  active.push_back(self);
  auto call = [&](const Node *other, ArrayRef<Value> there) {
    return write(other, there, b, loc);
  };
  FormulaWriter writer(b, loc, call);
  writer.positions.assign(at.begin(), at.end());
  if (auto einsum = dyn_cast<EinsumOp>(node->definition))
    for (Region *region : {&einsum.getMap(), &einsum.getGuard()})
      if (!region->empty())
        for (auto [argument, value] : llvm::zip(region->getArguments(), at))
          if (value)
            writer.values.map(argument, value);
  Value result = writer.write(node->body);
  active.pop_back();
  return result;
}

//===----------------------------------------------------------------------===//
// Companion tensors
//===----------------------------------------------------------------------===//

static SmallVector<StringAttr> keptRanks(Value tensor, uint64_t erased) {
  SmallVector<StringAttr> kept;
  for (auto [i, rank] :
       llvm::enumerate(cast<NamedTensorType>(tensor.getType()).getRanks()))
    if (!(erased >> i & 1))
      kept.push_back(rank);
  return kept;
}

static SmallVector<StringAttr> keptRanks(const Node *node) {
  return keptRanks(node->definition->getResult(0), node->erased);
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

static std::string companionName(const Node *node) {
  return companionName(node->definition->getResult(0), node->mode,
                       node->erased);
}

static Type boolTensor(OpBuilder &b, ArrayRef<StringAttr> ranks) {
  return NamedTensorType::get(b.getContext(), ranks, b.getI1Type());
}

/// A map of bools; its region is still to be written.
static EinsumOp createMap(OpBuilder &b, Location loc, const std::string &name,
                          ArrayRef<StringAttr> ranks) {
  SmallVector<Attribute> space(ranks.begin(), ranks.end());
  return EinsumOp::create(b, loc, TypeRange{boolTensor(b, ranks)},
                          b.getArrayAttr(b.getStringAttr(name)),
                          b.getArrayAttr(space), b.getArrayAttr({}),
                          Attribute(), UnitAttr());
}

Value GuardWriter::tensorOf(const Node *node) {
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
void GuardWriter::yieldSimplified(Region &region, Value condition, OpBuilder &b,
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
    result = result ? unique(MapOp::create(b, loc, Fn::and_,
                                           ValueRange{result, conjunct}),
                             b)
                    : conjunct;
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

Value GuardWriter::einsumOf(const Node *node) {
  Location loc = node->definition->getLoc();
  OpBuilder b(node->definition);
  EinsumOp op = createMap(b, loc, companionName(node), keptRanks(node));
  tensors[node] = op.getResult(0);
  Block *block = b.createBlock(&op.getMap());
  SmallVector<Value> at;
  auto type = cast<NamedTensorType>(node->definition->getResult(0).getType());
  for (unsigned i = 0; i < type.getRanks().size(); ++i)
    at.push_back(node->erased >> i & 1
                     ? Value()
                     : Value(block->addArgument(b.getI32Type(), loc)));
  // Nothing outside this block is active in it.
  auto saved = std::exchange(active, {});
  Value condition = writeInlined(node, at, b, loc);
  active = std::move(saved);
  yieldSimplified(op.getMap(), condition, b, loc, /*total=*/true);
  if (op.getResult(0).use_empty() && !calls.isRecursive(node) &&
      matchPattern(op.getMapYield().getOperand(0), m_One())) {
    op.erase(); // true everywhere after all
    return tensors[node] = Value();
  }
  return op.getResult(0);
}

/// The patterns without the erased ranks; an equation that is present wherever
/// it is defined, or is a selection, becomes a leaf.
Value GuardWriter::equationsOf(const Node *node) {
  auto source = cast<EquationsOp>(node->definition);
  OpBuilder b(source);
  SmallVector<Attribute> patterns;
  for (Attribute pattern : source.getPatterns()) {
    SmallVector<Attribute> kept;
    for (auto [i, index] : llvm::enumerate(cast<ArrayAttr>(pattern)))
      if (!(node->erased >> i & 1))
        kept.push_back(index);
    patterns.push_back(b.getArrayAttr(kept));
  }
  // Operands read this tensor: create it first, then fill them in.
  auto op = EquationsOp::create(
      b, source.getLoc(), boolTensor(b, keptRanks(node)), companionName(node),
      ValueRange(), b.getArrayAttr(patterns));
  tensors[node] = op.getResult();
  SmallVector<Value> operands;
  for (auto [equation, pattern] :
       llvm::zip(source.getEquations(), source.getPatterns())) {
    uint64_t erased = 0;
    unsigned position = 0;
    for (auto [i, index] : llvm::enumerate(cast<ArrayAttr>(pattern)))
      if (isa<StringAttr>(index))
        erased |= (node->erased >> i & 1) << position++;
    Operation *definition = equation.getDefiningOp();
    Value operand = definition && !isSelection(definition)
                        ? tensorOf(analysis.get(definition, erased, node->mode))
                        : Value();
    operands.push_back(
        operand ? operand
                : leafOf(b, source.getLoc(), equation, erased, node->mode));
  }
  op->setOperands(operands);
  return op.getResult();
}

/// Present everywhere, or a selection: present where its element is.
Value GuardWriter::leafOf(OpBuilder &b, Location loc, Value equation,
                          uint64_t erased, Node::Mode mode) {
  SmallVector<StringAttr> ranks = keptRanks(equation, erased);
  EinsumOp leaf =
      createMap(b, loc, companionName(equation, mode, erased), ranks);
  OpBuilder inner(b.getContext());
  Block *block = inner.createBlock(&leaf.getMap());
  for (size_t i = 0; i < ranks.size(); ++i)
    block->addArgument(b.getI32Type(), loc);
  Value value;
  if (isSelection(equation.getDefiningOp()) && !erased) {
    PresenceFormula defined(PresenceFormula::Defined);
    defined.value = equation;
    for (unsigned i = 0; i < ranks.size(); ++i)
      defined.terms.push_back({Value(), i});
    FormulaWriter writer(inner, loc, nullptr);
    llvm::append_range(writer.positions, block->getArguments());
    value = writer.write(&defined);
  }
  yieldSimplified(leaf.getMap(), value, inner, loc, /*total=*/true);
  return leaf.getResult(0);
}

//===----------------------------------------------------------------------===//
// The pass
//===----------------------------------------------------------------------===//

void GuardWriter::writeGuard(EinsumOp op) {
  const Node *node = analysis.get(op);
  OpBuilder b(op.getContext());
  Block *block = b.createBlock(&op.getGuard());
  SmallVector<Value> at;
  for (size_t i = 0; i < op.getSpace().size(); ++i)
    at.push_back(block->addArgument(b.getI32Type(), op.getLoc()));
  Value condition =
      node->isTrue ? Value() : writeInlined(node, at, b, op.getLoc());
  yieldSimplified(op.getGuard(), condition, b, op.getLoc(), /*total=*/false);
}

namespace {
struct Guards : attn::impl::AttnGuardsBase<Guards> {
  void runOnOperation() override {
    PresenceAnalysis analysis(getOperation());
    GuardWriter writer(analysis, getOperation());
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
