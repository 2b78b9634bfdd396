//===- Diagonals.cpp - of a reduction, the points that are read -*- C++ -*-===//
// DEMAND: a reduction that is read at a diagonal is computed there, without the
// tensor around it:
//
//   S[m,n] = sum[d](Q[m,d] K[n,d]):   S[m,m] = sum[d](Q[m,d] K[m,d])
#include "dialect/PrintExpr.h"
#include "passes/Expr.h"
#include "passes/derive/Laws.h"

using namespace mlir;
using namespace attn;

/// The extent as a rank or a number: what it was declared equal to.
static Attribute extentOf(CascadeOp cascade, StringAttr rank) {
  for (size_t hops = 0; hops < cascade.getRanks().size(); ++hops) {
    ExtentAttr extent = cascade.findRank(rank.getValue()).getExtent();
    if (!extent)
      break;
    if (extent.getConstant())
      return extent;
    if (!extent.getRank())
      break;
    rank = extent.getRank();
  }
  return rank;
}

/// Coordinates of `op` at which `read` reads each axis, if some occurs twice
/// and all run over the whole axis; else none.
static Ranks diagonalOf(CascadeOp cascade, ReadOp read, EinsumOp op) {
  Block &block = *read->getBlock();
  Ranks names = strings(op.getSpace());
  if (block.getParent() == &op.getMap())
    llvm::append_range(names, strings(op.getReduced()));
  Ranks result;
  bool isRepeated = false;
  for (auto [index, axis] :
       llvm::zip(read.getIndices(), read.getTensor().getType().getRanks())) {
    auto argument = dyn_cast<BlockArgument>(index);
    if (!argument || argument.getOwner() != &block)
      return {};
    StringAttr name = names[argument.getArgNumber()];
    if (extentOf(cascade, name) != extentOf(cascade, axis))
      return {};
    isRepeated |= llvm::is_contained(result, name);
    result.push_back(name);
  }
  return isRepeated ? result : Ranks();
}

/// The reduction over the points of the diagonal alone, its ranks in the order
/// in which they occur.
static Value diagonal(CascadeOp cascade, EinsumOp op, RankRef at) {
  OpBuilder b(op);
  std::string name = (tensorName(op.getResult(0)) + ".diagonal").str();
  EinsumSpec spec;
  spec.name = name;
  for (StringAttr rank : at)
    if (!llvm::is_contained(spec.space, rank))
      spec.space.push_back(rank);
  Ranks reduced = strings(op.getReduced());
  for (StringAttr rank : reduced) {
    // A coordinate may have the name of a reduced rank.
    if (llvm::is_contained(spec.space, rank)) {
      StringAttr fresh = freshRank(cascade, rank.getValue());
      declareRank(cascade, fresh, ExtentAttr::of(rank));
      rank = fresh;
    }
    spec.reduced.push_back(rank);
  }
  spec.monoid = op.getMonoidAttr();
  spec.element = cast<NamedTensorType>(op.getResultTypes()[0]).getElementType();
  spec.rounded = op.getRounded();
  auto copy = [&](ExprBuilder &e, Coordinates &here, Block &block) {
    IRMapping mapping;
    unsigned i = 0;
    for (StringAttr rank : at)
      mapping.map(block.getArgument(i++), here.lookup(rank));
    if (block.getParent() == &op.getMap())
      for (StringAttr rank : spec.reduced)
        mapping.map(block.getArgument(i++), here.lookup(rank));
    return cloneExpr(e.b, cast<YieldOp>(block.back()).getOperand(0), mapping);
  };
  auto map = [&](ExprBuilder &e, Coordinates &here) {
    return copy(e, here, op.getMap().front());
  };
  auto guard = [&](ExprBuilder &e, Coordinates &here) {
    return copy(e, here, op.getGuard().front());
  };
  return buildEinsum(b, op.getLoc(), spec, map,
                     op.getGuard().empty() ? ExprFn() : ExprFn(guard))
      .getResult(0);
}

void attn::readDiagonals(CascadeOp cascade) {
  bool changed = false;
  SmallVector<EinsumOp> work(cascade.getBody().front().getOps<EinsumOp>());
  for (size_t i = 0; i < work.size(); ++i) {
    EinsumOp op = work[i];
    SmallVector<ReadOp> reads;
    op->walk([&](ReadOp read) { reads.push_back(read); });
    for (ReadOp read : reads) {
      auto source = read.getTensor().getDefiningOp<EinsumOp>();
      if (!source || !source.isReduction() || source.getNumResults() != 1 ||
          source->hasAttr("attn.scc") || read.getBounds() == Bounds::data)
        continue;
      Ranks at = diagonalOf(cascade, read, op);
      if (at.empty())
        continue;
      noteLaw(cascade, Law::Demand, tensorName(source.getResult(0)));
      Value tensor = diagonal(cascade, source, at);
      work.push_back(tensor.getDefiningOp<EinsumOp>());
      Ranks names = strings(op.getSpace());
      if (read->getParentRegion() == &op.getMap())
        llvm::append_range(names, strings(op.getReduced()));
      OpBuilder here(read);
      ExprBuilder e(here, read.getLoc());
      read.getResult().replaceAllUsesWith(
          e.read(tensor, coordinatesOf(names, *read->getBlock())));
      read.erase();
      changed = true;
    }
  }
  if (changed)
    renormalise(cascade);
}
