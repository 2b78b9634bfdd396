//===- NestSums.cpp - a reduction over rows of reductions -------*- C++ -*-===//
// NEST: what is reduced over rows and their points too, with statistics of the
// row in its map, is reduced over the points first. The inner reduction then
// streams with the statistics:
//
//   sum[m,n](exp(S - max[n](S))) = sum[m](sum[n](exp(S - max[n](S))))
#include "dialect/PrintExpr.h"
#include "passes/Expr.h"
#include "passes/derive/Form.h"
#include "passes/derive/Laws.h"

using namespace mlir;
using namespace attn;

/// True if the points over `rank` that `op` reduces need a statistic over it
/// that keeps another rank of what is reduced.
static bool needsStatistic(EinsumOp op, StringAttr rank) {
  SmallVector<Operation *> work{op};
  DenseSet<Operation *> seen;
  bool found = false;
  while (!work.empty() && !found)
    work.pop_back_val()->walk([&](ReadOp read) {
      auto def = read.getTensor().getDefiningOp<EinsumOp>();
      if (!def || !seen.insert(def).second)
        return;
      bool isPoint = llvm::is_contained(def.getSpace(), rank);
      bool isRow = !isPoint && llvm::any_of(def.getSpace(), [&](Attribute r) {
        return llvm::is_contained(op.getReduced(), r);
      });
      found |=
          isRow && def.getReduced().size() == 1 && def.getReduced()[0] == rank;
      if ((isPoint || isRow) && !def.isReduction())
        work.push_back(def);
    });
  return found;
}

/// A reduction of reductions of the same kind is one.
static bool nests(EinsumOp op) {
  auto kind = op.builtinReduce();
  return kind && combinerOf(*kind) && *kind != Reduce::count &&
         op.getNumResults() == 1 && op.getReduced().size() > 1 &&
         !op->hasAttr("attn.scc");
}

static void nest(EinsumOp op, StringAttr rank) {
  OpBuilder b(op);
  std::string own = tensorName(op.getResult(0)).str(), name = own + ".row";
  Type element = cast<NamedTensorType>(op.getResultTypes()[0]).getElementType();
  Type real = op.getMapYield().getOperand(0).getType();
  auto guard = [&](ExprBuilder &e, Coordinates &at) {
    return guardAt(e, op, at);
  };
  Ranks outer;
  for (StringAttr reduced : strings(op.getReduced()))
    if (reduced != rank)
      outer.push_back(reduced);
  EinsumSpec row{name,
                 strings(op.getSpace()),
                 {rank},
                 op.getMonoidAttr(),
                 isa<FloatType>(real) ? computeReal(op) : element};
  llvm::append_range(row.space, outer);
  EinsumOp inner = buildEinsum(
      b, op.getLoc(), row,
      [&](ExprBuilder &e, Coordinates &at) {
        IRMapping mapping = substitution(coordinatesOf(op), at);
        return cloneExpr(e.b, op.getMapYield().getOperand(0), mapping);
      },
      guard);
  EinsumSpec all{own,     strings(op.getSpace()), outer, op.getMonoidAttr(),
                 element, op.getRounded()};
  EinsumOp result = buildEinsum(
      b, op.getLoc(), all,
      [&](ExprBuilder &e, Coordinates &at) {
        return e.read(inner.getResult(0), at);
      },
      guard);
  op.getResult(0).replaceAllUsesWith(result.getResult(0));
  op.erase();
}

void attn::nestSums(CascadeOp cascade) {
  bool changed = false;
  SmallVector<EinsumOp> all(cascade.getBody().front().getOps<EinsumOp>());
  for (EinsumOp op : all) {
    if (!nests(op) || op.getGuard().empty())
      continue;
    Ranks inner = strings(op.getReduced());
    llvm::erase_if(inner,
                   [&](StringAttr rank) { return !needsStatistic(op, rank); });
    if (inner.size() != 1)
      continue;
    noteLaw(cascade, Law::Nest, tensorName(op.getResult(0)));
    nest(op, inner.front());
    changed = true;
  }
  if (changed)
    renormalise(cascade);
}
