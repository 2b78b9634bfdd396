//===- InlineMaps.cpp - pure maps into their readers ------------*- C++ -*-===//
// Naming an intermediate never changes a result, so a pure map is put into
// every einsum that reads it inside its domain. What a program named and what
// it wrote in line then look alike to the passes that follow; SplitRanks names
// again what is worth naming.
#include "dialect/Functions.h"
#include "passes/Expr.h"
#include "passes/cascade/Normalise.h"
#include "passes/derive/Compared.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace attn;

/// A map that can stand in its readers: one result, no guard of its own, and
/// not an equation of a recurrence (those are read through attn.equations).
static EinsumOp inlinableMap(Value tensor,
                             const DenseSet<Operation *> &compared) {
  auto op = tensor.getDefiningOp<EinsumOp>();
  if (!op || op.isReduction() || op.getNumResults() != 1 ||
      !op.getGuard().empty() || compared.contains(op))
    return {};
  for (Operation *user : op->getUsers())
    if (isa<EquationsOp>(user))
      return {};
  return op;
}

/// What is stored as `type` already.
static bool isStoredAs(Value value, Type type) {
  if (auto where = value.getDefiningOp<WhereOp>())
    return isStoredAs(where.getValue(), type);
  auto read = value.getDefiningOp<ReadOp>();
  return read && isa<BlockArgument>(read.getTensor()) &&
         read.getTensor().getType().getElementType() == type;
}

/// Replaces reads of maps in `region` by their expressions.
static bool inlineInto(Region &region, const DenseSet<Operation *> &compared) {
  Block &block = region.front();
  bool changed = false;
  for (Operation &op : llvm::make_early_inc_range(block)) {
    auto read = dyn_cast<ReadOp>(op);
    if (!read || read.getBounds() != Bounds::inside)
      continue;
    EinsumOp map = inlinableMap(read.getTensor(), compared);
    if (!map || map->isAncestor(region.getParentOp()))
      continue;
    OpBuilder b(read);
    IRMapping mapping;
    mapping.map(map.getMap().getArguments(), read.getIndices());
    YieldOp yield = map.getMapYield();
    Value value = cloneExpr(b, yield.getOperand(0), mapping);
    Type type = cast<NamedTensorType>(map.getResultTypes()[0]).getElementType();
    if (map.getRounded() && !isStoredAs(value, type))
      value = CastOp::create(b, read.getLoc(), value.getType(), value, type);
    read.getResult().replaceAllUsesWith(value);
    read.erase();
    changed = true;
  }
  return changed;
}

/// STRICT: f(x where p) is f(x) where p. Conditions that say what is stored go
/// outward as far as operators are strict, so that a product of what is read
/// looks like one, and that presence is asked of the whole once.
static void hoistStoredPresence(EinsumOp op) {
  YieldOp yield = op.getMapYield();
  if (yield.getNumOperands() != 1)
    return;
  SmallVector<Value> conditions;
  SmallPtrSet<Operation *, 16> seen;
  std::function<void(OpOperand &)> visit = [&](OpOperand &operand) {
    while (auto where = operand.get().getDefiningOp<WhereOp>()) {
      auto read = where.getValue().getDefiningOp<ReadOp>();
      if (!read || !isa<BlockArgument>(read.getTensor()))
        break;
      if (!llvm::is_contained(conditions, where.getCondition()))
        conditions.push_back(where.getCondition());
      operand.set(read);
    }
    Operation *def = operand.get().getDefiningOp();
    if (!def || def->getBlock() != yield->getBlock() ||
        !seen.insert(def).second)
      return;
    auto map = dyn_cast<MapOp>(def);
    // Of a conjunction one present operand may be enough.
    if ((map && map.getFn() != Fn::and_ && map.getFn() != Fn::or_) ||
        isa<CastOp>(def))
      for (OpOperand &inner : def->getOpOperands())
        visit(inner);
    else if (auto where = dyn_cast<WhereOp>(def))
      visit(where.getValueMutable());
  };
  visit(yield->getOpOperand(0));
  OpBuilder b(yield);
  Value value = yield.getOperand(0);
  for (Value condition : conditions)
    value = WhereOp::create(b, yield.getLoc(), value, condition);
  yield.setOperand(0, value);
}

/// Same operation, attributes and operands: one is enough.
static void shareEqual(Region &region) {
  Block &block = region.front();
  DenseMap<unsigned, SmallVector<Operation *>> seen;
  for (Operation &op : llvm::make_early_inc_range(block)) {
    if (isa<YieldOp>(op))
      continue;
    unsigned hash = OperationEquivalence::computeHash(
        &op, OperationEquivalence::directHashValue,
        OperationEquivalence::ignoreHashValue,
        OperationEquivalence::IgnoreLocations);
    bool found = false;
    for (Operation *other : seen[hash])
      if (OperationEquivalence::isEquivalentTo(
              &op, other, OperationEquivalence::exactValueMatch, nullptr,
              OperationEquivalence::IgnoreLocations)) {
        op.replaceAllUsesWith(other);
        found = true;
        break;
      }
    if (found)
      op.erase();
    else
      seen[hash].push_back(&op);
  }
}

static void eraseUnused(Region &region) {
  for (Operation &op :
       llvm::make_early_inc_range(llvm::reverse(region.front())))
    if (!isa<YieldOp>(op) && op.use_empty())
      op.erase();
}

void attn::inlineMaps(CascadeOp cascade) {
  Block &body = cascade.getBody().front();
  DenseSet<Operation *> compared = comparedWithThemselves(cascade);
  for (Operation &op : body)
    for (Region &region : op.getRegions()) {
      if (region.empty() || isa<KernelOp>(op))
        continue;
      // Maps read maps: until nothing is left. Definitions are well founded and
      // a map that reads itself goes through attn.equations.
      while (inlineInto(region, compared))
        shareEqual(region);
      if (auto einsum = dyn_cast<EinsumOp>(op);
          einsum && &region == &einsum.getMap())
        hoistStoredPresence(einsum);
      eraseUnused(region);
    }
  eraseDead(cascade);
}
