//===- HalvedSteps.cpp - steps of which halves are left out -----*- C++ -*-===//
// Where data decide which steps have points (and all that is asked of points is
// asked of one first product, Roles::masks), a warpgroup computes the half of a
// step's points that has any for its lanes, or nothing. Its code is small, as
// two warpgroups that run different parts of it at a time have to share what
// the instruction cache holds: the first step is one like all others, behind
// one that there is not, and full steps leave out the masks by branches.
//===----------------------------------------------------------------------===//
#include "passes/gpu/hopper/Warpgroups.h"

using namespace mlir;
using namespace attn;
using namespace attn::cpu;
using namespace attn::gpu;
using arith::CmpIPredicate;

Value WarpgroupLowering::isNothing(Value halves) {
  return b.compare(CmpIPredicate::eq, halves, b.i32(nothing));
}

/// All of a step, a half or nothing.
gpu::Values WarpgroupLowering::halvedStep(Step step, ValueRange carried) {
  Step part = step;
  part.half = arith::ShRUIOp::create(b, step.halves, b.i32(1));
  Value halves = step.halves;
  step.halves = b.i32(3);
  return b.ifElse(
      b.compare(CmpIPredicate::eq, halves, step.halves),
      [&] { return overlappedStep(step, carried); },
      [&] {
        return b.ifElse(
            b.compare(CmpIPredicate::ne, halves, b.i32(0)),
            [&] { return overlappedStep(part, carried); },
            [&] { return skippedStep(part, carried); });
      });
}

/// The first products, -inf where there are no points. Bounds and other
/// conditions are asked one after the other: mostly one of them says all.
gpu::Values WarpgroupLowering::maskedProducts(const Step &step,
                                              Values products) {
  tile::EinsumOp reader = roles.masks.reader;
  tile::EinsumOp product = roles.overlap.leading.front();
  Values result = products;
  auto ask = [&](bool others) {
    tiles[product.getResult()].values = result;
    return b.ifElse(
        anyOf(step.bits, others ? asksOthers : asksOrdered),
        [&] {
          setFull(false);
          // What the conditions read of the stream.
          for (Value tile : reader.getTiles())
            if (auto load = tile.getDefiningOp<tile::LoadOp>();
                load && load->getBlock() == reader->getBlock())
              emitOperation(*load);
          return dropUnused(
              *b.getInsertionBlock(),
              emitMasks(reader, roles.masks.condition, result, [&](MapOp map) {
                return map->hasAttr("classified") == others;
              }));
        },
        [&] { return result; });
  };
  result = b.ifElse(
      anyOf(step.bits, asksOrdered | asksOthers),
      [&] {
        for (bool others : {false, true})
          result = ask(others);
        return result;
      },
      [&] { return products; });
  setFull(true);
  return result;
}

/// Nothing of it is computed; what the step before left is.
gpu::Values WarpgroupLowering::skippedStep(const Step &step,
                                           ValueRange carried) {
  half = {};
  Value before = b.sub(step.count, b.i32(1));
  for (const SharedLoad &load : roles.loads)
    if (load.inStream && !reads(roles.overlap.trailing, load)) {
      waitFull(layout.loads[numberOf(load)], step.count);
      release(load, step.count);
    }
  ValueRange left = carried.drop_front(assign(carried));
  finishTrailing(startTrailing(left, before), before, left.back());
  Values result = flatten(states());
  for (tile::EinsumOp op : roles.overlap.trailing)
    result.append(op.getReducedSizes()[0] / 4, b.i32(0));
  result.push_back(b.i32(0));
  if (step.messages)
    result.push_back(nextWord(step.messages));
  return result;
}

/// The first step is one like all others, behind one that there is not.
gpu::Values WarpgroupLowering::emitHalved(const Values &before) {
  Values carried(before);
  for (tile::EinsumOp op : roles.overlap.trailing)
    carried.append(op.getReducedSizes()[0] / 4, b.i32(0));
  carried.push_back(b.i32(nothing));
  carried.push_back(nextWord(messages));
  messages = b.add(messages, b.i32(1));
  awaitPoint();
  return finishOverlapped(forClassifiedSteps(carried, nullptr));
}
