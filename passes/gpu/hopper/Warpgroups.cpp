//===- Warpgroups.cpp - a tile kernel by warpgroups -------------*- C++ -*-===//
#include "passes/gpu/hopper/Warpgroups.h"
#include "passes/cpu/Team.h"
#include "passes/cpu/tile/Absence.h"

using namespace mlir;
using namespace attn;
using namespace attn::cpu;
using namespace attn::gpu;
using arith::CmpIPredicate;

DeviceKernel gpu::describeWarpgroups(const Roles &roles,
                                     const SharedLayout &layout) {
  DeviceKernel kernel;
  kernel.threads = 128 + 2 * roles.lanes;
  kernel.itemABlock = kernel.tickets = kernel.flush = true;
  kernel.scratch = false;
  kernel.waitsItself = true;
  kernel.sharedBytes = layout.bytes;
  auto add = [&](unsigned port, int64_t axes, unsigned rowAxis, int64_t rows) {
    DeviceKernel::Map map{port, {}};
    map.box[0] = 64;
    map.box[axes - 1 - rowAxis] = rows;
    kernel.maps.push_back(map);
  };
  for (const SharedLoad &load : roles.loads) {
    tile::LoadOp op = load.op;
    add(load.port, op.getTensor().getType().getRanks().size(), load.rowAxis,
        roles.boxRows(load));
  }
  for (auto [store, room] : llvm::zip(roles.stores, layout.stores)) {
    tile::StoreOp op = store.op;
    int64_t axes = op.getIndices().front().back().getNumOperands();
    if (room >= 0)
      add(store.port, axes, store.rowAxis, 64); // a warpgroup's
  }
  return kernel;
}

WarpgroupLowering::WarpgroupLowering(CodeBuilder &b, TileSurroundings &outside,
                                     tile::KernelOp kernel, const Roles &roles,
                                     const SharedLayout &layout, Work work)
    : Fragments(b, outside, roles.lane), kernel(kernel), roles(roles),
      layout(layout), work(work) {
  // Steps that are asked about their products have no registers to spare.
  // Where three warpgroups share the matrix unit, the exponentials of one lane
  // run together with the maximum of the other, which a branch would prevent
  // (d=64, 16k keys: 508 TFLOP/s with it, 530 without).
  tile::StreamOp stream = roles.stream;
  if (roles.asksProducts)
    shifting = Shifts::exact;
  else if (roles.lanes > 128 && !roles.isClassified())
    shifting = Shifts::watched;
  repeats = shifting == Shifts::watched &&
            llvm::any_of(stream.getBody().getOps<tile::EinsumOp>(),
                         [&](auto op) { return hasShifts(op); });
}

void WarpgroupLowering::tellHuge(Value isHuge) {
  storeWordIf(b, isHuge, againAt(points), b.i32(1));
}

//===----------------------------------------------------------------------===//
// Shared memory
//===----------------------------------------------------------------------===//

Value WarpgroupLowering::address(int64_t offset, Value index, int64_t stride) {
  Value result = b.add(shared, b.i32(offset));
  return index ? b.add(result, b.mul(index, b.i32(stride))) : result;
}

Value WarpgroupLowering::stageOf(const Ring &ring, Value count) {
  return b.bitAnd(count, b.i32(ring.stages - 1));
}

Value WarpgroupLowering::fullBarrier(const Ring &ring, Value count) {
  return address(ring.full(), stageOf(ring, count), 16);
}

Value WarpgroupLowering::emptyBarrier(const Ring &ring, Value count) {
  return address(ring.empty(), stageOf(ring, count), 16);
}

static Value roundOf(CodeBuilder &b, int64_t stages, Value count) {
  return arith::ShRUIOp::create(b, count, b.i32(llvm::Log2_64(stages)));
}

static Value parityOf(CodeBuilder &b, int64_t stages, Value count) {
  return b.bitAnd(roundOf(b, stages, count), b.i32(1));
}

void WarpgroupLowering::waitFull(const Ring &ring, Value count) {
  barrierWait(b, fullBarrier(ring, count), parityOf(b, ring.stages, count));
}

void WarpgroupLowering::waitEither(Value isFirst, Use first, Use second) {
  auto choose = [&](Value x, Value y) { return b.select(isFirst, x, y); };
  barrierWait(b,
              choose(fullBarrier(first.ring, first.count),
                     fullBarrier(second.ring, second.count)),
              choose(parityOf(b, first.ring.stages, first.count),
                     parityOf(b, second.ring.stages, second.count)));
}

void WarpgroupLowering::waitEmpty(const Ring &ring, Value count) {
  // The first time round nobody has to have left.
  Value round = b.add(roundOf(b, ring.stages, count), b.i32(1));
  barrierWait(b, emptyBarrier(ring, count), b.bitAnd(round, b.i32(1)));
}

Value WarpgroupLowering::boxes(const SharedLoad &load, Value count) {
  unsigned number = numberOf(load);
  if (load.inStream)
    return address(layout.tiles[number], stageOf(layout.loads[number], count),
                   load.bytes());
  return address(layout.tiles[number], stageOf(layout.point, count),
                 layout.pointBytes);
}

Value WarpgroupLowering::lineOf(Value count) {
  return address(layout.lineWords, stageOf(layout.line, count),
                 SharedLayout::lineBytes);
}

Value WarpgroupLowering::againAt(Value count) {
  return b.add(lineOf(count), b.i32(SharedLayout::lineBytes - 4));
}

Value WarpgroupLowering::messageAt(Value count) {
  return address(layout.messageWords, stageOf(layout.message, count), 4);
}

/// Dynamic shared memory of the kernel, aligned.
static Value sharedStart(CodeBuilder &b) {
  constexpr int64_t alignment = SharedLayout::alignment;
  return b.bitAnd(b.add(sharedMemory(b), b.i32(alignment - 1)),
                  b.i32(-alignment));
}

//===----------------------------------------------------------------------===//
// The block
//===----------------------------------------------------------------------===//

void WarpgroupLowering::bindPoint(ValueRange coordinates) {
  scalars = std::make_unique<FastRegion>(b, outside, b.getF32Type(), Value());
  for (auto [argument, coordinate] :
       llvm::zip(kernel.getBody().getArguments(), coordinates))
    scalars->bindCoordinate(argument, b.convert(coordinate, b.getI64Type()));
}

void WarpgroupLowering::emit() {
  shared = sharedStart(b);
  thread = specialRegister(b, "tid.x");
  laneOfWarp = b.bitAnd(thread, b.i32(31));
  Value group = broadcast(b, arith::ShRUIOp::create(b, thread, b.i32(7)));
  int64_t groups = roles.lanes / 64;
  Value isZero = b.compare(CmpIPredicate::eq, thread, b.i32(0));
  b.ifThen(isZero, [&] {
    auto init = [&](const Ring &ring, int64_t readers) {
      for (int64_t s = 0; s < ring.stages; ++s) {
        barrierInit(b, address(ring.full(s)), 1);
        barrierInit(b, address(ring.empty(s)), readers);
      }
    };
    int64_t warps = 4 * groups;
    for (auto [load, ring] : llvm::zip(roles.loads, layout.loads))
      if (load.inStream)
        init(ring, warps);
    init(layout.point, warps);
    if (roles.isClassified()) {
      init(layout.line, warps + 1); // and who copies
      init(layout.message, warps + 1);
    }
    for (int64_t s = 0; repeats && s < layout.line.stages; ++s)
      storeWord(b, againAt(b.i32(s)), b.i32(0));
    barrierInitFence(b);
    if (roles.halved) {
      for (int64_t at = 0; at < SharedLayout::zeroBytes; at += 4)
        storeWord(b, address(layout.zeros + at), b.i32(0));
      sharedFence(b);
    }
    for (Value map : work.maps)
      prefetchMap(b, LLVM::PtrToIntOp::create(b, b.getI64Type(), map));
  });
  emitBarrier(b);
  emitAwaitPrevious(b);
  const RegisterSplit &split = registerSplit(roles.lanes, roles.isClassified());
  b.ifElse(
      b.compare(CmpIPredicate::eq, group, b.i32(0)),
      [&]() -> Values {
        setRegisters(b, split.producer, false);
        if (!roles.isClassified()) {
          b.ifThen(isZero, [&] { emitProducer(); });
          return {};
        }
        b.ifThen(b.compare(CmpIPredicate::slt, thread, b.i32(32)), [&] {
          lead = isZero;
          emitClassifier();
        });
        b.ifThen(b.compare(CmpIPredicate::eq, thread, b.i32(32)), [&] {
          lead = {};
          emitCopier();
        });
        return {};
      },
      [&]() -> Values {
        setRegisters(b, split.consumer, true);
        warp = b.bitAnd(arith::ShRUIOp::create(b, thread, b.i32(5)), b.i32(3));
        isFirst = b.compare(CmpIPredicate::eq, laneOfWarp, b.i32(0));
        groupLane = b.mul(b.sub(group, b.i32(1)), b.i32(64));
        Value quad = arith::ShRUIOp::create(b, laneOfWarp, b.i32(2));
        firstLane = b.add(groupLane, b.add(b.mul(warp, b.i32(16)), quad));
        firstColumn = b.mul(b.bitAnd(laneOfWarp, b.i32(3)), b.i32(2));
        emitConsumer();
        return {};
      });
  testUnscaled(b.getInsertionBlock()->getParentOp());
}
