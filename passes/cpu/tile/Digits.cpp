//===- Digits.cpp - numbers as digits of 8 bits -----------------*- C++ -*-===//
#include "passes/cpu/tile/Digits.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace attn::cpu;

static Value bytesOf(CodeBuilder &b, Value x) {
  auto bytes = VectorType::get({64}, b.getI8Type());
  return vector::BitCastOp::create(b, bytes, x);
}

Value digits::split(CodeBuilder &b, Value numbers) {
  // From -128 to 127: what is below 0 borrows.
  Value bias = b.integer(numbers.getType(), 0x80808080);
  Value x = bytesOf(b, arith::XOrIOp::create(b, b.add(numbers, bias), bias));
  SmallVector<int64_t> picks;
  for (int64_t i = 0; i < 64; ++i)
    picks.push_back(i / 16 * 16 + i % 4 * 4 + i % 16 / 4);
  return vector::ShuffleOp::create(b, x, x, picks);
}

Value digits::join(CodeBuilder &b, ArrayRef<Value> sums) {
  Value whole;
  for (Value sum : llvm::reverse(sums)) {
    Type reals = b.like(sum.getType(), b.getF32Type());
    Value x = arith::SIToFPOp::create(b, reals, sum);
    whole = whole ? b.add(b.mul(whole, b.real(reals, 256)), x) : x;
  }
  return whole;
}

Value digits::interleave(CodeBuilder &b, Value x, Value y, int64_t size,
                         bool last) {
  SmallVector<int64_t> picks;
  for (int64_t i = 0; i < 64; ++i) {
    int64_t run = i % 16 / size;
    int64_t from = i / 16 * 16 + (last ? 8 : 0) + run / 2 * size + i % size;
    picks.push_back(run % 2 ? 64 + from : from);
  }
  return vector::BitCastOp::create(
      b, cast<VectorType>(x.getType()),
      vector::ShuffleOp::create(b, bytesOf(b, x), bytesOf(b, y), picks));
}

digits::Values digits::turnWords(CodeBuilder &b, ArrayRef<Value> x) {
  auto low = [&](Value y, Value z, int64_t size) {
    return interleave(b, y, z, size, false);
  };
  auto high = [&](Value y, Value z, int64_t size) {
    return interleave(b, y, z, size, true);
  };
  Value lows[] = {low(x[0], x[1], 4), low(x[2], x[3], 4)};
  Value highs[] = {high(x[0], x[1], 4), high(x[2], x[3], 4)};
  return {low(lows[0], lows[1], 8), high(lows[0], lows[1], 8),
          low(highs[0], highs[1], 8), high(highs[0], highs[1], 8)};
}

digits::Values digits::turnQuarters(CodeBuilder &b, ArrayRef<Value> x) {
  auto pick = [&](Value y, Value z, int64_t first, int64_t second) -> Value {
    SmallVector<int64_t> picks;
    for (int64_t from : {first, second, first + 4, second + 4})
      for (int64_t i = 0; i < 4; ++i)
        picks.push_back(from * 4 + i);
    return vector::ShuffleOp::create(b, y, z, picks);
  };
  Value lows[] = {pick(x[0], x[1], 0, 1), pick(x[2], x[3], 0, 1)};
  Value highs[] = {pick(x[0], x[1], 2, 3), pick(x[2], x[3], 2, 3)};
  return {pick(lows[0], lows[1], 0, 2), pick(lows[0], lows[1], 1, 3),
          pick(highs[0], highs[1], 0, 2), pick(highs[0], highs[1], 1, 3)};
}
