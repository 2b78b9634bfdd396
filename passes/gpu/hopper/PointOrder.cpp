//===- PointOrder.cpp - in which order grid points run ----------*- C++ -*-===//
#include "passes/gpu/hopper/PointOrder.h"
#include "passes/gpu/Intrinsics.h"

using namespace mlir;
using namespace attn;
using namespace attn::cpu;
using namespace attn::gpu;

// What is streamed at a time, of an L2 cache of 50 MB.
constexpr int64_t cachedBytes = int64_t(20) << 20;
// Points a block that level what differs; where only data tell how much.
constexpr int64_t pointsABlock = 3, manyPoints = 5;

static Value ceilDiv(CodeBuilder &b, Value x, Value y) {
  return arith::CeilDivUIOp::create(b, x, y);
}

PointOrder::PointOrder(CodeBuilder &b, TileSurroundings &outside,
                       tile::KernelOp kernel, const Roles &roles)
    : b(b) {
  int64_t bytes = 0;
  for (const SharedLoad &load : roles.loads)
    bytes += load.inStream ? load.bytes() : 0;
  llvm::SmallVector<bool> tells = roles.streamAxes();
  Value numSets = b.i32(1);
  numOthers = numSets;
  for (auto [axis, rank] : llvm::enumerate(strings(kernel.getGrid()))) {
    (tells[axis] ? sets : others).push_back(axis);
    extents.push_back(b.convert(outside.extent(rank), b.getI32Type()));
    Value &count = tells[axis] ? numSets : numOthers;
    count = b.mul(count, extents.back());
  }
  Value points = b.mul(specialRegister(b, "nctaid.x"),
                       b.i32(roles.isClassified() ? manyPoints : pointsABlock));
  lastSets = b.i32(1);
  if (roles.isClassified()) {
    lastOthers = b.min(ceilDiv(b, points, b.max(numSets, lastSets)), numOthers);
    firstSets = lastSets = numSets;
  } else if (roles.boundsDiffer()) {
    tile::StreamOp stream = roles.stream;
    Value steps = outside.extent(b.getStringAttr(stream.getRank()));
    Value setBytes = b.max(b.mul(steps, b.i64(bytes)), b.i64(1));
    Value fit = arith::DivUIOp::create(b, b.i64(cachedBytes), setBytes);
    fit = b.convert(b.min(fit, b.i64(1 << 20)), b.getI32Type());
    Value enough = ceilDiv(b, points, numOthers);
    lastSets = b.max(b.min(b.min(fit, enough), numSets), lastSets);
  }
  if (!lastOthers) {
    firstSets = b.sub(numSets, lastSets);
    lastOthers = numOthers;
  }
  beforeSets = b.sub(numSets, lastSets);
  firstOthers = roles.isClassified() ? b.sub(numOthers, lastOthers) : numOthers;
}

void PointOrder::split(ArrayRef<unsigned> axes, Value number,
                       MutableArrayRef<Value> at) {
  for (size_t i = axes.size(); i-- > 0;) {
    at[axes[i]] =
        i ? Value(arith::RemUIOp::create(b, number, extents[axes[i]])) : number;
    if (i)
      number = arith::DivUIOp::create(b, number, extents[axes[i]]);
  }
}

SmallVector<Value> PointOrder::coordinates(Value item) {
  SmallVector<Value> at(extents.size());
  Value before = b.mul(firstSets, firstOthers);
  Value isFirst = b.compare(arith::CmpIPredicate::slt, item, before);
  Value inside = b.sub(item, b.select(isFirst, b.i32(0), before));
  Value divisor = b.select(isFirst, firstOthers, lastSets);
  Value quotient = arith::DivUIOp::create(b, inside, divisor);
  Value rest = b.sub(inside, b.mul(quotient, divisor));
  Value set = b.select(isFirst, quotient, b.add(beforeSets, rest));
  Value left =
      b.select(isFirst, b.sub(numOthers, rest), b.sub(lastOthers, quotient));
  split(sets, set, at);
  split(others, b.sub(left, b.i32(1)), at);
  return at;
}
