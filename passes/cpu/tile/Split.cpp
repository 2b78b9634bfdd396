//===- Split.cpp - the stream of a kernel in parts --------------*- C++ -*-===//
#include "passes/cpu/tile/Split.h"
#include "passes/cpu/tile/Accumulate.h"

using namespace mlir;
using namespace attn;
using namespace attn::cpu;

// Points and parts that keep many cores busy; steps that make a part worth its
// states; rows of a grid point that are few.
constexpr int64_t busy = 64, leastSteps = 16, fewRows = 16;

std::optional<StreamSplit> StreamSplit::of(tile::KernelOp kernel) {
  auto streams = llvm::to_vector(kernel.getBody().getOps<tile::StreamOp>());
  if (streams.size() != 1)
    return std::nullopt;
  tile::StreamOp stream = streams.front();
  auto merge = StreamMerge::of(stream);
  if (!merge || merge->states.empty())
    return std::nullopt;
  int64_t rows = INT64_MAX;
  for (Value state : stream.getInit()) {
    int64_t points = 1;
    for (int64_t size : cast<tile::TileType>(state.getType()).getSizes())
      points = size < 0 || points > fewRows ? INT64_MAX : points * size;
    rows = std::min(rows, points);
  }
  if (rows > fewRows)
    return std::nullopt;
  return StreamSplit(kernel, stream, std::move(*merge));
}

/// Parts of streams of any length, at most.
static Value mostParts(CodeBuilder &b, Value points) {
  return arith::CeilDivSIOp::create(b, b.i64(busy), b.max(points, b.i64(1)));
}

/// Of the states of a part.
static Value stateBytes(CodeBuilder &b, const TileBuffers &buffers,
                        ValueRange states) {
  Value bytes = b.i64(0);
  for (Value state : states)
    bytes = b.add(bytes, buffers.bytes(b, state));
  return bytes;
}

Value StreamSplit::parts(CodeBuilder &b, Value points, ExtentOf extent) const {
  Value most = mostParts(b, points);
  Value steps = extent(stream.getRankAttr());
  Value longest = arith::DivSIOp::create(b, steps, b.i64(leastSteps));
  return b.max(b.min(most, longest), b.i64(1));
}

Value StreamSplit::memoryBytes(CodeBuilder &b, Value points,
                               ExtentOf extent) const {
  TileBuffers buffers(kernel);
  buffers.emitLayout(b, extent);
  Value part = stateBytes(b, buffers, stream.getInit());
  Value most = mostParts(b, points);
  Value several = b.compare(arith::CmpIPredicate::sgt, most, b.i64(1));
  return b.select(several, b.mul(b.mul(points, most), part), b.i64(0));
}

/// The states of a part in `memory`.
SmallVector<Tile> StreamSplit::tilesAt(TileLowering &t,
                                       const TileBuffers &buffers, Value part,
                                       Value memory) const {
  CodeBuilder &b = t.b;
  Value at = b.mul(part, stateBytes(b, buffers, stream.getInit()));
  SmallVector<Tile> tiles;
  for (Value state : stream.getBody().getArguments().drop_front()) {
    Tile tile = t.buffer(state);
    tile.base = b.gep(b.getI8Type(), memory, at);
    at = b.add(at, buffers.bytes(b, state));
    tiles.push_back(std::move(tile));
  }
  return tiles;
}

void StreamSplit::emitAround(TileLowering &t, bool before) const {
  for (Operation &op : kernel.getBody().front())
    if (&op != stream && op.isBeforeInBlock(stream) == before)
      t.emit(op);
}

void StreamSplit::emitPart(TileLowering &t, const TileBuffers &buffers,
                           ValueRange coordinates, Value point, Value number,
                           Value parts, Value memory) {
  CodeBuilder &b = t.b;
  t.bindPoint(coordinates);
  emitAround(t, /*before=*/true);
  TileLowering::Part part{number, parts};
  t.part = &part;
  t.emit(*stream);
  t.part = nullptr;
  b.ifElse(
      b.compare(arith::CmpIPredicate::sle, parts, b.i64(1)),
      [&]() -> SmallVector<Value> {
        emitAround(t, /*before=*/false);
        return {};
      },
      [&]() -> SmallVector<Value> {
        Value index = b.add(b.mul(point, parts), number);
        SmallVector<Tile> tiles = tilesAt(t, buffers, index, memory);
        for (auto [state, tile] : llvm::zip(stream.getResults(), tiles))
          t.copyTile(t.tile(state), tile);
        return {};
      });
}

/// Two values of a reduction together. A count is a sum here.
static Value join(CodeBuilder &b, Reduce kind, Value x, Value y) {
  return kind == Reduce::count ? b.add(x, y) : accumulate(b, kind, x, y);
}

/// Element by element, where `isBool` of bytes that are 0 or 1.
static void joinTiles(TileLowering &t, Reduce kind, const Tile &x,
                      const Tile &y, const Tile &to) {
  CodeBuilder &b = t.b;
  bool isBool = to.type.getElementType().isInteger(1);
  auto flags = [&](Value bytes) {
    return isBool ? b.compare(arith::CmpIPredicate::ne, bytes,
                              b.integer(bytes.getType(), 0))
                  : bytes;
  };
  auto at = [&](Type type, Value xAt, Value yAt, Value toAt) {
    Value both = join(b, kind, flags(t.load(type, x.base, xAt)),
                      flags(t.load(type, y.base, yAt)));
    if (isBool)
      both = arith::ExtUIOp::create(b, type, both);
    t.store(both, to.base, toAt);
  };
  Value zero = b.i64(0);
  if (to.sizes.empty())
    return at(to.element, zero, zero, zero);
  SmallVector<Value> low(to.sizes.size() - 1, zero);
  t.nest(low, ArrayRef(to.sizes).drop_back(), [&](ArrayRef<Value> row) {
    auto start = [&](const Tile &tile) {
      return TileLowering::offset(b, row, tile.strides);
    };
    Value xRow = start(x), yRow = start(y), toRow = start(to);
    t.loop(zero, to.sizes.back(), t.lanes(), [&](Value lane) {
      at(t.vectorOf(to.element), b.add(xRow, lane), b.add(yRow, lane),
         b.add(toRow, lane));
    });
  });
}

/// The states `mine` (where the stream keeps them) and `theirs` become new
/// states. Operations run in the order of the stream's body, so that what it
/// computes in place of another tile may stay there; theirs has memory of its
/// own.
void StreamSplit::emitJoin(TileLowering &t, ArrayRef<Tile> mine,
                           ArrayRef<Tile> theirs, Value spare) {
  Block &body = stream.getBody().front();
  ValueRange names = body.getArguments().drop_front();
  ValueRange next = body.back().getOperands();
  llvm::SmallPtrSet<Operation *, 8> repairs;
  DenseMap<Value, std::pair<Tile, Tile>> sides; // of states and repairs
  for (auto [i, name] : llvm::enumerate(names))
    sides[name] = {mine[i], theirs[i]};
  for (const StreamMerge::State &state : merge.states)
    repairs.insert(state.repair.begin(), state.repair.end());
  for (Operation &op : body) {
    if (repairs.contains(&op)) {
      auto einsum = cast<tile::EinsumOp>(op);
      auto side = [&](bool isTheirs) {
        for (auto &[value, tiles] : sides)
          t.setTile(value, isTheirs ? tiles.second : tiles.first);
        Value own = isTheirs ? t.useScratch(spare) : Value();
        t.emit(op);
        if (isTheirs)
          t.useScratch(own);
        return t.tile(einsum.getResult());
      };
      Tile left = side(false), right = side(true);
      sides[einsum.getResult()] = {left, right};
      continue;
    }
    for (const StreamMerge::State &state : merge.states) {
      if (next[state.number].getDefiningOp() != &op)
        continue;
      auto &[left, right] = sides[state.start];
      Tile whole = t.buffer(next[state.number]);
      joinTiles(t, state.kind, left, right, whole);
      t.setTile(next[state.number], whole);
    }
  }
  for (auto [name, tile] : llvm::zip(names, mine))
    t.setTile(name, tile);
  t.moveStates(stream);
}

void StreamSplit::emitMerge(TileLowering &t, const TileBuffers &buffers,
                            ValueRange coordinates, Value point, Value parts,
                            Value memory, Value spare) {
  CodeBuilder &b = t.b;
  t.bindPoint(coordinates);
  emitAround(t, /*before=*/true);
  t.startStates(stream);
  SmallVector<Tile> mine;
  for (Value name : stream.getBody().getArguments().drop_front())
    mine.push_back(t.tile(name));
  Value first = b.mul(point, parts);
  t.loop(b.i64(0), parts, 1, [&](Value part) {
    emitJoin(t, mine, tilesAt(t, buffers, b.add(first, part), memory), spare);
  });
  t.finishStates(stream);
  emitAround(t, /*before=*/false);
}
