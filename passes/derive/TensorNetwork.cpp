//===- TensorNetwork.cpp - nested sums of products as one -------*- C++ -*-===//
#include "passes/derive/TensorNetwork.h"
#include "dialect/PrintExpr.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace attn;

static bool isConstant(Value value) {
  return isa_and_nonnull<arith::ConstantOp, ExtentOp>(value.getDefiningOp()) ||
         (value.getDefiningOp<MapOp>() &&
          llvm::all_of(value.getDefiningOp()->getOperands(), isConstant));
}

bool Leaf::isConstant() const { return ::isConstant(value); }

/// Some operation of the expression is such a one.
static bool anyOperation(Value value, function_ref<bool(Operation *)> test) {
  Operation *def = value.getDefiningOp();
  if (!def || isa<NamedTensorType>(value.getType()))
    return false;
  return test(def) || llvm::any_of(def->getOperands(), [&](Value operand) {
           return anyOperation(operand, test);
         });
}

static bool mayBeAbsent(Operation *def) {
  auto read = dyn_cast<ReadOp>(def);
  if (!read)
    return isa<WhereOp, ElseOp>(def);
  if (read.getBounds() != Bounds::inside)
    return true;
  if (isa<BlockArgument>(read.getTensor()))
    return false;
  auto einsum = read.getTensor().getDefiningOp<EinsumOp>();
  if (!einsum || einsum.getNumResults() != 1 || isGuarded(einsum))
    return true;
  return einsum.isReduction()
             ? einsum.builtinReduce() != Reduce::sum
             : anyOperation(einsum.getMapYield().getOperand(0), mayBeAbsent);
}

//===----------------------------------------------------------------------===//
// Multiplying out
//===----------------------------------------------------------------------===//

/// The conditions that a conjunction is made of.
void TensorNetwork::addConditions(ExprBuilder &e, Value condition,
                                  IRMapping &coordinates) {
  SmallVector<Value> work{condition};
  while (!work.empty()) {
    Value next = work.pop_back_val();
    auto map = next.getDefiningOp<MapOp>();
    if (map && map.getFn() == Fn::and_)
      llvm::append_range(work, map.getOperands());
    else if (!matchPattern(next, m_One()))
      conditions.push_back(cloneExpr(e.b, next, coordinates));
  }
}

/// Factors of `value` become leaves, and those of the sums that it reads.
void TensorNetwork::addLeaves(ExprBuilder &e, Coordinates &at, Value value,
                              Site &site, bool divides) {
  if (auto where = value.getDefiningOp<WhereOp>(); where && !divides) {
    addConditions(e, where.getCondition(), site.coordinates);
    return addLeaves(e, at, where.getValue(), site);
  }
  if (isProduct(value)) {
    auto map = value.getDefiningOp<MapOp>();
    bool isQuotient = map.getFn() == Fn::div;
    if (!isQuotient || !divides) {
      addLeaves(e, at, map.getOperand(0), site, divides);
      return addLeaves(e, at, map.getOperand(1), site, divides || isQuotient);
    }
  }
  auto read = value.getDefiningOp<ReadOp>();
  if (EinsumOp sum = read && !divides ? products.of(read) : EinsumOp())
    return addNested(e, at, read, sum, site);
  sums[site.sum].leaves.push_back(leaves.size());
  leaves.push_back(
      {cloneExpr(e.b, value, site.coordinates), divides, {}, false});
}

/// Factors of a sum, or of a map, at the indices of `read`.
void TensorNetwork::addNested(ExprBuilder &e, Coordinates &at, ReadOp read,
                              EinsumOp sum, Site &site) {
  Site inner{{}, site.sum};
  IRMapping guard;
  SmallVector<Value> indices;
  for (Value index : read.getIndices())
    indices.push_back(cloneExpr(e.b, index, site.coordinates));
  for (auto [i, index] : llvm::enumerate(indices)) {
    inner.coordinates.map(sum.getMap().getArgument(i), index);
    if (sum.isReduction())
      guard.map(sum.getGuard().getArgument(i), index);
  }
  for (auto [i, rank] : llvm::enumerate(products.reducedBy(sum)))
    inner.coordinates.map(sum.getMap().getArgument(indices.size() + i),
                          at[rank]);
  if (isGuarded(sum))
    addConditions(e, sum.guardCondition(), guard);
  if (sum.isReduction()) { // the factors of a map are the reader's
    inner.sum = sums.size();
    sums[site.sum].nested.push_back(inner.sum);
    WrittenSum &written = sums.emplace_back();
    written.op = sum;
    written.ranks = RankSet(ranks.size());
    // Coordinates of the network alone: its block is known.
    Dependence dependence(*e.b.getBlock());
    for (Value index : indices)
      written.ranks |= dependence.of(index);
  }
  addLeaves(e, at, sum.getMapYield().getOperand(0), inner);
}

//===----------------------------------------------------------------------===//
// The network
//===----------------------------------------------------------------------===//

TensorNetwork::TensorNetwork(EinsumOp root, const NestedProducts &products,
                             TypicalExtents &extents)
    : root(root), products(products), ranks(products.ranks) {
  size_t kept = root.getSpace().size();
  result = reduced = RankSet(ranks.size());
  result.set(0, kept);
  reduced.set(kept, ranks.size());
  sums.push_back({root, result, {}, {}});
  std::string name = tensorName(root.getResult(0)).str();
  RankRef all = ranks;
  EinsumSpec spec{name, Ranks(all.take_front(kept)),
                  Ranks(all.drop_front(kept)), root.getMonoidAttr(),
                  computeReal(root)};
  OpBuilder b(root);
  body =
      buildEinsum(b, root.getLoc(), spec, [&](ExprBuilder &e, Coordinates &at) {
        Site site{{}, 0};
        for (auto &[rank, argument] : coordinatesOf(root))
          site.coordinates.map(argument, at[rank]);
        addLeaves(e, at, root.getMapYield().getOperand(0), site);
        return leaves.front().value;
      });
  for (Leaf &leaf : leaves) {
    leaf.ranks = ranksOf(leaf.value);
    leaf.mayBeAbsent = anyOperation(leaf.value, ::mayBeAbsent);
  }
  for (unsigned i : sums.front().leaves)
    if (const Leaf &leaf = leaves[i];
        !leaf.divides && leaf.ranks.anyCommon(reduced) &&
        isStreamed(leaf.value, leaf.ranks, ranks, extents))
      streamLeaf = i;
}

RankSet TensorNetwork::ranksOf(Value value) {
  return Dependence(block()).of(value);
}

Value TensorNetwork::valueAt(ExprBuilder &e, const Coordinates &at,
                             Value value) {
  IRMapping mapping = substitution(coordinatesOf(ranks, block()), at);
  return cloneExpr(e.b, value, mapping);
}
