//===- Factors.cpp - stored factors that leave a sum ------------*- C++ -*-===//
// HOIST, of a factor that is known before the sum is begun:
//
//   sum[d](c x) = c sum[d](x)
//
// A scale of codes, one for each key, is multiplied with the score of the key
// and not with each of its elements. Only where that takes fewer products, by
// the extents; and only of what is stored, which is there and a number. The
// result's presence and rounding stay with the result.
//===----------------------------------------------------------------------===//
#include "dialect/PrintExpr.h"
#include "passes/Expr.h"
#include "passes/cascade/Normalise.h"
#include "passes/derive/Laws.h"
#include "passes/derive/Products.h"
#include "passes/derive/TypicalExtents.h"

using namespace mlir;
using namespace attn;

namespace {

class FactorHoist {
public:
  FactorHoist(CascadeOp cascade, TypicalExtents &extents, EinsumOp op)
      : cascade(cascade), extents(extents), op(op),
        dependence(op.getMap().front()), all(op.mapRanks()) {}

  /// True if the sum was replaced.
  bool run();

private:
  bool isFree(Value value);
  double sizeOf(const llvm::SmallBitVector &ranks);
  bool pays(Value factor);
  Value rest(ExprBuilder &e, Value value, IRMapping &mapping);
  void replace();

  CascadeOp cascade;
  TypicalExtents &extents;
  EinsumOp op;
  Dependence dependence;
  Ranks all;
  SmallVector<Value> leaves; // factors of the summand
  llvm::SetVector<Value> hoisted;
};

} // namespace

static MapOp mapOf(Value value, Fn fn) {
  auto map = value.getDefiningOp<MapOp>();
  return map && map.getFn() == fn && isa<FloatType>(map.getType()) ? map
                                                                   : MapOp();
}

/// Stored, there, and the same for all that is summed.
bool FactorHoist::isFree(Value value) {
  auto read = value.getDefiningOp<ReadOp>();
  if (!read || !isa<BlockArgument>(read.getTensor()) ||
      read.getBounds() != Bounds::inside || !isa<FloatType>(read.getType()))
    return false;
  return dependence.of(value).find_next(op.getSpace().size() - 1) < 0;
}

double FactorHoist::sizeOf(const llvm::SmallBitVector &ranks) {
  double size = 1;
  for (int i : ranks.set_bits())
    size *= extents.of(all[i]);
  return size;
}

/// A product a point of the result is less than one a point of the smallest
/// factor that has the ranks of this one.
bool FactorHoist::pays(Value factor) {
  llvm::SmallBitVector box(all.size(), true), result(all.size());
  result.set(0, op.getSpace().size());
  double within = sizeOf(box);
  for (Value other : leaves) {
    llvm::SmallBitVector missing = dependence.of(factor);
    missing.reset(dependence.of(other));
    if (other != factor && missing.none())
      within = std::min(within, sizeOf(dependence.of(other)));
  }
  return sizeOf(result) < within;
}

/// The summand without what leaves it; null: nothing is left.
Value FactorHoist::rest(ExprBuilder &e, Value value, IRMapping &mapping) {
  if (hoisted.contains(value))
    return {};
  auto copy = [&](Value operand) { return cloneExpr(e.b, operand, mapping); };
  if (auto where = value.getDefiningOp<WhereOp>())
    return e.where(rest(e, where.getValue(), mapping),
                   copy(where.getCondition()));
  if (auto map = mapOf(value, Fn::mul)) {
    Value x = rest(e, map.getOperand(0), mapping);
    Value y = rest(e, map.getOperand(1), mapping);
    return x && y ? e.map(Fn::mul, {x, y}) : x ? x : y;
  }
  if (auto map = mapOf(value, Fn::div)) {
    Value x = rest(e, map.getOperand(0), mapping);
    return e.map(Fn::div, {x ? x : e.real(1), copy(map.getOperand(1))});
  }
  return copy(value);
}

void FactorHoist::replace() {
  std::string own = tensorName(op.getResult(0)).str(), name = own + ".rest";
  OpBuilder outer(op);
  auto guard = [&](ExprBuilder &e, Coordinates &at) {
    return guardAt(e, op, at);
  };
  EinsumSpec inner{name, strings(op.getSpace()), strings(op.getReduced()),
                   op.getMonoidAttr(), computeReal(op)};
  EinsumOp sum = buildEinsum(
      outer, op.getLoc(), inner,
      [&](ExprBuilder &e, Coordinates &at) {
        IRMapping mapping = substitution(coordinatesOf(op), at);
        return rest(e, op.getMapYield().getOperand(0), mapping);
      },
      guard);
  EinsumOp whole = buildEinsum(
      outer, op.getLoc(), mapLike(op, own),
      [&](ExprBuilder &e, Coordinates &at) {
        Value value = e.read(sum.getResult(0), at);
        IRMapping mapping = substitution(coordinatesOf(op), at);
        for (Value factor : hoisted)
          value = e.map(Fn::mul, {value, cloneExpr(e.b, factor, mapping)});
        if (isGuarded(op))
          value = e.where(value, guard(e, at));
        return value;
      });
  op.getResult(0).replaceAllUsesWith(whole.getResult(0));
  noteLaw(cascade, Law::HoistStored, own);
  op.erase();
}

bool FactorHoist::run() {
  leaves = factorsOf(op.getMapYield().getOperand(0));
  for (Value leaf : leaves)
    if (isFree(leaf) && pays(leaf))
      hoisted.insert(leaf);
  // A summand of nothing but such factors counts points.
  bool isEmpty =
      llvm::all_of(leaves, [&](Value leaf) { return hoisted.contains(leaf); });
  if (hoisted.empty() || isEmpty)
    return false;
  replace();
  return true;
}

/// Its result is points of other definitions: the product is made on the way.
static bool isOperand(EinsumOp op) {
  return llvm::all_of(op.getResult(0).getUsers(),
                      [](Operation *user) { return isa<ReadOp>(user); });
}

void attn::hoistFactors(CascadeOp cascade) {
  TypicalExtents extents(cascade);
  SmallVector<EinsumOp> sums;
  for (auto op : cascade.getBody().front().getOps<EinsumOp>())
    if (op.getNumResults() == 1 && op.builtinReduce() == Reduce::sum &&
        isa<FloatType>(op.getMapYield().getOperand(0).getType()) &&
        !op.getSpace().empty() && !op.getGuard().empty() &&
        !op->hasAttr("attn.scc") && !op->hasAttr(kOnceName) && isOperand(op))
      sums.push_back(op);
  bool changed = false;
  for (EinsumOp op : sums)
    changed |= FactorHoist(cascade, extents, op).run();
  if (changed)
    renormalise(cascade);
}
