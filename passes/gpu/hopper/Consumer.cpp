//===- Consumer.cpp - what warpgroups compute -------------------*- C++ -*-===//
#include "passes/cpu/Formats.h"
#include "passes/cpu/tile/Absence.h"
#include "passes/gpu/hopper/Reduce.h"
#include "passes/gpu/hopper/Warpgroups.h"

using namespace mlir;
using namespace attn;
using namespace attn::cpu;
using namespace attn::gpu;
using arith::CmpIPredicate;

//===----------------------------------------------------------------------===//
// Registers
//===----------------------------------------------------------------------===//

Scalar WarpgroupLowering::element(Value tile, Point point) {
  const Registers &r = tiles.find(tile)->second;
  int64_t i = shapeOf(r.type).at(point.first, point.second);
  Scalar scalar;
  scalar.value = r.values[i];
  if (!r.present.empty())
    scalar.present = r.present[i];
  return scalar;
}

void WarpgroupLowering::bindCoordinates(FastRegion &code, Block &block,
                                        ArrayRef<StringAttr> ranks,
                                        Point point) {
  for (auto [argument, rank] : llvm::zip(block.getArguments(), ranks)) {
    Value at = rank == roles.lane
                   ? b.add(firstLane, b.i32(8 * point.first))
                   : b.add(firstColumn,
                           b.i32(8 * (point.second >> 1) + (point.second & 1)));
    code.bind(argument, {at, {}, {}, true});
  }
}

Scalar WarpgroupLowering::emitRegion(Region &region, tile::TileType space,
                                     StringAttr reduced, ValueRange operands,
                                     Point point) {
  FastRegion code(b, outside, b.getF32Type(), full);
  code.capture(*scalars, region);
  Block &block = region.front();
  SmallVector<StringAttr> ranks(space.getRanks());
  if (reduced)
    ranks.push_back(reduced);
  bindCoordinates(code, block, ranks, point);
  for (auto [argument, operand] :
       llvm::zip(block.getArguments().drop_front(ranks.size()), operands))
    if (!argument.use_empty())
      code.bind(argument, element(operand, point));
  return tellByValue(b, code.settled(code.emit(block).front()));
}

/// Compiled code computes in the tile's element type.
static Value convertTo(CodeBuilder &b, Value value, Type element) {
  return value.getType().isInteger(1) && !element.isInteger(1)
             ? Value(arith::ExtUIOp::create(b, element, value))
             : b.convert(value, element);
}

void WarpgroupLowering::emitEinsum(tile::EinsumOp op) {
  Registers result{op.getResult().getType(), {}, {}};
  Shape shape = shapeOf(result.type);
  for (int64_t i = 0; i < shape.count(); ++i) {
    Scalar value = emitRegion(op.getMap(), result.type, {}, op.getTiles(),
                              {shape.lane(i), shape.column(i)});
    result.values.push_back(
        convertTo(b, value.value, result.type.getElementType()));
    if (result.type.getMasked())
      result.present.push_back(b.both(value.present, {}));
  }
  tiles[op.getResult()] = result;
}

void WarpgroupLowering::emitReduction(tile::EinsumOp op) {
  Registers result{op.getResult().getType(), {}, {}};
  Shape shape = shapeOf(result.type);
  StringAttr reduced = op.getReduced().empty()
                           ? StringAttr()
                           : cast<StringAttr>(op.getReduced()[0]);
  int64_t columns = reduced ? op.getReducedSizes()[0] / 4 : 1;
  for (int64_t lane = 0; lane < shape.count(); ++lane) {
    SmallVector<Scalar> points;
    for (int64_t column = 0; column < columns; ++column)
      points.push_back(emitRegion(op.getMap(), result.type, reduced,
                                  op.getTiles(), {lane, column}));
    Value sum =
        reducePoints(b, *op.getMonoid(), points, result.type.getElementType());
    if (reduced && !roles.inParts.contains(op))
      sum = reduceAcross(b, *op.getMonoid(), sum);
    if (op.getInit())
      sum = combine(b, *op.getMonoid(), element(op.getInit(), {lane, 0}).value,
                    sum);
    result.values.push_back(sum);
  }
  tiles[op.getResult()] = result;
}

//===----------------------------------------------------------------------===//
// Loads and stores
//===----------------------------------------------------------------------===//

gpu::Values WarpgroupLowering::indicesAt(Region &region, tile::TileType type,
                                         Point point, const Storage &s,
                                         Value &inside) {
  FastRegion code(b, outside, b.getF32Type(), full);
  code.capture(*scalars, region);
  Block &block = region.front();
  bindCoordinates(code, block, type.getRanks(), point);
  Values indices;
  for (auto [index, extent] : llvm::zip(code.emit(block), s.extents)) {
    Value i = wideInteger(b, index), in = b.ult(i, extent);
    inside = b.both(inside, b.both(index.present, in));
    indices.push_back(b.select(in, i, b.i64(0)));
  }
  return indices;
}

void WarpgroupLowering::emitLoad(tile::LoadOp op) {
  const Storage &s = outside.storage(op.getTensor());
  Registers result{op.getType(), {}, {}};
  Shape shape = shapeOf(result.type);
  Type type = result.type.getElementType();
  Value zero = isa<FloatType>(type) ? b.real(type, 0) : b.integer(type, 0);
  for (int64_t i = 0; i < shape.count(); ++i) {
    Value inside;
    Values indices = indicesAt(op.getIndices(), result.type,
                               {shape.lane(i), shape.column(i)}, s, inside);
    Value offset = StorageMap::offset(b, s, indices);
    Value value = loadElements(b, s, offset, type);
    if (inside)
      value = b.select(inside, value, zero);
    result.values.push_back(value);
    if (result.type.getMasked())
      result.present.push_back(
          b.both(inside, s.presence ? loadPresence(b, s, offset) : Value()));
  }
  tiles[op.getResult()] = result;
}

void WarpgroupLowering::emitStore(tile::StoreOp op) {
  for (auto [store, room] : llvm::zip(roles.stores, layout.stores))
    if (store.op == op && room >= 0)
      return emitBoxStore(store, room);
  const Storage &s = outside.result(op.getResult());
  const Registers &r = tiles.find(op.getTile())->second;
  Shape shape = shapeOf(r.type);
  // Threads with equal values: one of them stores.
  Value mine;
  if (!shape.columns)
    mine = b.compare(CmpIPredicate::eq, firstColumn, b.i32(0));
  if (!shape.lanes) {
    Value top = b.compare(CmpIPredicate::eq, firstLane, b.i32(0));
    mine = b.both(mine, top);
  }
  for (int64_t i = 0; i < shape.count(); ++i) {
    Value inside = mine;
    Values indices = indicesAt(op.getIndices(), r.type,
                               {shape.lane(i), shape.column(i)}, s, inside);
    Scalar value;
    value.value = r.values[i];
    if (!r.present.empty())
      value.present = r.present[i];
    b.ifThen(inside, [&] { StorageMap::store(b, s, indices, value); });
  }
}

/// Rounded into shared memory in the order of a box, from where the copy engine
/// takes the rows of the warpgroup that there are.
void WarpgroupLowering::emitBoxStore(const SharedStore &store, int64_t room) {
  tile::StoreOp op = store.op;
  const Registers &r = tiles.find(op.getTile())->second;
  Type element = outside.result(op.getResult()).element;
  Value storer =
      b.compare(CmpIPredicate::eq, b.bitAnd(thread, b.i32(127)), b.i32(0));
  auto together = [&] {
    Value id = b.add(arith::ShRUIOp::create(b, groupLane, b.i32(6)), b.i32(1));
    intrinsic(b, "llvm.nvvm.barrier.cta.sync.aligned.count", {},
              {id, b.i32(128)});
  };
  if (!layout.storesShare)
    b.ifThen(storer, [&] { waitStores(b); });
  together();
  int64_t panelBytes = roles.lanes * 128;
  Value base = address(room, groupLane, 128);
  if (layout.storesShare)
    base = b.add(
        base, b.mul(stageOf(layout.point, points), b.i32(layout.pointBytes)));
  // A thread has the address of a row of 8 columns; pieces are permuted by the
  // row.
  Value row = b.bitAnd(laneOfWarp, b.i32(15));
  Value at = b.add(base, b.mul(b.add(b.mul(warp, b.i32(16)), row), b.i32(128)));
  Value piece = arith::ShRUIOp::create(b, laneOfWarp, b.i32(4));
  for (int64_t j = 0; j < store.columns / 16; ++j) {
    Values pairs;
    for (int64_t i = 8 * j; i < 8 * j + 8; i += 2)
      pairs.push_back(packPair(b, element, r.values[i], r.values[i + 1]));
    Value place = arith::XOrIOp::create(b, b.add(piece, b.i32(j % 4 * 2)),
                                        b.bitAnd(row, b.i32(7)));
    storeMatrices(
        b, b.add(b.add(at, b.i32(j / 4 * panelBytes)), b.mul(place, b.i32(16))),
        pairs);
  }
  sharedFence(b);
  together();
  b.ifThen(storer, [&] {
    Values first = boxCoordinates(op.getIndices(), store.rowRank, groupLane);
    size_t number = roles.loads.size();
    for (auto [other, place] : llvm::zip(roles.stores, layout.stores)) {
      if (other.op == op)
        break;
      number += place >= 0;
    }
    Value map = LLVM::PtrToIntOp::create(b, b.getI64Type(), work.maps[number]);
    for (int64_t panel = 0; panel < store.columns / 64; ++panel) {
      first[0] = b.i32(panel * 64);
      storeBox(b, b.add(base, b.i32(panel * panelBytes)), map, first);
    }
    commitStores(b);
    if (layout.storesShare)
      waitStores(b);
  });
}

//===----------------------------------------------------------------------===//
// A grid point
//===----------------------------------------------------------------------===//

void WarpgroupLowering::emitOperation(Operation &op) {
  llvm::TypeSwitch<Operation *>(&op)
      .Case([&](tile::LoadOp load) {
        if (!roles.sharedLoad(load.getResult()))
          emitLoad(load);
      })
      .Case([&](tile::StoreOp store) { emitStore(store); })
      .Case([&](tile::EinsumOp einsum) {
        if (roles.contractions.contains(einsum))
          emitContraction(einsum);
        else if (einsum.getMonoid())
          emitReduction(einsum);
        else
          emitEinsum(einsum);
      })
      .Case([&](tile::StreamOp) { emitStream(); })
      .Case([&](tile::YieldOp) {})
      .Default([&](Operation *scalar) { scalars->emit(scalar); });
}

void WarpgroupLowering::emitBlock(Block &block) {
  for (Operation &op : block)
    emitOperation(op);
}

/// The copying warp may bring the next point's boxes where this one's were.
void WarpgroupLowering::releasePoint() {
  if (pointReleased)
    return;
  pointReleased = true;
  barrierArrive(b, emptyBarrier(layout.point, points), isFirst);
}

void WarpgroupLowering::emitConsumer() {
  Values zero(3, b.i32(0));
  unsigned axes = kernel.getBody().getNumArguments();
  whileLoop(
      b, zero,
      [&](ValueRange in, Values &found) {
        waitFull(layout.point, in[0]);
        Value place = b.mul(laneOfWarp, b.i32(4));
        Value word = loadWord(b, b.add(pointLine(in[0]), place));
        found.push_back(word);
        return b.compare(CmpIPredicate::sge, broadcast(b, word), b.i32(0));
      },
      [&](ValueRange in, ValueRange found) {
        points = in[0];
        steps = in[1];
        messages = in[2];
        unsigned next = 1;
        auto word = [&] { return broadcast(b, found[0], b.i32(next++)); };
        for (Value *bound : {&lower, &fullLower, &fullUpper, &upper})
          *bound = word();
        Values coordinates;
        for (unsigned axis = 0; axis < axes; ++axis)
          coordinates.push_back(word());
        bindPoint(coordinates);
        tiles.clear();
        pointReleased = false;
        emitBlock(kernel.getBody().front());
        releasePoint();
        return Values{b.add(points, b.i32(1)), steps, messages};
      });
  // Shared memory stays until it is read.
  if (llvm::any_of(layout.stores, [](int64_t room) { return room >= 0; }))
    waitStores(b);
}
