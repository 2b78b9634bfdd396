//===- KernelRanks.cpp - what the ranks of a kernel become ------*- C++ -*-===//
#include "passes/schedule/KernelRanks.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace attn;

KernelRanks attn::scheduledRanks(KernelOp kernel) {
  KernelRanks ranks;
  ScheduleAttr schedule = *kernel.getSchedule();
  ranks.rows.assign(schedule.getParallel().begin(),
                    schedule.getParallel().end());
  ranks.stream = schedule.getStream();
  if (DictionaryAttr tile = schedule.getTile(); tile && tile.size() == 1) {
    ranks.tile = tile.begin()->getName();
    ranks.tileSize = cast<IntegerAttr>(tile.begin()->getValue()).getInt();
  }
  return ranks;
}

//===----------------------------------------------------------------------===//
// Contractions
//===----------------------------------------------------------------------===//

/// What the values of an einsum's map are made of; not what says where they are
/// or whether they are there.
static SmallVector<ReadOp> factorsOf(EinsumOp op) {
  SmallVector<ReadOp> reads;
  SmallVector<Value> work{op.getMapYield().getOperand(0)};
  SmallPtrSet<Operation *, 8> seen;
  while (!work.empty()) {
    Operation *def = work.pop_back_val().getDefiningOp();
    if (!def || !seen.insert(def).second)
      continue;
    if (auto read = dyn_cast<ReadOp>(def))
      reads.push_back(read);
    else if (auto where = dyn_cast<WhereOp>(def))
      work.push_back(where.getValue());
    else
      llvm::append_range(work, def->getOperands());
  }
  return reads;
}

static SmallVector<EinsumOp> sumsOf(KernelOp kernel) {
  return llvm::filter_to_vector(
      kernel.getBody().getOps<EinsumOp>(),
      [](EinsumOp op) { return op.builtinReduce() == Reduce::sum; });
}

/// In every contraction over points of `rank`, and there are some, a factor is
/// the same for several of them: `repeats` is asked with the rank's coordinate.
static bool isShared(KernelOp kernel, StringAttr rank,
                     function_ref<bool(ReadOp, BlockArgument)> repeats) {
  bool occurs = false;
  for (EinsumOp op : sumsOf(kernel)) {
    Value coordinate = op.coordinate(rank);
    SmallVector<ReadOp> factors = factorsOf(op);
    if (!coordinate || factors.size() < 2)
      continue;
    occurs = true;
    if (llvm::none_of(factors, [&](ReadOp read) {
          return repeats(read, cast<BlockArgument>(coordinate));
        }))
      return false;
  }
  return occurs;
}

/// A short row rank that a contraction lacks would have it done once for each
/// of its points: it is a rank of tiles instead, as where the rows have a
/// statistic.
static void tileShortRows(CascadeOp cascade, KernelOp kernel,
                          KernelRanks &ranks) {
  constexpr int64_t longest = 256;
  SmallVector<EinsumOp> contractions = sumsOf(kernel);
  llvm::erase_if(contractions,
                 [](EinsumOp op) { return factorsOf(op).size() == 1; });
  llvm::erase_if(ranks.rows, [&](StringAttr rank) {
    int64_t size = cascade.staticExtent(rank).value_or(-1);
    auto lacks = [&](EinsumOp op) { return !op.coordinate(rank); };
    auto scores = [&](EinsumOp op) {
      return op.coordinate(rank) &&
             llvm::is_contained(op.getReduced(), ranks.tile);
    };
    return size > 0 && size <= longest && llvm::any_of(contractions, lacks) &&
           llvm::any_of(contractions, scores);
  });
}

//===----------------------------------------------------------------------===//
// Quotients
//===----------------------------------------------------------------------===//

/// The number that `op` divides by, rounding down; 0 if it is known at run time
/// only; none if it does not.
static std::optional<int64_t> divisorOf(Operation *op) {
  auto map = dyn_cast<MapOp>(op);
  if (!map || map.getFn() != Fn::floordiv)
    return std::nullopt;
  llvm::APInt constant;
  if (matchPattern(map.getOperand(1), m_ConstantInt(&constant)))
    return constant.getSExtValue();
  auto extent = map.getOperand(1).getDefiningOp<ExtentOp>();
  if (!extent)
    return std::nullopt;
  auto cascade = op->getParentOfType<CascadeOp>();
  return cascade.staticExtent(extent.getRankAttr()).value_or(0);
}

bool attn::isQuotient(Operation *op, Value lane, int64_t size) {
  return divisorOf(op) == size && op->getOperand(0) == lane;
}

bool attn::readsOnlyQuotient(Value index, Value lane, int64_t size) {
  if (index == lane)
    return false;
  Operation *def = index.getDefiningOp();
  if (!def || isQuotient(def, lane, size))
    return true;
  return llvm::all_of(def->getOperands(), [&](Value operand) {
    return readsOnlyQuotient(operand, lane, size);
  });
}

//===----------------------------------------------------------------------===//
// Lanes
//===----------------------------------------------------------------------===//

/// The last row rank that some factor of every contraction lacks: its points
/// share that factor (INVARIANCE).
static StringAttr chooseShared(CascadeOp cascade, KernelOp kernel,
                               KernelRanks &ranks) {
  auto lacks = [](ReadOp read, BlockArgument coordinate) {
    Dependence dependence(*coordinate.getOwner());
    return !dependence.of(read.getResult()).test(coordinate.getArgNumber());
  };
  for (StringAttr rank : llvm::reverse(ranks.rows)) {
    std::optional<int64_t> known = cascade.staticExtent(rank);
    bool isSingle = ranks.packing != TilePacking::none && known == 1;
    if (isSingle || !isShared(kernel, rank, lacks))
      continue;
    if (ranks.packing == TilePacking::lanes && known)
      ranks.laneSize = std::min(ranks.laneSize, *known);
    return rank;
  }
  return {};
}

/// The last row rank h of which some factor of every contraction has no more
/// than h / c: c of its rows share that factor, and are the lanes.
static StringAttr choosePacked(KernelOp kernel, KernelRanks &ranks) {
  constexpr int64_t mostLanes = 64;
  llvm::SetVector<int64_t> sizes;
  kernel.walk([&](MapOp map) {
    std::optional<int64_t> size = divisorOf(map);
    if (size && *size > 1 && *size <= mostLanes)
      sizes.insert(*size);
  });
  for (StringAttr rank : llvm::reverse(ranks.rows))
    for (int64_t size : sizes) {
      if (!isShared(kernel, rank, [&](ReadOp read, BlockArgument coordinate) {
            return llvm::all_of(read.getIndices(), [&](Value index) {
              return readsOnlyQuotient(index, coordinate, size);
            });
          }))
        continue;
      ranks.laneSize = size;
      ranks.packed = true;
      // Few rows fill no vector: the vectors run along another rank.
      constexpr int64_t vectorLanes = 16;
      ranks.lanesFirst =
          ranks.packing == TilePacking::rows && size % vectorLanes != 0;
      return rank;
    }
  return {};
}

void attn::chooseLanes(CascadeOp cascade, KernelOp kernel, KernelRanks &ranks) {
  tileShortRows(cascade, kernel, ranks);
  ranks.lane = chooseShared(cascade, kernel, ranks);
  if (!ranks.lane && ranks.packing != TilePacking::none)
    ranks.lane = choosePacked(kernel, ranks);
  if (!ranks.lane)
    return;
  MLIRContext *ctx = cascade.getContext();
  StringRef name = ranks.lane.getValue();
  auto count =
      AffineMap::get(0, 1, getAffineSymbolExpr(0, ctx).ceilDiv(ranks.laneSize));
  ranks.laneStep = freshRank(cascade, (name + "1").str());
  declareRank(cascade, ranks.laneStep,
              ExtentAttr::get(ctx, count, {ranks.lane}));
  ranks.laneTile = freshRank(cascade, (name + "0").str());
  declareRank(cascade, ranks.laneTile,
              ExtentAttr::constant(ctx, ranks.laneSize));
}
