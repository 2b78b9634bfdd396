//===- Steps.cpp - a step of a stream ---------------------------*- C++ -*-===//
// A full step asks no conditions. Beside bounds and classification, reads of
// slices and products (Roles::asksProducts) decide whether a step is full.
//===----------------------------------------------------------------------===//
#include "mlir/Dialect/Math/IR/Math.h"
#include "passes/gpu/hopper/Warpgroups.h"
#include <cmath>

using namespace mlir;
using namespace attn;
using namespace attn::cpu;
using namespace attn::gpu;
using arith::CmpIPredicate;

/// Loads of the stream that warps fetch in slices.
SmallVector<tile::LoadOp> WarpgroupLowering::slicedLoads() const {
  tile::StreamOp stream = roles.stream;
  SmallVector<tile::LoadOp> result;
  for (auto load : stream.getBody().getOps<tile::LoadOp>())
    if (!roles.sharedLoad(load.getResult()) && sliceOf(load))
      result.push_back(load);
  return result;
}

bool WarpgroupLowering::asksReads() const {
  return llvm::any_of(slicedLoads(), [](tile::LoadOp load) {
    return load.getType().getMasked();
  });
}

/// Is a step full whose reads are all inside, too? The same for the block.
Value WarpgroupLowering::withReads(Value isFull, Value step) {
  if (!asksReads())
    return isFull;
  bindStep(step);
  for (tile::LoadOp load : slicedLoads())
    if (load.getType().getMasked())
      isFull = b.both(isFull, sliceInside(load));
  Value word = arith::ExtUIOp::create(b, b.getI32Type(), isFull);
  return b.compare(CmpIPredicate::ne, broadcast(b, word), b.i32(0));
}

void WarpgroupLowering::bindStep(Value step) {
  tile::StreamOp stream = roles.stream;
  Block &body = stream.getBody().front();
  scalars->bindCoordinate(body.getArgument(0), b.convert(step, b.getI64Type()));
  // What slices' indices are made of comes before everything else.
  if (!slicedLoads().empty())
    for (Operation &op : body)
      if (!isa<tile::LoadOp, tile::EinsumOp, tile::YieldOp>(op))
        scalars->emit(&op);
}

void WarpgroupLowering::setFull(bool isFull) {
  full = isFull ? b.boolean(true) : Value();
  sliceIsInside = isFull;
  scalars->setFull(full);
}

gpu::Values WarpgroupLowering::eitherStep(Value isFull, const Step &step,
                                          ValueRange carried, StepBody body) {
  Step full = step, partial = step;
  full.full = true;
  partial.full = false;
  if (roles.asksProducts) {
    partial.mayBeFull = isFull;
    return body(partial, carried);
  }
  return b.ifElse(
      isFull, [&] { return body(full, carried); },
      [&] { return body(partial, carried); });
}

gpu::Values WarpgroupLowering::dropUnused(Block &block, Values results) {
  for (Operation &op : llvm::make_early_inc_range(llvm::reverse(block))) {
    auto call = dyn_cast<LLVM::CallIntrinsicOp>(op);
    bool isFetch = call && call.getIntrin() == "llvm.nvvm.shfl.sync.idx.i32";
    if ((isFetch || isa<arith::BitcastOp>(op)) && op.use_empty() &&
        !llvm::is_contained(results, op.getResult(0)))
      op.erase();
  }
  return results;
}

/// Sums of multiples that overflow where a value is not small, and where
/// several are half of that.
Value WarpgroupLowering::areSmall(ArrayRef<Value> values) {
  Type f32 = b.getF32Type();
  Value factor = b.real(f32, std::ldexp(1, 129) / smallValue);
  Values sums(std::min<size_t>(values.size(), 4), b.real(f32, 0));
  for (auto [i, value] : llvm::enumerate(values)) {
    Value &sum = sums[i % sums.size()];
    sum = math::FmaOp::create(b, value, factor, sum);
  }
  Value all = b.real(f32, 0);
  for (Value sum : sums)
    all = b.add(all, sum);
  Value mine = arith::CmpFOp::create(b, arith::CmpFPredicate::OLT,
                                     math::AbsFOp::create(b, all),
                                     b.real(f32, INFINITY));
  return intrinsic(b, "llvm.nvvm.vote.all.sync", b.getI1Type(),
                   {b.i32(-1), mine});
}

void WarpgroupLowering::beginStep(const Step &step) {
  half = step.half;
  setFull(step.full);
  bindStep(step.step);
  auto fetch = [&] {
    Values held;
    for (tile::LoadOp load : slicedLoads()) {
      fetchSlice(load);
      llvm::append_range(held, slices[load]);
    }
    return held;
  };
  if (!step.bits || slicedLoads().empty()) {
    fetch();
    return;
  }
  SmallVector<Type> types;
  Values held = b.ifElse(
      anyOf(step.bits, asksOthers),
      [&] {
        Values held = fetch();
        llvm::append_range(types, ValueRange(held).getTypes());
        return held;
      },
      [&] {
        Values none;
        for (Type type : types)
          none.push_back(isa<FloatType>(type) ? b.real(type, 0)
                                              : b.integer(type, 0));
        return none;
      });
  ArrayRef<Value> rest = held;
  for (tile::LoadOp load : slicedLoads()) {
    Values &own = slices[load];
    own.assign(rest.begin(), rest.begin() + own.size());
    rest = rest.drop_front(own.size());
  }
}

gpu::Values WarpgroupLowering::plainStep(const Step &step, ValueRange carried) {
  assign(carried);
  beginStep(step);
  Value outer = steps;
  steps = step.count;
  tile::StreamOp stream = roles.stream;
  Block &body = stream.getBody().front();
  emitBlock(body);
  steps = outer;
  Values result = flatten(body.back().getOperands());
  if (step.messages)
    result.push_back(nextWord(step.messages));
  return dropUnused(*b.getInsertionBlock(), std::move(result));
}
