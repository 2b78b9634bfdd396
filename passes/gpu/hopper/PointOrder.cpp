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
  numSets = numOthers = b.i32(1);
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
  fit = b.min(b.max(fit, b.i64(1)), b.i64(1 << 20));
  atOnce = b.min(b.convert(fit, b.getI32Type()), numSets);
}

void PointOrder::split(ArrayRef<unsigned> axes, Value number,
                       MutableArrayRef<Value> at) {
  for (size_t i = axes.size(); i-- > 0;) {
    at[axes[i]] = i ? Value(arith::RemUIOp::create(b, number, extents[axes[i]]))
                    : number;
    if (i)
      number = arith::DivUIOp::create(b, number, extents[axes[i]]);
  }
}

SmallVector<Value> PointOrder::coordinates(Value item) {
  SmallVector<Value> at(extents.size());
  Value section = b.mul(atOnce, numOthers);
  Value number = arith::DivUIOp::create(b, item, section);
  Value inside = b.sub(item, b.mul(number, section));
  Value first = b.mul(number, atOnce);
  Value here = b.min(atOnce, b.sub(numSets, first));
  Value other = arith::DivUIOp::create(b, inside, here);
  Value set = b.add(first, b.sub(inside, b.mul(other, here)));
  split(sets, set, at);
  split(others, b.sub(b.sub(numOthers, b.i32(1)), other), at);
  return at;
}
