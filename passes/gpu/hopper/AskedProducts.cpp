//===- AskedProducts.cpp - products that points are asked of ----*- C++ -*-===//
// Points may be there only where products of their step are above -inf. Where
// several are asked a step asks all of them at once; where one is, warpgroups
// leave out the halves of a step that have no points.
//===----------------------------------------------------------------------===//
#include "dialect/Functions.h"
#include "mlir/Analysis/SliceAnalysis.h"
#include "mlir/IR/Matchers.h"
#include "passes/gpu/hopper/FastRegion.h"
#include "passes/gpu/hopper/Roles.h"

using namespace mlir;
using namespace attn;
using namespace attn::gpu;

/// A constant above 0?
static bool isPositive(Value value) {
  FloatAttr constant;
  return matchPattern(value, m_Constant(&constant)) &&
         constant.getValue().isFiniteNonZero() &&
         !constant.getValue().isNegative();
}

/// The tile of which `ask` is asked, through positive scales and other
/// conditions.
static Value askedTile(tile::EinsumOp op, MapOp ask) {
  Value x = ask.getOperand(0);
  while (Operation *def = x.getDefiningOp()) {
    auto map = dyn_cast<MapOp>(def);
    if (auto where = dyn_cast<WhereOp>(def))
      x = where.getValue();
    else if (map && (map.getFn() == Fn::mul || map.getFn() == Fn::div) &&
             isPositive(map.getOperand(1)))
      x = map.getOperand(0);
    else
      return {};
  }
  auto argument = cast<BlockArgument>(x);
  Block &block = op.getMap().front();
  int64_t number = argument.getArgNumber() -
                   (block.getNumArguments() - op.getTiles().size());
  return argument.getOwner() == &block && number >= 0 ? op.getTiles()[number]
                                                      : Value();
}

void Roles::findAskedProducts() {
  // Of each tile, the products that its points' presence asks about.
  DenseMap<Value, llvm::SmallPtrSet<Operation *, 2>> asked;
  for (auto op : stream.getBody().getOps<tile::EinsumOp>()) {
    llvm::SmallPtrSet<Operation *, 2> products;
    for (Value tile : op.getTiles())
      if (auto it = asked.find(tile); it != asked.end())
        products.insert(it->second.begin(), it->second.end());
    for (auto map : op.getMap().getOps<MapOp>())
      if (asksAboveMinusInfinity(map))
        if (Value tile = askedTile(op, map);
            tile && llvm::is_contained(overlap.leading, tile.getDefiningOp()))
          products.insert(tile.getDefiningOp());
    asksProducts |= products.size() > 1;
    if (op.getResult().getType().getMasked())
      asked[op.getResult()] = std::move(products);
  }
}

/// The same code of the same tiles and coordinates?
static bool isSameOfTiles(Value x, tile::EinsumOp xs, Value y,
                          tile::EinsumOp ys) {
  auto one = dyn_cast<BlockArgument>(x), two = dyn_cast<BlockArgument>(y);
  if (x == y)
    return true;
  if (one && two) {
    auto meaning = [](BlockArgument argument,
                      tile::EinsumOp op) -> const void * {
      SmallVector<StringAttr> ranks(op.getResult().getType().getRanks());
      for (Attribute rank : op.getReduced())
        ranks.push_back(cast<StringAttr>(rank));
      unsigned number = argument.getArgNumber();
      return number < ranks.size()
                 ? ranks[number].getAsOpaquePointer()
                 : op.getTiles()[number - ranks.size()].getAsOpaquePointer();
    };
    return one.getOwner()->getParentOp() == xs &&
           two.getOwner()->getParentOp() == ys &&
           meaning(one, xs) == meaning(two, ys);
  }
  Operation *left = x.getDefiningOp(), *right = y.getDefiningOp();
  return left && right && left->getName() == right->getName() &&
         left->getAttrDictionary() == right->getAttrDictionary() &&
         left->getNumOperands() == right->getNumOperands() && isPure(left) &&
         llvm::all_of(llvm::zip(left->getOperands(), right->getOperands()),
                      [&](auto pair) {
                        return isSameOfTiles(std::get<0>(pair), xs,
                                             std::get<1>(pair), ys);
                      });
}

/// The value that an einsum's points have nothing without, if that is a
/// positive multiple of the product `tile` where it is not -inf.
static WhereOp presenceOf(tile::EinsumOp op, Value tile) {
  SmallVector<Value> work{op.getMap().front().back().getOperand(0)};
  while (!work.empty()) {
    Operation *def = work.pop_back_val().getDefiningOp();
    if (auto map = dyn_cast_or_null<MapOp>(def)) {
      if (info(map.getFn()).typing != FnTyping::Logic)
        llvm::append_range(work, map.getOperands());
      continue;
    }
    auto where = dyn_cast_or_null<WhereOp>(def);
    if (!where)
      continue;
    work.push_back(where.getValue());
    auto ask = where.getCondition().getDefiningOp<MapOp>();
    if (ask && asksAboveMinusInfinity(ask) &&
        ask.getOperand(0) == where.getValue() && askedTile(op, ask) == tile)
      return where;
  }
  return {};
}

/// Parts of a step are a warpgroup's lanes, and half of its points. All that is
/// asked of points is to be asked of the one first product.
void Roles::findHalves() {
  if (stream.getParts().empty() || !isClassified() || !overlap ||
      overlap.leading.size() != 1 || *stream.getPartSize() != 64)
    return;
  tile::EinsumOp product = overlap.leading.front();
  StringAttr column = contractions.find(product)->second.column;
  if (sizeOf(product.getResult().getType(), column) != 128)
    return;
  for (tile::EinsumOp op : overlap.trailing)
    if (contractions.find(op)->second.reduced != column)
      return;
  for (auto load : stream.getBody().getOps<tile::LoadOp>())
    if (load.getType().getMasked())
      return;
  for (auto op : stream.getBody().getOps<tile::EinsumOp>()) {
    bool reads = llvm::is_contained(op.getTiles(), product.getResult());
    if (contractions.contains(op) && reads)
      return;
    auto bounded =
        llvm::make_filter_range(op.getMap().getOps<MapOp>(), [](MapOp map) {
          return map->hasAttr("bounded");
        });
    if (!reads && bounded.empty())
      continue;
    WhereOp presence = presenceOf(op, product.getResult());
    if (!presence)
      return;
    llvm::SetVector<Operation *> asked, conditions;
    (void)getBackwardSlice(presence.getResult(), &asked);
    for (MapOp map : bounded) {
      if (!asked.contains(map))
        return;
      (void)getBackwardSlice(map.getResult(), &conditions);
      conditions.insert(map);
    }
    // What the conditions read is not there where they are not asked.
    size_t first = op.getMap().getNumArguments() - op.getTiles().size();
    for (auto [tile, argument] :
         llvm::zip(op.getTiles(), op.getMap().getArguments().drop_front(first)))
      if (tile.getDefiningOp<tile::LoadOp>() &&
          !llvm::all_of(argument.getUsers(), [&](Operation *user) {
            return conditions.contains(user);
          }))
        return;
    // They are asked before what else the step computes.
    auto isLate = [&](Value tile) {
      return tile.getDefiningOp<tile::EinsumOp>() &&
             tile != product.getResult() &&
             tile.getParentBlock() == product->getBlock();
    };
    if (!masks.reader && llvm::any_of(op.getTiles(), isLate))
      return;
    if (!masks.reader)
      masks = {op, presence.getResult()};
    else if (!isSameOfTiles(presence.getResult(), op, masks.condition,
                            masks.reader))
      return;
  }
  if (masks.reader)
    halved = column;
}
