//===- Tiles.cpp - which tiles a kernel visits ------------------*- C++ -*-===//
// The loop bounds and the classification of a stream, evaluated for each block
// of rows: what the compiled code does, not what the mask might allow.
#include "compiler/explain/Analyse.h"
#include "compiler/explain/Evaluate.h"
#include "dialect/tile/Tile.h"

using namespace mlir;
using namespace attn;
using namespace attn::explain;

constexpr int64_t largestMap = 1 << 22;

namespace {
class Mapper {
public:
  Mapper(CascadeOp cascade, const Extents &extents, tile::KernelOp kernel,
         tile::StreamOp stream)
      : cascade(cascade), extents(extents), kernel(kernel), stream(stream),
        evaluator(cascade, extents) {}

  std::optional<TileMap> run();

private:
  void mapRow(int64_t row);
  TileMap::Tile classify(int64_t step, bool isFull);
  int64_t bound(Value value, int64_t unknown, bool &isKnown);

  CascadeOp cascade;
  const Extents &extents;
  tile::KernelOp kernel;
  tile::StreamOp stream;
  Evaluator evaluator;
  TileMap map;
};
} // namespace

int64_t Mapper::bound(Value value, int64_t unknown, bool &isKnown) {
  std::optional<Interval> known = evaluator.of(value);
  isKnown &= known.has_value();
  return known ? known->low : unknown;
}

/// A visited tile as the stream's classification has it.
TileMap::Tile Mapper::classify(int64_t step, bool isFull) {
  if (stream.getClassify().empty())
    return isFull ? TileMap::Full : TileMap::Partial;
  Block &block = stream.getClassify().front();
  Evaluator inner = evaluator;
  inner.bind(block.getArgument(0), {step, step});
  auto yield = cast<tile::YieldOp>(block.back());
  std::optional<Interval> some = inner.of(yield.getOperand(0)),
                          all = inner.of(yield.getOperand(1));
  if (some && some->high == 0)
    return TileMap::Empty;
  if (!some || !all)
    return TileMap::RunTime;
  return isFull && all->low == 1 ? TileMap::Full : TileMap::Partial;
}

void Mapper::mapRow(int64_t row) {
  bool isKnown = true;
  int64_t lower = bound(stream.getLower(), 0, isKnown),
          upper = bound(stream.getUpper(), map.columns, isKnown),
          fullLower = bound(stream.getFullLower(), 0, isKnown),
          fullUpper = bound(stream.getFullUpper(), map.columns, isKnown);
  for (int64_t step = 0; step < map.columns; ++step) {
    TileMap::Tile tile = TileMap::Empty;
    if (step >= lower && step < upper)
      tile = isKnown ? classify(step, step >= fullLower && step < fullUpper)
                     : TileMap::RunTime;
    map.tiles.push_back(tile);
    ++map.counts[tile];
  }
}

std::optional<TileMap> Mapper::run() {
  auto grid = strings(kernel.getGrid());
  if (grid.empty())
    return std::nullopt;
  // Rows: the rank in lanes, else the last of the grid. Others are at 0.
  unsigned position = grid.size() - 1;
  map.rowTile = 1;
  map.row = grid.back().str();
  for (auto [i, rank] : llvm::enumerate(grid))
    if (auto [whole, size] = partsOf(cascade, rank); whole && size) {
      position = i;
      map.row = whole.str();
      map.rowTile = size;
    }
  map.rows = extents.lookup(grid[position]);
  auto [whole, size] = partsOf(cascade, stream.getRankAttr());
  map.column = whole ? whole.str() : stream.getRank().str();
  map.columnTile = whole ? size : 1;
  map.columns = extents.lookup(stream.getRankAttr());
  if (map.rows <= 0 || map.columns <= 0 || map.rows > largestMap / map.columns)
    return std::nullopt;
  for (BlockArgument argument : kernel.getBody().getArguments())
    evaluator.bind(argument, {0, 0});
  for (int64_t row = 0; row < map.rows; ++row) {
    evaluator.bind(kernel.getBody().getArgument(position), {row, row});
    mapRow(row);
  }
  return std::move(map);
}

void explain::mapTiles(CascadeOp scheduled, const Extents &extents,
                       Report &report) {
  for (auto kernel : scheduled.getBody().front().getOps<tile::KernelOp>())
    kernel.walk([&](tile::StreamOp stream) {
      auto map = Mapper(scheduled, extents, kernel, stream).run();
      if (!map)
        return;
      map->kernel = nameOf(kernel.getResult(0));
      for (const Statement &statement : report.statements)
        if (!statement.where.empty() &&
            StringRef(map->condition).find(statement.where) ==
                StringRef::npos &&
            StringRef(statement.type).contains(map->column))
          map->condition +=
              (map->condition.empty() ? "" : " and ") + statement.where;
      report.maps.push_back(std::move(*map));
    });
}
