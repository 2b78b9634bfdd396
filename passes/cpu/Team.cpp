//===- Team.cpp - threads that share work on a GPU --------------*- C++ -*-===//
#include "passes/cpu/Team.h"

using namespace mlir;
using namespace attn;
using namespace attn::cpu;

void cpu::emitBlockBarrier(CodeBuilder &b) {
  LLVM::CallIntrinsicOp::create(
      b, b.getStringAttr("llvm.nvvm.barrier.cta.sync.aligned.all"),
      ValueRange{b.i32(0)});
}

Value cpu::emitSpecialRegister(CodeBuilder &b, StringRef name) {
  Value value = LLVM::CallIntrinsicOp::create(
                    b, b.getI32Type(),
                    b.getStringAttr("llvm.nvvm.read.ptx.sreg." + name.str()),
                    ValueRange{})
                    .getResult(0);
  return arith::ExtUIOp::create(b, b.getI64Type(), value);
}

Team cpu::emitTeam(CodeBuilder &b) {
  Value thread = emitSpecialRegister(b, "tid.x");
  return {thread, emitSpecialRegister(b, "ntid.x")};
}

Value cpu::emitButterfly(CodeBuilder &b, Value value, int distance) {
  Type type = value.getType(), i32 = b.getI32Type();
  unsigned bits = type.getIntOrFloatBitWidth();
  Type word = b.getIntegerType(bits);
  if (isa<FloatType>(type))
    value = arith::BitcastOp::create(b, word, value);
  auto shuffle = [&](Value part) {
    return LLVM::CallIntrinsicOp::create(
               b, i32, b.getStringAttr("llvm.nvvm.shfl.sync.bfly.i32"),
               ValueRange{b.i32(-1), part, b.i32(distance), b.i32(31)})
        .getResult(0);
  };
  Value result;
  if (bits > 32) {
    Value half = b.integer(word, 32);
    Value low = shuffle(arith::TruncIOp::create(b, i32, value));
    Value high = shuffle(arith::TruncIOp::create(
        b, i32, arith::ShRUIOp::create(b, value, half)));
    result = arith::OrIOp::create(
        b, arith::ExtUIOp::create(b, word, low),
        arith::ShLIOp::create(b, arith::ExtUIOp::create(b, word, high), half));
  } else if (bits == 32) {
    result = shuffle(value);
  } else {
    result = arith::TruncIOp::create(
        b, word, shuffle(arith::ExtUIOp::create(b, i32, value)));
  }
  return isa<FloatType>(type) ? arith::BitcastOp::create(b, type, result)
                              : result;
}
