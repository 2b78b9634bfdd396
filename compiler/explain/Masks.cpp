//===- Masks.cpp - what a mask leaves where no loop asks it -----*- C++ -*-===//
// Kernels that are no stream of tiles walk every point. Their masks are drawn
// from the conditions of the cascade itself: presence on boxes, halved until it
// is decided.
#include "compiler/explain/Analyse.h"
#include "compiler/explain/Evaluate.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace attn;
using namespace attn::explain;

namespace {

/// Of a box: some point of it, all points of it are present; or it depends on
/// the contents of tensors.
struct Holds {
  bool some = true, all = true, isData = false;
};

Holds both(Holds a, Holds b) {
  Holds c{a.some && b.some, a.all && b.all, a.isData || b.isData};
  c.isData &= c.some;
  return c;
}

Holds either(Holds a, Holds b) {
  Holds c{a.some || b.some, a.all || b.all, a.isData || b.isData};
  c.isData &= !c.all;
  return c;
}

Holds of(std::optional<Interval> truth) {
  if (!truth)
    return {true, false, true};
  return {truth->high != 0, truth->low != 0, false};
}

/// `x != inf` and the like say nothing of where points are.
bool isAboutInfinity(MapOp op) {
  return llvm::any_of(op.getOperands(), [](Value operand) {
    FloatAttr constant;
    return matchPattern(operand, m_Constant(&constant)) &&
           constant.getValue().isInfinity();
  });
}

class Presence {
public:
  Presence(CascadeOp cascade, const Extents &extents)
      : cascade(cascade), extents(extents) {}

  Holds of(EinsumOp op, ArrayRef<std::optional<Interval>> coordinates,
           unsigned depth = 0);

private:
  Holds value(Value value, Evaluator &at, unsigned depth);
  Holds read(ReadOp read, Evaluator &at, unsigned depth);
  Holds condition(Value value, Evaluator &at, unsigned depth);
  EinsumOp source(ReadOp read, Evaluator &at,
                  SmallVectorImpl<std::optional<Interval>> &coordinates);

  CascadeOp cascade;
  const Extents &extents;
};

} // namespace

constexpr unsigned deepest = 12;

Holds Presence::of(EinsumOp op, ArrayRef<std::optional<Interval>> coordinates,
                   unsigned depth) {
  bool isGuard = op.isReduction();
  if ((isGuard && op.getGuard().empty()) || depth > deepest)
    return {};
  Block &block = isGuard ? op.getGuard().front() : op.getMap().front();
  Evaluator at(cascade, extents);
  for (auto [argument, interval] : llvm::zip(block.getArguments(), coordinates))
    if (interval)
      at.bind(argument, *interval);
  Value yielded = cast<YieldOp>(block.back()).getOperand(0);
  return isGuard ? condition(yielded, at, depth) : value(yielded, at, depth);
}

EinsumOp
Presence::source(ReadOp read, Evaluator &at,
                 SmallVectorImpl<std::optional<Interval>> &coordinates) {
  for (Value index : read.getIndices())
    coordinates.push_back(at.of(index));
  return read.getTensor().getDefiningOp<EinsumOp>();
}

Holds Presence::read(ReadOp read, Evaluator &at, unsigned depth) {
  SmallVector<std::optional<Interval>> coordinates;
  EinsumOp op = source(read, at, coordinates);
  Holds holds = op ? of(op, coordinates, depth + 1) : Holds();
  if (read.getBounds() == Bounds::inside)
    return holds;
  for (auto [rank, index] :
       llvm::zip(read.getTensor().getType().getRanks(), coordinates)) {
    int64_t extent = extents.lookup(rank);
    holds = both(holds, index ? Holds{index->high >= 0 && index->low < extent,
                                      index->low >= 0 && index->high < extent}
                              : Holds{true, false, true});
  }
  return holds;
}

Holds Presence::value(Value value, Evaluator &at, unsigned depth) {
  Operation *op = value.getDefiningOp();
  if (!op)
    return {};
  if (auto where = dyn_cast<WhereOp>(op))
    return both(this->value(where.getValue(), at, depth),
                condition(where.getCondition(), at, depth));
  if (auto otherwise = dyn_cast<ElseOp>(op))
    return either(this->value(otherwise.getValue(), at, depth),
                  this->value(otherwise.getOtherwise(), at, depth));
  if (auto read = dyn_cast<ReadOp>(op))
    return this->read(read, at, depth);
  Holds holds;
  for (Value operand : op->getOperands())
    holds = both(holds, this->value(operand, at, depth));
  return holds;
}

Holds Presence::condition(Value value, Evaluator &at, unsigned depth) {
  if (auto map = value.getDefiningOp<MapOp>()) {
    if (map.getFn() == Fn::and_)
      return both(condition(map.getOperand(0), at, depth),
                  condition(map.getOperand(1), at, depth));
    if (map.getFn() == Fn::or_)
      return either(condition(map.getOperand(0), at, depth),
                    condition(map.getOperand(1), at, depth));
    if (isAboutInfinity(map))
      return {};
    return ::of(at.of(value));
  }
  if (auto read = value.getDefiningOp<ReadOp>()) {
    SmallVector<std::optional<Interval>> coordinates;
    EinsumOp op = source(read, at, coordinates);
    if (!op || op.isReduction() || depth > deepest)
      return {true, false, true};
    Evaluator inner(cascade, extents);
    for (auto [argument, interval] :
         llvm::zip(op.getMap().getArguments(), coordinates))
      if (interval)
        inner.bind(argument, *interval);
    return condition(op.getMapYield().getOperand(0), inner, depth + 1);
  }
  return ::of(at.of(value));
}

//===----------------------------------------------------------------------===//
// The map
//===----------------------------------------------------------------------===//

namespace {
class Masker {
public:
  Masker(CascadeOp cascade, const Extents &extents, EinsumOp op)
      : extents(extents), op(op), presence(cascade, extents),
        ranks(strings(op.getSpace())), at(ranks.size(), Interval{0, 0}) {}

  std::optional<TileMap> run();

private:
  bool choose();
  TileMap::Tile decide(Interval rows, Interval columns, unsigned &budget);

  const Extents &extents;
  EinsumOp op;
  Presence presence;
  SmallVector<StringAttr> ranks;
  SmallVector<std::optional<Interval>> at;
  unsigned row = 0, column = 0;
};
} // namespace

constexpr int64_t tileSize = 64;

/// The two largest of the ranks that the conditions of `where` look at.
bool Masker::choose() {
  Block &block = op.getMap().front();
  llvm::SetVector<unsigned> used;
  SmallVector<Value> work;
  for (WhereOp where : op.getMap().getOps<WhereOp>())
    work.push_back(where.getCondition());
  while (!work.empty()) {
    Value value = work.pop_back_val();
    if (auto argument = dyn_cast<BlockArgument>(value)) {
      if (argument.getOwner() == &block)
        used.insert(argument.getArgNumber());
    } else {
      llvm::append_range(work, value.getDefiningOp()->getOperands());
    }
  }
  SmallVector<unsigned> order(used.begin(), used.end());
  llvm::erase_if(order, [&](unsigned i) { return i >= ranks.size(); });
  if (order.size() < 2)
    return false;
  llvm::stable_sort(order, [&](unsigned i, unsigned j) {
    return extents.lookup(ranks[i]) > extents.lookup(ranks[j]);
  });
  row = std::min(order[0], order[1]);
  column = std::max(order[0], order[1]);
  return true;
}

/// Halves a box until a present and an absent point of it are known.
TileMap::Tile Masker::decide(Interval rows, Interval columns,
                             unsigned &budget) {
  at[row] = rows;
  at[column] = columns;
  Holds holds = presence.of(op, at);
  if (!holds.some)
    return TileMap::Empty;
  if (holds.all)
    return TileMap::Full;
  if (holds.isData || budget == 0 ||
      (rows.low == rows.high && columns.low == columns.high))
    return TileMap::RunTime;
  --budget;
  bool cutsRows = rows.high - rows.low >= columns.high - columns.low;
  Interval &cut = cutsRows ? rows : columns;
  int64_t middle = (cut.low + cut.high) / 2, high = cut.high;
  cut.high = middle;
  TileMap::Tile first = decide(rows, columns, budget);
  if (first == TileMap::Partial || first == TileMap::RunTime)
    return first;
  cut = {middle + 1, high};
  TileMap::Tile second = decide(rows, columns, budget);
  return first == second              ? first
         : second == TileMap::RunTime ? second
                                      : TileMap::Partial;
}

std::optional<TileMap> Masker::run() {
  if (op.isReduction() || op.getMap().getOps<WhereOp>().empty() || !choose())
    return std::nullopt;
  TileMap map;
  map.isSkipped = false;
  map.row = ranks[row].str();
  map.column = ranks[column].str();
  int64_t height = extents.lookup(ranks[row]),
          width = extents.lookup(ranks[column]);
  // Small sides are drawn point by point.
  map.rowTile = height > 4 * tileSize ? tileSize : 1;
  map.columnTile = width > 4 * tileSize ? tileSize : 1;
  map.rows = llvm::divideCeil(height, map.rowTile);
  map.columns = llvm::divideCeil(width, map.columnTile);
  if (map.rows <= 0 || map.columns <= 0 || map.rows * map.columns > 1 << 16)
    return std::nullopt;
  for (int64_t i = 0; i < map.rows; ++i)
    for (int64_t j = 0; j < map.columns; ++j) {
      int64_t top = i * map.rowTile, left = j * map.columnTile;
      unsigned budget = 256;
      TileMap::Tile tile =
          decide({top, std::min(top + map.rowTile, height) - 1},
                 {left, std::min(left + map.columnTile, width) - 1}, budget);
      map.tiles.push_back(tile);
      ++map.counts[tile];
    }
  return map;
}

void explain::mapMasks(CascadeOp written, const Extents &extents,
                       Report &report) {
  constexpr size_t most = 3;
  written.walk([&](EinsumOp op) {
    if (report.maps.size() >= most)
      return;
    auto map = Masker(written, extents, op).run();
    if (!map || map->counts[TileMap::Full] == map->rows * map->columns)
      return;
    map->kernel = nameOf(op.getResult(0));
    for (const Statement &statement : report.statements)
      if (statement.name == map->kernel)
        map->condition = statement.where;
    report.maps.push_back(std::move(*map));
  });
}
