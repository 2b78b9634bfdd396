//===- NestedProducts.cpp - sums of products in one another -----*- C++ -*-===//
#include "passes/derive/NestedProducts.h"
#include "dialect/PrintExpr.h"
#include "passes/derive/Laws.h"

using namespace mlir;
using namespace attn;

bool attn::isRealSum(EinsumOp op) {
  return op.getNumResults() == 1 && op.builtinReduce() == Reduce::sum &&
         isa<FloatType>(op.getMapYield().getOperand(0).getType()) &&
         !op.getGuard().empty() && !op->hasAttr("attn.scc");
}

static void addReaders(Value tensor, llvm::SetVector<Operation *> &readers) {
  for (Operation *user : tensor.getUsers()) {
    auto reader =
        isa<ReadOp>(user) ? user->getParentOfType<EinsumOp>() : EinsumOp();
    if (reader && !reader.isReduction())
      addReaders(reader.getResult(0), readers);
    else
      readers.insert(reader);
  }
}

llvm::SetVector<Operation *> attn::readersOf(Value tensor) {
  llvm::SetVector<Operation *> readers;
  addReaders(tensor, readers);
  return readers;
}

//===----------------------------------------------------------------------===//
// Factors
//===----------------------------------------------------------------------===//

bool attn::isStreamed(Value factor, const RankSet &used, RankRef ranks,
                      TypicalExtents &extents) {
  auto read = factor.getDefiningOp<ReadOp>();
  if (read && isa<BlockArgument>(read.getTensor()))
    return false;
  return llvm::count_if(used.set_bits(), [&](int i) {
           return extents.isSequence(ranks[i]);
         }) > 1;
}

/// The value is a product that has the tensor as a factor, in maps too.
static bool isFactor(Value tensor, Value value) {
  return llvm::any_of(factorsOf(value), [&](Value factor) {
    auto read = factor.getDefiningOp<ReadOp>();
    if (!read || read.getTensor() == tensor)
      return read != nullptr;
    auto map = read.getTensor().getDefiningOp<EinsumOp>();
    return map && !map.isReduction() && map.getNumResults() == 1 &&
           isFactor(tensor, map.getMapYield().getOperand(0));
  });
}

//===----------------------------------------------------------------------===//
// Nested sums
//===----------------------------------------------------------------------===//

/// What a stream computes point by point stays the summand of its own sum.
bool NestedProducts::hasStreamedFactor(EinsumOp sum) {
  Dependence dependence(sum.getMap().front());
  Ranks all = sum.mapRanks();
  auto factors = factorsOf(sum.getMapYield().getOperand(0), /*divisors=*/true);
  return llvm::any_of(factors, [&](Value factor) {
    return isStreamed(factor, dependence.of(factor), all, extents);
  });
}

/// The sum that `read` reads, if it can be multiplied out.
EinsumOp NestedProducts::nestedSum(ReadOp read) {
  auto sum = read.getTensor().getDefiningOp<EinsumOp>();
  if (!sum || read.getBounds() != Bounds::inside || opaque.contains(read) ||
      !isRealSum(sum))
    return {};
  // Where others need its points, they are there for this sum too.
  for (Operation *reader : readersOf(sum.getResult(0)))
    if (!reader || !isRealSum(cast<EinsumOp>(reader)) ||
        !isFactor(sum.getResult(0),
                  cast<EinsumOp>(reader).getMapYield().getOperand(0)))
      return {};
  if (sum.getRounded() || computeReal(sum) != computeReal(root)) {
    noteRefusal(cascade, Law::Reassoc, tensorName(root.getResult(0)),
                tensorName(sum.getResult(0)) +
                    (sum.getRounded() ? " is rounded" : " has another type"));
    return {};
  }
  return hasStreamedFactor(sum) ? EinsumOp() : sum;
}

/// The map that `read` reads, if sums can be multiplied out of it.
EinsumOp NestedProducts::nestedMap(ReadOp read) {
  auto map = read.getTensor().getDefiningOp<EinsumOp>();
  if (!map || read.getBounds() != Bounds::inside || map.isReduction() ||
      map.getNumResults() != 1 || map.getRounded() || !map.getGuard().empty() ||
      !hasNestedSum(map.getMapYield().getOperand(0)))
    return {};
  return map;
}

bool NestedProducts::hasNestedSum(Value value) {
  return llvm::any_of(factorsOf(value), [&](Value factor) {
    auto read = factor.getDefiningOp<ReadOp>();
    return read && (nestedSum(read) || nestedMap(read));
  });
}

/// A name for each rank that `sum` reduces: one of its own where others reduce
/// the rank, since of two sums in a row one may keep it while the other is on
/// its way.
void NestedProducts::nameRanks(EinsumOp sum) {
  auto isReducedElsewhere = [&](StringAttr rank) {
    return llvm::any_of(
        cascade.getBody().front().getOps<EinsumOp>(), [&](EinsumOp other) {
          return other != sum && other != root &&
                 llvm::is_contained(strings(other.getReduced()), rank);
        });
  };
  Ranks &names = own[sum];
  for (StringAttr rank : strings(sum.getReduced())) {
    StringAttr name = rank;
    bool isFree = !llvm::is_contained(ranks, rank) && !isReducedElsewhere(rank);
    for (int i = 1; !isFree; ++i) {
      name =
          StringAttr::get(root.getContext(), rank.getValue() + "." + Twine(i));
      isFree = !llvm::is_contained(ranks, name) && !cascade.findRank(name);
    }
    if (name != rank)
      copies.push_back({name, rank});
    names.push_back(name);
    ranks.push_back(name);
  }
}

/// Nested sums among the factors of `value`, each at most once. False: one was
/// read twice, and its other read is opaque now.
bool NestedProducts::find(Value value) {
  bool isSettled = true;
  for (Value factor : factorsOf(value)) {
    auto read = factor.getDefiningOp<ReadOp>();
    EinsumOp sum = read ? nestedSum(read) : EinsumOp();
    if (read && !sum)
      sum = nestedMap(read);
    if (!sum)
      continue;
    if (own.count(sum)) { // a square: two sums, not one
      for (auto &[other, known] : sums)
        if (known == sum)
          isSettled &= !opaque.insert(other).second;
      continue;
    }
    sums[read] = sum;
    nameRanks(sum);
    isSettled &= find(sum.getMapYield().getOperand(0));
  }
  return isSettled;
}

NestedProducts::NestedProducts(EinsumOp root, TypicalExtents &extents,
                               DenseSet<Operation *> &opaque)
    : root(root), cascade(root->getParentOfType<CascadeOp>()), extents(extents),
      opaque(opaque) {
  bool isSettled = false;
  while (!isSettled) {
    sums.clear();
    copies.clear();
    own.clear();
    ranks = root.mapRanks();
    isSettled = find(root.getMapYield().getOperand(0));
  }
}
