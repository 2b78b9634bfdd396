//===- TileMap.cpp - the map of a tile einsum -------------------*- C++ -*-===//
#include "passes/schedule/TileMap.h"

using namespace mlir;
using namespace attn;

TileMap::TileMap(TileProgram &program, StreamSteps &steps, EinsumOp op,
                 Value root)
    : p(program), steps(steps), op(op), root(dropImplied(root)) {}

/// `where` conditions that the value's presence implies anyway are dropped.
Value TileMap::dropImplied(Value value) {
  while (auto where = value.getDefiningOp<WhereOp>()) {
    auto implied = p.conditions.of(where.getValue());
    // So are those of a guard: nobody reads the result elsewhere.
    if (op.isReduction()) {
      auto guard = p.conditions.of(op);
      implied.insert(guard.begin(), guard.end());
    }
    SmallVector<Value> parts;
    PresenceConditions::conjuncts(where.getCondition(), parts);
    if (!llvm::all_of(parts, [&](Value part) {
          return implied.count(p.conditions.text(part)) > 0;
        }))
      break;
    value = where.getValue();
  }
  return value;
}

//===----------------------------------------------------------------------===//
// Reads
//===----------------------------------------------------------------------===//

/// The contraction of this kernel that is read, if its guard says something.
EinsumOp TileMap::guardedSource(ReadOp read) {
  auto source = read.getTensor().getDefiningOp<EinsumOp>();
  bool hasGuard = source && p.defines(read.getTensor()) &&
                  source.isReduction() && isGuarded(source);
  return hasGuard ? source : EinsumOp();
}

SmallVector<ReadOp> TileMap::readsOf(Value value) {
  SmallVector<ReadOp> reads;
  SmallVector<Value> work{value};
  DenseSet<Value> seen;
  while (!work.empty()) {
    Value next = work.pop_back_val();
    Operation *def = next.getDefiningOp();
    if (!def || !seen.insert(next).second ||
        def->getBlock() != value.getParentBlock())
      continue;
    if (auto read = dyn_cast<ReadOp>(def))
      reads.push_back(read);
    else
      llvm::append_range(work, def->getOperands());
  }
  llvm::sort(reads, [](ReadOp x, ReadOp y) { return x->isBeforeInBlock(y); });
  for (size_t i = 0, n = reads.size(); i < n; ++i)
    if (EinsumOp source = guardedSource(reads[i]))
      llvm::append_range(reads, readsOf(source.guardCondition()));
  return reads;
}

SmallVector<ReadOp> TileMap::reads() {
  SmallVector<ReadOp> reads = readsOf(root);
  if (hasGuard())
    llvm::append_range(reads, readsOf(op.guardCondition()));
  return reads;
}

//===----------------------------------------------------------------------===//
// Values
//===----------------------------------------------------------------------===//

Value TileMap::write(ExprBuilder &e, const Coordinates &at,
                     function_ref<Value(ReadOp)> point) {
  std::function<Value(Value, IRMapping &)> clone;
  auto writeGuard = [&](EinsumOp guarded) {
    IRMapping mapping =
        substitution(coordinatesOf(guarded.getGuard().front()), at);
    return clone(guarded.guardCondition(), mapping);
  };
  auto writeRead = [&](ReadOp read) {
    EinsumOp source = guardedSource(read);
    return source ? e.where(point(read), writeGuard(source)) : point(read);
  };
  // Full steps, and full parts of steps, leave out comparisons that are marked.
  auto writeDecided = [&](MapOp comparison, IRMapping &mapping) {
    SmallVector<Value> sides;
    for (Value side : comparison.getOperands())
      sides.push_back(clone(side, mapping));
    Value result = e.map(comparison.getFn(), sides);
    if (auto made = result.getDefiningOp<MapOp>()) {
      made->setAttr("bounded", e.b.getUnitAttr());
      if (steps.isClassified(comparison))
        made->setAttr("classified", e.b.getUnitAttr());
    }
    return result;
  };
  clone = [&](Value value, IRMapping &mapping) {
    return cloneExpr(e.b, value, mapping, [&](Operation *def) -> Value {
      if (auto read = dyn_cast<ReadOp>(def))
        return writeRead(read);
      auto map = dyn_cast<MapOp>(def);
      return map && steps.isDecided(map) ? writeDecided(map, mapping) : Value();
    });
  };
  IRMapping mapping = substitution(coordinatesOf(op), at);
  Value value = clone(root, mapping);
  return hasGuard() ? e.where(value, writeGuard(op)) : value;
}
