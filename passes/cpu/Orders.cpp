//===- Orders.cpp - the code of an order ------------------------*- C++ -*-===//
#include "passes/cpu/Units.h"

using namespace mlir;
using namespace attn;
using namespace attn::cpu;
using arith::CmpIPredicate;

Value cpu::emitSortKey(CodeBuilder &b, Value value) {
  Type i64 = b.getI64Type();
  Value sign = b.i64(INT64_MIN);
  if (!isa<FloatType>(value.getType())) {
    Value wide = b.convert(value, i64); // bools are zero-extended
    return arith::XOrIOp::create(b, wide, sign);
  }
  // -0 and 0 tie; negative numbers descend in their bits.
  Value x = b.convert(value, b.getF64Type());
  Value nan = b.isNan(x);
  x = arith::AddFOp::create(b, x, b.real(b.getF64Type(), 0));
  Value bits = arith::BitcastOp::create(b, i64, x);
  Value negative = b.compare(CmpIPredicate::slt, bits, b.i64(0));
  Value flipped =
      arith::XOrIOp::create(b, bits, b.select(negative, b.i64(-1), sign));
  return b.select(nan, b.i64(0), flipped);
}

namespace {
/// Scratch of an order: keys by point, the coordinates, and twice as much to
/// sort in.
struct OrderScratch {
  Value keys, index, spare;
  OrderScratch(CodeBuilder &b, Value base, Value count, unsigned numKeys) {
    keys = base;
    Value words = b.mul(count, b.i64(numKeys));
    index = b.gep(b.getI64Type(), base, words);
    spare = b.gep(b.getI32Type(), index, count);
  }
};
} // namespace

Value UnitEmitter::scratchBytes(Frame &frame, const Unit &unit) {
  auto op = dyn_cast<OrderOp>(unit.op);
  if (!op)
    return {};
  CodeBuilder &b = frame.prologue;
  unsigned numKeys = op.getKeys().front().back().getNumOperands();
  return saturatingMul(b, frame.extent(op.getFromAttr()),
                       b.i64(8 * numKeys + 12));
}

void UnitEmitter::emitOrder(const Unit &unit, const Coordinates &at) {
  auto op = cast<OrderOp>(unit.op);
  Type real = plan.facts.computeType(op);
  Block &block = op.getKeys().front();
  unsigned numKeys = block.back().getNumOperands();
  Value extent = frame.extent(op.getFromAttr());
  OrderScratch scratch(b, frame.scratch(b, worker), extent, numKeys);

  // Compact the present points in ascending coordinates.
  SmallVector<Value> filled = b.loop(
      b.i64(0), extent, b.i64(0),
      [&](Value i, ValueRange carried) -> SmallVector<Value> {
        Value count = carried[0];
        RegionEmitter region(b, storages, real);
        for (auto [argument, rank] :
             llvm::zip(block.getArguments(), unit.space))
          region.bindCoordinate(argument, at.lookup(rank));
        region.bindCoordinate(block.getArguments().back(), i);
        Value present;
        Value first = b.mul(count, b.i64(numKeys));
        // Written at `count` in any case; only a present point advances it.
        for (auto [k, key] : llvm::enumerate(region.emit(block))) {
          present = b.both(present, key.present);
          b.store(emitSortKey(b, key.value),
                  b.gep(b.getI64Type(), scratch.keys, b.add(first, b.i64(k))));
        }
        b.store(b.convert(i, b.getI32Type()),
                b.gep(b.getI32Type(), scratch.index, count));
        Value next = b.add(count, b.i64(1));
        return {present ? b.select(present, next, count) : next};
      });
  Value count = filled[0];
  b.call("attn_sort_keys", {},
         {scratch.keys, b.i64(numKeys), count, scratch.index, scratch.spare});
  Coordinates to = at;
  b.loop(b.i64(0), frame.extent(op.getToAttr()), [&](Value j) {
    to[op.getToAttr()] = j;
    Value present = b.compare(CmpIPredicate::slt, j, count);
    Value safe = b.select(present, j, b.i64(0));
    Value found = b.ifElse(
        b.compare(CmpIPredicate::sgt, extent, b.i64(0)),
        [&]() -> SmallVector<Value> {
          return {b.load(b.getI32Type(),
                         b.gep(b.getI32Type(), scratch.index, safe))};
        },
        [&]() -> SmallVector<Value> { return {b.i32(-1)}; })[0];
    storeAt(unit.targets[0], to, {found, present, {}, false});
  });
}
