//===- RankUse.cpp - how definitions meet a rank's fibre --------*- C++ -*-===//
#include "passes/derive/RankUse.h"

using namespace mlir;
using namespace attn;

//===----------------------------------------------------------------------===//
// The family of a rank
//===----------------------------------------------------------------------===//

/// A whole that is nothing but its parts: who walks it walks each of them.
static bool isComputed(CascadeOp cascade, StringAttr whole) {
  RankAttr rank = cascade.findRank(whole.getValue());
  return rank && rank.getExtent();
}

/// The rank, its parts, what it was joined into, and the tiles that a kernel
/// streams it in.
void RankFamily::add(StringAttr rank) {
  if (contains(rank))
    return;
  addWithTiles(rank);
  for (Attribute relation : cascade.getRelations()) {
    if (auto product = dyn_cast<ProductAttr>(relation)) {
      if (product.getWhole() == rank) {
        groups.push_back({rank, Ranks(product.getParts())});
        for (StringAttr part : product.getParts())
          add(part);
      } else if (llvm::is_contained(product.getParts(), rank) &&
                 isComputed(cascade, product.getWhole())) {
        groups.push_back({rank, {product.getWhole()}});
        addWithTiles(product.getWhole());
      }
    } else if (auto sum = cast<SumAttr>(relation); sum.getWhole() == rank) {
      for (StringAttr part : sum.getParts()) {
        groups.push_back({rank, {part}});
        add(part);
      }
    }
  }
}

void RankFamily::addWithTiles(StringAttr rank) {
  members.insert(rank);
  cascade.walk([&](KernelOp kernel) {
    ScheduleAttr schedule = kernel.getScheduleAttr();
    if (!schedule || !schedule.getStream())
      return;
    RankAttr stream = cascade.findRank(schedule.getStream().getValue());
    if (!stream || !stream.getExtent() ||
        !llvm::is_contained(stream.getExtent().getRanks(), rank))
      return;
    Ranks tiles{stream.getName()};
    if (schedule.getTile())
      for (NamedAttribute tile : schedule.getTile())
        tiles.push_back(tile.getName());
    members.insert(tiles.begin(), tiles.end());
    groups.push_back({rank, tiles});
  });
}

/// True if points over these ranks are points of the whole fibre, not of parts
/// of it alone.
bool RankFamily::covers(RankRef ranks) const {
  DenseSet<StringAttr> known(ranks.begin(), ranks.end());
  // Parts of parts come last.
  for (auto &[whole, parts] : llvm::reverse(groups))
    if (llvm::all_of(parts,
                     [&](StringAttr part) { return known.contains(part); }))
      known.insert(whole);
  return known.contains(rank);
}

//===----------------------------------------------------------------------===//
// Reads
//===----------------------------------------------------------------------===//

/// What defines a tensor, through the boundaries of kernels.
Operation *attn::definitionBehind(Value tensor) {
  Operation *op = tensor.getDefiningOp();
  if (auto kernel = dyn_cast_or_null<KernelOp>(op))
    return definitionBehind(
        kernel.getReturn()
            .getOutputs()[cast<OpResult>(tensor).getResultNumber()]);
  return op;
}

static bool isData(Value index) {
  SmallVector<Value> work{index};
  while (!work.empty()) {
    Operation *op = work.pop_back_val().getDefiningOp();
    if (!op)
      continue;
    if (isa<ReadOp>(op))
      return true;
    llvm::append_range(work, op->getOperands());
  }
  return false;
}

/// Names of a region's coordinates.
static Ranks coordinateNames(Operation *op, Region *region) {
  if (auto einsum = dyn_cast<EinsumOp>(op)) {
    Ranks names = strings(einsum.getSpace());
    if (region == &einsum.getMap())
      llvm::append_range(names, strings(einsum.getReduced()));
    return names;
  }
  auto order = cast<OrderOp>(op);
  Ranks names = strings(order.getSpace());
  names.back() = order.getFromAttr();
  return names;
}

Use attn::useOf(ReadOp read, Operation *op, const RankFamily &family) {
  Use use;
  use.def = definitionBehind(read.getTensor());
  Block *block = read->getBlock();
  Ranks names = coordinateNames(op, block->getParent());
  auto einsum = dyn_cast<EinsumOp>(op);
  Dependence dependence(*block);
  for (auto [axis, position] :
       llvm::zip(read.getTensor().getType().getRanks(), read.getIndices())) {
    auto argument = dyn_cast<BlockArgument>(position);
    if (!argument || names[argument.getArgNumber()] != axis) {
      // A step is computed, unless it is any of the earlier ones.
      if (!argument || !use.isLagged)
        use.iterative = axis;
      use.isLagged = true;
      use.isStep |= !argument;
    }
    if (!isData(position))
      for (int i : dependence.of(position).set_bits())
        use.indices.push_back(
            {axis, names[i],
             einsum && llvm::is_contained(einsum.getReduced(), names[i])});
    if (!family.contains(axis)) {
      use.isRow |= !isData(position) &&
                   llvm::any_of(dependence.of(position).set_bits(), [&](int i) {
                     return family.contains(names[i]);
                   });
      continue;
    }
    Access access = Access::Fixed;
    if (!isData(position))
      for (int i : dependence.of(position).set_bits()) {
        if (family.contains(names[i])) {
          access = Access::Stream;
          break;
        }
        // A coordinate of the result reads one point of the fibre for each.
        if (einsum && llvm::is_contained(einsum.getReduced(), names[i]))
          access = Access::Walk;
      }
    // Of several axes of the rank, one that moves with the reader is enough.
    if (use.access == Access::None || access == Access::Stream)
      use.access = access;
  }
  use.isCovered = family.covers(read.getTensor().getType().getRanks());
  use.isRow &= use.access == Access::None;
  if (use.isRow)
    use.access = Access::Stream;
  return use;
}
