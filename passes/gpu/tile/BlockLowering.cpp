//===- BlockLowering.cpp - a tile kernel by the threads of a block -*- C++ -*-//
// Threads share the elements of each operation's result. What an operation
// reads was written before the barrier that ends the one before it.
//===----------------------------------------------------------------------===//
#include "passes/gpu/tile/BlockLowering.h"
#include "passes/cpu/Formats.h"
#include "passes/cpu/tile/Accumulate.h"
#include "passes/gpu/Intrinsics.h"

using namespace mlir;
using namespace attn;
using namespace attn::cpu;
using namespace attn::gpu;
using arith::CmpIPredicate;

BlockLowering::BlockLowering(CodeBuilder &b, TileSurroundings &outside,
                             tile::KernelOp kernel, TileBuffers &buffers,
                             Value memory)
    : b(b), outside(outside), kernel(kernel), buffers(buffers), memory(memory),
      scalars(b, outside,
              [&] {
                SmallVector<Type> types;
                kernel.getBody().walk([&](Operation *op) {
                  llvm::append_range(types, op->getResultTypes());
                });
                return realOf(types);
              }(),
              {}) {
  Team team = emitTeam(b);
  thread = team.thread;
  threads = team.threads;
}

Type BlockLowering::realOf(TypeRange types) {
  bool wide = llvm::any_of(types, [](Type type) {
    auto tile = dyn_cast<tile::TileType>(type);
    return tile && tile.getElementType().isF64();
  });
  return wide ? Type(b.getF64Type()) : Type(b.getF32Type());
}

//===----------------------------------------------------------------------===//
// Elements
//===----------------------------------------------------------------------===//

void BlockLowering::barrier() { emitBarrier(b); }

void BlockLowering::elements(ArrayRef<Value> sizes,
                             llvm::function_ref<void(ArrayRef<Value>)> body) {
  Value total = b.i64(1);
  for (Value size : sizes)
    total = b.mul(total, size);
  auto op = scf::ForOp::create(b, thread, total, threads);
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(op.getBody());
    Values at(sizes.size());
    Value rest = op.getInductionVar();
    for (size_t axis = sizes.size(); axis-- > 0;) {
      at[axis] =
          axis ? Value(arith::RemUIOp::create(b, rest, sizes[axis])) : rest;
      if (axis)
        rest = arith::DivUIOp::create(b, rest, sizes[axis]);
    }
    body(at);
  }
  barrier();
}

static Value offsetOf(CodeBuilder &b, const Tile &tile, ArrayRef<Value> at) {
  Value sum = b.i64(0);
  for (auto [coordinate, stride] : llvm::zip(at, tile.strides))
    sum = b.add(sum, b.mul(coordinate, stride));
  return sum;
}

Scalar BlockLowering::element(const Tile &tile, ArrayRef<Value> at) {
  Value offset = offsetOf(b, tile, at);
  auto test = [&](Value byte) {
    return b.compare(CmpIPredicate::ne, byte, b.integer(byte.getType(), 0));
  };
  Scalar scalar;
  scalar.value = b.load(tile.element, b.gep(tile.element, tile.base, offset));
  if (tile.type.getElementType().isInteger(1))
    scalar.value = test(scalar.value);
  if (tile.isMasked())
    scalar.present =
        test(b.load(b.getI8Type(), b.gep(b.getI8Type(), tile.mask, offset)));
  return scalar;
}

void BlockLowering::setElement(const Tile &tile, ArrayRef<Value> at,
                               Scalar scalar) {
  Value offset = offsetOf(b, tile, at), value = scalar.value;
  Type i8 = b.getI8Type();
  if (value.getType().isInteger(1))
    value = arith::ExtUIOp::create(b, tile.element, value);
  else
    value = b.convert(value, tile.element);
  b.store(value, b.gep(tile.element, tile.base, offset));
  if (tile.isMasked())
    b.store(scalar.present
                ? Value(arith::ExtUIOp::create(b, i8, scalar.present))
                : b.integer(i8, 1),
            b.gep(i8, tile.mask, offset));
}

void BlockLowering::copy(const Tile &from, const Tile &to) {
  elements(from.sizes,
           [&](ArrayRef<Value> at) { setElement(to, at, element(from, at)); });
}

//===----------------------------------------------------------------------===//
// Loads and stores
//===----------------------------------------------------------------------===//

BlockLowering::Values
BlockLowering::indicesAt(Region &region, ArrayRef<Value> at, Value &present) {
  TileRegion code(b, outside, b.getF32Type(), full);
  code.capture(scalars, region);
  Block &block = region.front();
  for (auto [argument, coordinate] : llvm::zip(block.getArguments(), at))
    code.bindCoordinate(argument, coordinate);
  Values indices;
  for (const Scalar &index : code.emit(block)) {
    indices.push_back(wideInteger(b, index));
    present = b.both(present, index.present);
  }
  return indices;
}

/// Is the point there? Clamps the indices.
Value BlockLowering::inside(const Storage &s, Values &indices, Value present) {
  for (auto [index, extent] : llvm::zip(indices, s.extents)) {
    Value in = b.ult(index, extent);
    index = b.select(in, index, b.i64(0));
    present = b.both(present, in);
  }
  return present ? present : b.boolean(true);
}

void BlockLowering::emitLoad(tile::LoadOp op) {
  const Storage &s = outside.storage(op.getTensor());
  Tile tile = buffers.tile(b, op.getResult(), memory);
  Type type = tile.type.getElementType();
  elements(tile.sizes, [&](ArrayRef<Value> at) {
    Value present;
    Values indices = indicesAt(op.getIndices(), at, present);
    present = inside(s, indices, present);
    Value zero = isa<FloatType>(type) ? b.real(type, 0) : b.integer(type, 0);
    Values loaded = b.ifElse(
        present,
        [&]() -> Values {
          Value offset = StorageMap::offset(b, s, indices);
          Value value = loadElements(b, s, offset, type);
          return {value,
                  s.presence ? loadPresence(b, s, offset) : b.boolean(true)};
        },
        [&]() -> Values { return {zero, b.boolean(false)}; });
    setElement(tile, at, {loaded[0], loaded[1], {}, false});
  });
  tiles[op.getResult()] = tile;
}

void BlockLowering::emitStore(tile::StoreOp op) {
  const Storage &s = outside.result(op.getResult());
  const Tile &tile = tiles.find(op.getTile())->second;
  elements(tile.sizes, [&](ArrayRef<Value> at) {
    Value present;
    Values indices = indicesAt(op.getIndices(), at, present);
    b.ifThen(inside(s, indices, present),
             [&] { StorageMap::store(b, s, indices, element(tile, at)); });
  });
}

//===----------------------------------------------------------------------===//
// Einsums
//===----------------------------------------------------------------------===//

Value BlockLowering::combine(Reduce kind, Value sum, Scalar point) {
  Value next = accumulate(b, kind, sum, point.value);
  return point.present ? b.select(point.present, next, sum) : next;
}

/// Is an exponential taken of it?
static bool isExponent(Value value) {
  return llvm::any_of(value.getUsers(), [](Operation *user) {
    auto map = dyn_cast<MapOp>(user);
    auto where = dyn_cast<WhereOp>(user);
    return (map && (map.getFn() == Fn::exp || map.getFn() == Fn::exp2)) ||
           (where && isExponent(where.getResult()));
  });
}

namespace {
/// A product that a maximum was taken of is rounded before the difference from
/// it is an exponent: of huge scores what a fused operation does not round is
/// large.
class RoundedRegion : public TileRegion {
public:
  using TileRegion::TileRegion;

protected:
  Scalar emitMap(MapOp op) override {
    Scalar result = TileRegion::emitMap(op);
    auto difference = result.value.getDefiningOp<arith::SubFOp>();
    if (difference && op.getFn() == Fn::sub && isExponent(op.getResult()))
      difference.setFastmath(arith::FastMathFlags::none);
    return result;
  }
};
} // namespace

void BlockLowering::emitEinsum(tile::EinsumOp op) {
  tile::TileType type = op.getResult().getType();
  Tile result = buffers.tile(b, op.getResult(), memory);
  SmallVector<StringAttr> names = tile::spaceOf(op);
  Values reducedSizes;
  for (auto [name, size] : llvm::zip(op.getReduced(), op.getReducedSizes()))
    reducedSizes.push_back(size < 0 ? outside.extent(cast<StringAttr>(name))
                                    : b.i64(size));
  SmallVector<Type> types(op->getOperandTypes());
  types.push_back(type);
  Type real = realOf(types);

  auto tileAt = [&](Value value, ArrayRef<Value> at) {
    const Tile &tile = tiles.find(value)->second;
    Values own;
    for (StringAttr rank : tile.type.getRanks())
      own.push_back(at[llvm::find(names, rank) - names.begin()]);
    return element(tile, own);
  };
  auto point = [&](ArrayRef<Value> at) {
    RoundedRegion code(b, outside, real, full);
    code.capture(scalars, op.getMap());
    Block &block = op.getMap().front();
    for (auto [number, argument] : llvm::enumerate(block.getArguments())) {
      if (argument.use_empty())
        continue;
      if (number < names.size())
        code.bindCoordinate(argument, at[number]);
      else
        code.bind(argument, tileAt(op.getTiles()[number - names.size()], at));
    }
    return code.settled(code.emit(block).front());
  };
  elements(result.sizes, [&](ArrayRef<Value> at) {
    if (!op.getMonoid())
      return setElement(result, at, point(at));
    Reduce kind = *op.getMonoid();
    Value start;
    if (op.getInit()) {
      start = tileAt(op.getInit(), at).value;
    } else {
      Type scalar =
          tile::YieldOp(cast<tile::YieldOp>(op.getMap().front().back()))
              .getOperand(0)
              .getType();
      TypedAttr identity = identityOf(kind, scalar);
      if (auto value = dyn_cast<FloatAttr>(identity))
        start = b.real(type.getElementType(), value.getValueAsDouble());
      else
        start = b.integer(type.getElementType(),
                          cast<IntegerAttr>(identity).getInt());
    }
    Values all(at);
    std::function<Values(ValueRange)> walk = [&](ValueRange sum) -> Values {
      size_t depth = all.size() - at.size();
      if (depth == reducedSizes.size())
        return {combine(kind, sum[0], point(all))};
      return b.loop(b.i64(0), reducedSizes[depth], sum,
                    [&](Value i, ValueRange carried) {
                      all.push_back(i);
                      Values next = walk(carried);
                      all.pop_back();
                      return next;
                    });
    };
    setElement(result, at, {walk(start)[0], {}, {}, false});
  });
  tiles[op.getResult()] = result;
}

//===----------------------------------------------------------------------===//
// Control
//===----------------------------------------------------------------------===//

void BlockLowering::emitPoint(ValueRange coordinates) {
  Block &body = kernel.getBody().front();
  for (auto [argument, coordinate] :
       llvm::zip(body.getArguments(), coordinates))
    scalars.bindCoordinate(argument, coordinate);
  emitBlock(body);
}

void BlockLowering::emitBlock(Block &block) {
  for (Operation &op : block)
    llvm::TypeSwitch<Operation *>(&op)
        .Case([&](tile::LoadOp load) { emitLoad(load); })
        .Case([&](tile::StoreOp store) { emitStore(store); })
        .Case([&](tile::EinsumOp einsum) { emitEinsum(einsum); })
        .Case([&](tile::StreamOp stream) { emitStream(stream); })
        .Case([&](tile::YieldOp) {})
        .Default([&](Operation *scalar) { scalars.emit(scalar); });
}

Value BlockLowering::bound(Value name) {
  Scalar scalar = scalars.lookup(name);
  Value wide = wideInteger(b, scalar);
  return scalar.present ? b.select(scalar.present, wide, b.i64(0)) : wide;
}

void BlockLowering::emitStream(tile::StreamOp stream) {
  Block &body = stream.getBody().front();
  for (auto [argument, init] :
       llvm::zip(body.getArguments().drop_front(), stream.getInit())) {
    Tile state = buffers.tile(b, argument, memory);
    if (!buffers.shareBuffer(argument, init))
      copy(tiles.find(init)->second, state);
    tiles[argument] = state;
  }
  Value fullLower = bound(stream.getFullLower());
  Value fullUpper = bound(stream.getFullUpper());
  Value outer = full;
  b.loop(bound(stream.getLower()), bound(stream.getUpper()), [&](Value step) {
    scalars.bindCoordinate(body.getArgument(0), step);
    // No step is full while what `classify` says is not asked here.
    full = stream.getClassify().empty()
               ? b.bitAnd(b.compare(CmpIPredicate::sge, step, fullLower),
                          b.compare(CmpIPredicate::slt, step, fullUpper))
               : b.boolean(false);
    scalars.setFull(full);
    emitBlock(body);
    SmallVector<std::pair<Tile, Tile>, 0> moves;
    for (auto [i, next] : llvm::enumerate(body.back().getOperands())) {
      Value argument = body.getArgument(i + 1);
      Tile from = tiles.find(next)->second;
      if (auto room = buffers.waitingRoom(b, stream, i, memory)) {
        copy(from, *room);
        moves.emplace_back(*room, tiles.find(argument)->second);
      } else if (!buffers.shareBuffer(argument, next)) {
        moves.emplace_back(from, tiles.find(argument)->second);
      }
    }
    for (auto &[from, to] : moves)
      copy(from, to);
  });
  full = outer;
  scalars.setFull(full);
  for (auto [result, argument] :
       llvm::zip(stream.getResults(), body.getArguments().drop_front())) {
    Tile state = tiles.find(argument)->second;
    tiles[result] = state;
  }
}
