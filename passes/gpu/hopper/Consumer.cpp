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

void WarpgroupLowering::emitStore(tile::StoreOp op) {
  for (auto [store, room] : llvm::zip(roles.stores, layout.stores))
    if (store.op == op && room >= 0)
      return emitBoxStore(store, room);
  storePoints(op);
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
  if (!layout.storesShare || isAgain)
    b.ifThen(storer, [&] { waitStores(b, /*done=*/isAgain); });
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

/// Until the point's boxes are there.
void WarpgroupLowering::awaitPoint() {
  if (!pointAwaited)
    waitFull(layout.point, points);
  pointAwaited = true;
}

/// The next point's boxes may come where this one's were.
void WarpgroupLowering::releasePoint() {
  awaitPoint();
  if (pointReleased)
    return;
  pointReleased = true;
  if (repeats) // what its threads have told
    intrinsic(b, "llvm.nvvm.bar.warp.sync", {}, {b.i32(-1)});
  barrierArrive(b, emptyBarrier(layout.point, points), isFirst);
}

void WarpgroupLowering::emitPoint(ValueRange coordinates) {
  bindPoint(coordinates);
  tiles.clear();
  slices.clear();
  pointAwaited = !roles.isClassified();
  pointReleased = false;
  emitBlock(kernel.getBody().front());
  releasePoint();
}

void WarpgroupLowering::emitConsumer() {
  Values zero(3, b.i32(0));
  unsigned axes = kernel.getBody().getNumArguments();
  whileLoop(
      b, zero,
      [&](ValueRange in, Values &found) {
        waitFull(layout.line, in[0]);
        Value place = b.mul(laneOfWarp, b.i32(4));
        Value word = loadWord(b, b.add(lineOf(in[0]), place));
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
        if (roles.isClassified())
          barrierArrive(b, emptyBarrier(layout.line, points), isFirst);
        if (!repeats) {
          emitPoint(coordinates);
          return Values{b.add(points, b.i32(1)), steps, messages};
        }
        Value comesAgain =
            b.compare(CmpIPredicate::ne, broadcast(b, found[0]), b.i32(0));
        auto emit = [&](bool again, Shifts how) {
          isAgain = again;
          shifting = how;
          steps = in[1];
          messages = in[2];
          emitPoint(coordinates);
          if (again)
            roundDifferences(*b.getInsertionBlock());
          return Values{steps, messages};
        };
        Values counts = b.ifElse(
            comesAgain, [&] { return emit(true, Shifts::exact); },
            [&] { return emit(false, Shifts::watched); });
        return Values{b.add(points, b.i32(1)), counts[0], counts[1]};
      });
  // Shared memory stays until it is read.
  if (llvm::any_of(layout.stores, [](int64_t room) { return room >= 0; }))
    waitStores(b);
}
