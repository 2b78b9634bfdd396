//===- PointOrder.cpp - in which order grid points run ----------*- C++ -*-===//
#include "passes/gpu/hopper/PointOrder.h"
#include "mlir/Transforms/RegionUtils.h"

using namespace mlir;
using namespace attn;
using namespace attn::cpu;
using namespace attn::gpu;

// What is streamed at a time, of an L2 cache of 50 MB.
constexpr int64_t cachedBytes = int64_t(20) << 20;

/// Block arguments of the kernel that the region's code depends on.
static llvm::SmallDenseSet<Value> argumentsRead(Region &region) {
  llvm::SetVector<Value> work;
  getUsedValuesDefinedAbove(region, work);
  llvm::SmallDenseSet<Value> result;
  for (size_t i = 0; i < work.size(); ++i) {
    Operation *def = work[i].getDefiningOp();
    if (!def)
      result.insert(work[i]);
    else
      work.insert(def->operand_begin(), def->operand_end());
  }
  return result;
}

PointOrder::PointOrder(CodeBuilder &b, TileSurroundings &outside,
                       tile::KernelOp kernel, const Roles &roles)
    : b(b) {
  Block &body = kernel.getBody().front();
  llvm::SmallDenseSet<Value> read;
  int64_t bytes = 0;
  for (const SharedLoad &load : roles.loads)
    if (load.inStream) {
      auto more = argumentsRead(tile::LoadOp(load.op).getIndices());
      read.insert(more.begin(), more.end());
      bytes += load.bytes();
    }
  Value numSets = b.i32(1);
  numOthers = numSets;
  for (auto [axis, rank] : llvm::enumerate(strings(kernel.getGrid()))) {
    bool tells = read.contains(body.getArgument(axis));
    (tells ? sets : others).push_back(axis);
    extents.push_back(b.convert(outside.extent(rank), b.getI32Type()));
    Value &count = tells ? numSets : numOthers;
    count = b.mul(count, extents.back());
  }
  tile::StreamOp stream = roles.stream;
  Value steps = outside.extent(b.getStringAttr(stream.getRank()));
  Value setBytes = b.max(b.mul(steps, b.i64(bytes)), b.i64(1));
  Value fit = arith::DivUIOp::create(b, b.i64(cachedBytes), setBytes);
  fit = b.convert(b.min(b.max(fit, b.i64(1)), b.i64(1 << 20)), b.getI32Type());
  // Equal sections: the last ones are to fill the machine, too.
  Value sections = b.max(
      arith::CeilDivUIOp::create(b, numSets, b.min(fit, numSets)), b.i32(1));
  sectionSets = arith::DivUIOp::create(b, numSets, sections);
  more = b.sub(numSets, b.mul(sectionSets, sections));
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
  Value large = b.mul(b.add(sectionSets, b.i32(1)), numOthers);
  Value firstSmall = b.mul(more, large);
  Value isLarge = b.compare(arith::CmpIPredicate::slt, item, firstSmall);
  Value here = b.select(isLarge, b.add(sectionSets, b.i32(1)), sectionSets);
  Value from = b.select(isLarge, b.i32(0), firstSmall);
  Value size = b.mul(here, numOthers);
  Value inside = b.sub(item, from);
  Value number = arith::DivUIOp::create(b, inside, size);
  Value first = b.add(
      b.mul(number, here),
      b.select(isLarge, b.i32(0), b.mul(more, b.add(sectionSets, b.i32(1)))));
  inside = b.sub(inside, b.mul(number, size));
  Value other = arith::DivUIOp::create(b, inside, here);
  Value set = b.add(first, b.sub(inside, b.mul(other, here)));
  split(sets, set, at);
  split(others, b.sub(b.sub(numOthers, b.i32(1)), other), at);
  return at;
}
