//===- Team.cpp - threads of a GPU and how they share work ------*- C++ -*-===//
#include "passes/cpu/Team.h"

using namespace mlir;
using namespace attn;
using namespace attn::cpu;

Value cpu::specialRegister(CodeBuilder &b, StringRef name) {
  return intrinsic(b, ("llvm.nvvm.read.ptx.sreg." + name).str(), b.getI32Type(),
                   {});
}

Team cpu::emitTeam(CodeBuilder &b) {
  auto wide = [&](StringRef name) -> Value {
    return arith::ExtUIOp::create(b, b.getI64Type(), specialRegister(b, name));
  };
  Value thread = wide("tid.x");
  return {thread, wide("ntid.x")};
}

void cpu::emitBarrier(CodeBuilder &b) {
  intrinsic(b, "llvm.nvvm.barrier.cta.sync.aligned.all", {}, b.i32(0));
}

/// The value (i32) of another lane of the warp.
static Value shuffle(CodeBuilder &b, StringRef kind, Value value, Value lane) {
  return intrinsic(b, ("llvm.nvvm.shfl.sync." + kind + ".i32").str(),
                   b.getI32Type(), {b.i32(-1), value, lane, b.i32(31)});
}

/// (LLVM's intrinsics of these are free of memory: loads would move across.)
static void control(CodeBuilder &b, StringRef instruction) {
  LLVM::InlineAsmOp::create(
      b, TypeRange(), ValueRange(), instruction, "~{memory}",
      /*has_side_effects=*/true, /*is_align_stack=*/false,
      LLVM::TailCallKind::None, LLVM::AsmDialectAttr(), ArrayAttr());
}

void cpu::emitStartNext(CodeBuilder &b) {
  control(b, "griddepcontrol.launch_dependents;");
}

void cpu::emitAwaitPrevious(CodeBuilder &b) {
  control(b, "griddepcontrol.wait;");
}

Value cpu::broadcast(CodeBuilder &b, Value value, Value lane) {
  return shuffle(b, "idx", value, lane ? lane : b.i32(0));
}

Value cpu::emitButterfly(CodeBuilder &b, Value value, int distance) {
  Type type = value.getType(), i32 = b.getI32Type();
  unsigned bits = type.getIntOrFloatBitWidth();
  Type word = b.getIntegerType(bits);
  if (isa<FloatType>(type))
    value = arith::BitcastOp::create(b, word, value);
  auto exchange = [&](Value part) {
    return shuffle(b, "bfly", part, b.i32(distance));
  };
  Value result;
  if (bits > 32) {
    Value half = b.integer(word, 32);
    Value low = exchange(arith::TruncIOp::create(b, i32, value));
    Value high = exchange(arith::TruncIOp::create(
        b, i32, arith::ShRUIOp::create(b, value, half)));
    result = arith::OrIOp::create(
        b, arith::ExtUIOp::create(b, word, low),
        arith::ShLIOp::create(b, arith::ExtUIOp::create(b, word, high), half));
  } else if (bits == 32) {
    result = exchange(value);
  } else {
    result = arith::TruncIOp::create(
        b, word, exchange(arith::ExtUIOp::create(b, i32, value)));
  }
  return isa<FloatType>(type) ? arith::BitcastOp::create(b, type, result)
                              : result;
}
