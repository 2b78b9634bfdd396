//===- Expr.cpp - building and rewriting einsums ----------------*- C++ -*-===//
#include "passes/Expr.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace attn;

Coordinates attn::coordinatesOf(RankRef ranks, Block &block) {
  Coordinates at;
  for (auto [rank, argument] : llvm::zip(ranks, block.getArguments()))
    at[rank] = argument;
  return at;
}

Coordinates attn::coordinatesOf(EinsumOp op) {
  return coordinatesOf(op.mapRanks(), op.getMap().front());
}

IRMapping attn::substitution(const Coordinates &from, const Coordinates &to) {
  IRMapping mapping;
  for (auto &[rank, coordinate] : from)
    if (Value other = to.lookup(rank))
      mapping.map(coordinate, other);
  return mapping;
}

Value ExprBuilder::map(Fn fn, ValueRange operands) {
  return b.createOrFold<MapOp>(loc, fn, operands);
}
Value ExprBuilder::real(double value) {
  return constant(b.getF64FloatAttr(value));
}
Value ExprBuilder::integer(int64_t value) {
  return constant(b.getI32IntegerAttr(value));
}
Value ExprBuilder::boolean(bool value) {
  return constant(b.getBoolAttr(value));
}
Value ExprBuilder::constant(TypedAttr value) {
  return arith::ConstantOp::create(b, loc, value);
}
Value ExprBuilder::where(Value value, Value condition) {
  return b.createOrFold<WhereOp>(loc, value, condition);
}
Value ExprBuilder::otherwise(Value value, Value other) {
  return b.createOrFold<ElseOp>(loc, value, other);
}
Value ExprBuilder::extent(StringAttr rank) {
  return b.createOrFold<ExtentOp>(loc, b.getI32Type(), rank);
}
Value ExprBuilder::read(Value tensor, const Coordinates &at) {
  SmallVector<Value> indices;
  for (StringAttr rank : cast<NamedTensorType>(tensor.getType()).getRanks())
    indices.push_back(at.lookup(rank));
  return read(tensor, indices);
}
Value ExprBuilder::read(Value tensor, ValueRange indices, Bounds bounds) {
  return ReadOp::create(b, loc, tensor, indices, bounds);
}

/// Fills `region` with a block of one coordinate a rank that yields `fn`.
static void buildRegion(OpBuilder &b, Location loc, Region &region,
                        RankRef ranks, ExprFn fn) {
  OpBuilder::InsertionGuard guard(b);
  SmallVector<Type> types(ranks.size(), b.getI32Type());
  SmallVector<Location> locs(ranks.size(), loc);
  Block *block = b.createBlock(&region, {}, types, locs);
  Coordinates at = coordinatesOf(ranks, *block);
  ExprBuilder expr(b, loc);
  Value value = fn(expr, at);
  YieldOp::create(b, loc, value);
}

EinsumOp attn::buildEinsum(OpBuilder &b, Location loc, const EinsumSpec &spec,
                           ExprFn map, ExprFn guard) {
  auto names = [&](RankRef ranks) {
    return b.getArrayAttr(SmallVector<Attribute>(ranks.begin(), ranks.end()));
  };
  Type result = NamedTensorType::get(b.getContext(), spec.space, spec.element);
  auto op =
      EinsumOp::create(b, loc, result, b.getStrArrayAttr({spec.name}),
                       names(spec.space), names(spec.reduced), spec.monoid,
                       spec.rounded ? b.getUnitAttr() : UnitAttr());
  Ranks all = spec.space;
  llvm::append_range(all, spec.reduced);
  buildRegion(b, loc, op.getMap(), all, map);
  if (guard)
    buildRegion(b, loc, op.getGuard(), spec.space, guard);
  return op;
}

Value attn::cloneExpr(OpBuilder &b, Value root, IRMapping &mapping,
                      function_ref<Value(Operation *)> leaf) {
  if (Value known = mapping.lookupOrNull(root))
    return known;
  Operation *op = root.getDefiningOp();
  // Tensors and captured scalars stand as they are.
  if (!op || isa<NamedTensorType>(root.getType()))
    return root;
  if (leaf)
    if (Value value = leaf(op)) {
      mapping.map(root, value);
      return value;
    }
  for (Value operand : op->getOperands())
    if (!mapping.contains(operand))
      mapping.map(operand, cloneExpr(b, operand, mapping, leaf));
  Operation *clone = b.clone(*op, mapping);
  SmallVector<Value> folded;
  SmallVector<Operation *> constants;
  if (succeeded(b.tryFold(clone, folded, &constants)) && !folded.empty()) {
    clone->erase();
    mapping.map(root, folded.front());
    return folded.front();
  }
  return mapping.lookup(root);
}

const llvm::SmallBitVector &Dependence::of(Value value) {
  auto it = cache.find(value);
  if (it != cache.end())
    return it->second;
  llvm::SmallBitVector bits(block.getNumArguments());
  if (auto argument = dyn_cast<BlockArgument>(value)) {
    if (argument.getOwner() == &block)
      bits.set(argument.getArgNumber());
  } else if (Operation *op = value.getDefiningOp();
             op && op->getBlock() == &block) {
    for (Value operand : op->getOperands())
      bits |= of(operand);
  }
  return cache[value] = bits;
}

Type attn::computeReal(EinsumOp op) {
  auto isF64 = [](Type type) {
    return cast<NamedTensorType>(type).getElementType().isF64();
  };
  bool wide = llvm::any_of(op.getResultTypes(), isF64);
  op.walk([&](ReadOp read) { wide |= isF64(read.getTensor().getType()); });
  Builder b(op.getContext());
  return wide ? b.getF64Type() : b.getF32Type();
}

Type attn::computeType(EinsumOp op, unsigned result) {
  Type element =
      cast<NamedTensorType>(op.getResult(result).getType()).getElementType();
  return isa<FloatType>(element) ? computeReal(op) : scalarTypeOf(element);
}

bool attn::isPlainRead(ReadOp read, EinsumOp op) {
  for (auto [index, rank] :
       llvm::zip(read.getIndices(), read.getTensor().getType().getRanks()))
    if (op.coordinate(rank) != index)
      return false;
  return true;
}

/// Tensors that an operation of a graph body reads, regions included.
static void forEachTensor(Operation *op, function_ref<void(Value)> fn) {
  op->walk([&](Operation *inner) {
    for (Value operand : inner->getOperands())
      if (isa<NamedTensorType>(operand.getType()))
        fn(operand);
  });
}

void attn::eraseDead(CascadeOp cascade) {
  Block &body = cascade.getBody().front();
  llvm::SetVector<Operation *> live;
  live.insert(cascade.getReturn());
  for (size_t i = 0; i < live.size(); ++i)
    forEachTensor(live[i], [&](Value tensor) {
      if (Operation *def = tensor.getDefiningOp())
        if (Operation *top = body.findAncestorOpInBlock(*def))
          live.insert(top);
    });
  SmallVector<Operation *> dead;
  for (Operation &op : body)
    if (!live.contains(&op))
      dead.push_back(&op);
  for (Operation *op : dead)
    op->dropAllReferences();
  for (Operation *op : dead) {
    op->dropAllUses();
    op->erase();
  }
}

StringAttr attn::freshRank(CascadeOp cascade, StringRef base) {
  std::string name = base.str();
  for (int i = 1; cascade.findRank(name); ++i)
    name = (base + "." + Twine(i)).str();
  return StringAttr::get(cascade.getContext(), name);
}

void attn::declareRank(CascadeOp cascade, StringAttr name, ExtentAttr extent) {
  SmallVector<Attribute> ranks(cascade.getRanks().begin(),
                               cascade.getRanks().end());
  ranks.push_back(RankAttr::get(cascade.getContext(), name, extent));
  cascade.setRanksAttr(ArrayAttr::get(cascade.getContext(), ranks));
}

bool attn::isGuarded(EinsumOp op) {
  Value condition = op.guardCondition();
  return condition && !matchPattern(condition, m_One());
}

Value attn::guardAt(ExprBuilder &e, EinsumOp op, const Coordinates &at,
                    function_ref<Value(Operation *)> leaf) {
  Block &block = op.getGuard().front();
  IRMapping mapping =
      substitution(coordinatesOf(strings(op.getSpace()), block), at);
  return cloneExpr(e.b, op.guardCondition(), mapping, leaf);
}

EinsumSpec attn::mapLike(EinsumOp op, StringRef name) {
  auto type = cast<NamedTensorType>(op.getResultTypes()[0]);
  return {name, strings(op.getSpace()), {},
          {},   type.getElementType(),  op.getRounded()};
}
