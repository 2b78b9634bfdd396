//===- Reassociate.cpp - the order of nested contractions -------*- C++ -*-===//
// REASSOC: a sum of products whose factors are sums of products is one product
// of many tensors, and any order of pairwise contractions computes it:
//
//   sum[n](sum[f](a b) v) = sum[f](a sum[n](b v))
//
// (the generalised distributive law; contraction orders of tensor networks).
// The sum multiplied out is a TensorNetwork, the order comes from the extents
// (ContractionOrder.cpp), and ContractionWriter.cpp writes it. Here is what the
// law asks for: a condition stays with a factor that has its ranks, and where
// none has, nothing moves across it.
#include "dialect/PrintExpr.h"
#include "passes/cascade/Normalise.h"
#include "passes/derive/ContractionOrder.h"
#include "passes/derive/ContractionWriter.h"
#include "passes/derive/Laws.h"

using namespace mlir;
using namespace attn;

//===----------------------------------------------------------------------===//
// What stands where
//===----------------------------------------------------------------------===//

/// The smallest factor with all of `ranks`, but for `self`; a computed one, if
/// `isComputed`.
static std::optional<unsigned> coverOf(TensorNetwork &network,
                                       TypicalExtents &extents,
                                       const RankSet &ranks, bool isComputed,
                                       std::optional<unsigned> self = {}) {
  std::optional<unsigned> best;
  double least = 0;
  for (auto [i, leaf] : llvm::enumerate(network.leaves)) {
    if (leaf.divides || !leaf.value || i == self ||
        (isComputed && leaf.isRead()))
      continue;
    RankSet missing = ranks;
    missing.reset(leaf.ranks);
    if (missing.any())
      continue;
    double size = 1;
    for (int rank : leaf.ranks.set_bits())
      size *= extents.of(network.ranks[rank]);
    if (!best || size < least) {
      best = i;
      least = size;
    }
  }
  return best;
}

/// Each condition goes to a factor; returns the first that fits none.
static Value placeConditions(TensorNetwork &network, TypicalExtents &extents) {
  OpBuilder b(network.block().getTerminator());
  for (Value condition : network.conditions) {
    auto cover = coverOf(network, extents, network.ranksOf(condition),
                         /*isComputed=*/false);
    if (!cover)
      return condition;
    Value &value = network.leaves[*cover].value;
    value = WhereOp::create(b, network.root.getLoc(), value, condition);
  }
  return {};
}

/// Factors whose ranks another one has are multiplied into it; those that lack
/// all reduced ranks leave the sum, unless a computed factor has them.
static void placeFactors(TensorNetwork &network, TypicalExtents &extents) {
  OpBuilder b(network.block().getTerminator());
  ExprBuilder e(b, network.root.getLoc());
  for (auto [i, leaf] : llvm::enumerate(network.leaves)) {
    bool isFree = !leaf.ranks.anyCommon(network.reduced);
    auto cover =
        coverOf(network, extents, leaf.ranks, /*isComputed=*/isFree, i);
    if (cover) {
      Value &into = network.leaves[*cover].value;
      into = MapOp::create(b, e.loc, leaf.divides ? Fn::div : Fn::mul,
                           ValueRange{into, leaf.value});
      leaf.value = {};
    } else if (isFree) {
      network.outer.push_back(leaf);
      leaf.value = {};
    } else if (leaf.divides) {
      leaf.value = e.map(Fn::div, {e.real(1), leaf.value});
      leaf.divides = false;
    }
  }
}

/// A factor of the result that may be no number must not meet the sum of
/// nothing: whether there is a point has to be plain.
static bool mayHoist(const TensorNetwork &network) {
  bool areNumbers = llvm::all_of(network.outer, [](const Leaf &factor) {
    auto read = factor.value.getDefiningOp<ReadOp>();
    return read ? !factor.divides && isa<BlockArgument>(read.getTensor())
                : factor.isConstant();
  });
  return areNumbers || llvm::none_of(network.leaves, [](const Leaf &leaf) {
           return leaf.mayBeAbsent;
         });
}

//===----------------------------------------------------------------------===//
// The law
//===----------------------------------------------------------------------===//

/// The nested sums that a condition over `ranks` is a mask of stay as they are;
/// all, where it is a mask of none that is left.
static void makeOpaque(const TensorNetwork &network, const RankSet &ranks,
                       DenseSet<Operation *> &opaque) {
  size_t before = opaque.size();
  for (auto &[read, sum] : network.products.sums) {
    auto written = llvm::find_if(
        network.sums, [&, s = sum](auto &other) { return other.op == s; });
    if (written == network.sums.end())
      continue; // a map
    RankSet missing = ranks;
    missing.reset(written->ranks);
    if (missing.none())
      opaque.insert(read);
  }
  if (opaque.size() == before)
    for (auto &[read, sum] : network.products.sums)
      opaque.insert(read);
}

/// True if the sum was replaced. What a condition bars is left as it is, and
/// the rest tried again.
static bool reassociateSum(EinsumOp op, TypicalExtents &extents) {
  auto cascade = op->getParentOfType<CascadeOp>();
  std::string name = tensorName(op.getResult(0)).str();
  DenseSet<Operation *> opaque;
  while (true) {
    NestedProducts products(op, extents, opaque);
    if (products.empty())
      return false;
    TensorNetwork network(op, products, extents);
    Value between = placeConditions(network, extents);
    placeFactors(network, extents);
    auto plan = cheaperOrder(network, extents);
    if (!between && !plan)
      return false;
    if (!between && mayHoist(network)) {
      op.getResult(0).replaceAllUsesWith(writeContractions(network, *plan));
      noteLaw(cascade, Law::Reassoc, name);
      return true;
    }
    if (plan)
      noteRefusal(
          cascade, Law::Reassoc, name,
          between
              ? printExpr(between) + " stands between"
              : "a factor that may be no number would meet a sum of nothing");
    makeOpaque(network, between ? network.ranksOf(between) : RankSet(), opaque);
  }
}

void attn::reassociate(CascadeOp cascade) {
  bool changed = false;
  // An order that is the best for one sum may undo that of another.
  size_t left = llvm::range_size(cascade.getBody().front());
  for (bool again = true; again && left--;) {
    again = false;
    TypicalExtents extents(cascade);
    SmallVector<EinsumOp> sums;
    for (auto op : cascade.getBody().front().getOps<EinsumOp>())
      if (isRealSum(op) && !op.getSpace().empty())
        sums.push_back(op);
    for (EinsumOp op : sums)
      if (reassociateSum(op, extents)) {
        op.erase();
        // Definitions that it read may be gone.
        eraseDead(cascade);
        again = changed = true;
        break;
      }
  }
  if (!changed)
    return;
  splitRanks(cascade);
  shareEinsums(cascade.getBody().front());
}
