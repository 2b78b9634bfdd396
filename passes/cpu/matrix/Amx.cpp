//===- Amx.cpp - the matrix instructions of x86 -----------------*- C++ -*-===//
#include "passes/cpu/matrix/Amx.h"

using namespace mlir;
using namespace attn::cpu;

static Value size(CodeBuilder &b, int64_t value) {
  return b.integer(b.getI16Type(), value);
}

Type amx::tileType(CodeBuilder &b) {
  return LLVM::LLVMX86AMXType::get(b.getContext());
}

Value amx::load(CodeBuilder &b, Value pointer, Value stride, bool once) {
  StringRef name = once ? "llvm.x86.tileloaddt164.internal"
                        : "llvm.x86.tileloadd64.internal";
  return LLVM::CallIntrinsicOp::create(
             b, tileType(b), b.getStringAttr(name),
             ValueRange{size(b, 16), size(b, 64), pointer, stride})
      .getResult(0);
}

void amx::store(CodeBuilder &b, Value tile, Value pointer, Value stride) {
  LLVM::CallIntrinsicOp::create(
      b, b.getStringAttr("llvm.x86.tilestored64.internal"),
      ValueRange{size(b, 16), size(b, 64), pointer, stride, tile});
}

Value amx::zero(CodeBuilder &b) {
  return LLVM::CallIntrinsicOp::create(
             b, tileType(b), b.getStringAttr("llvm.x86.tilezero.internal"),
             ValueRange{size(b, 16), size(b, 64)})
      .getResult(0);
}

static Value product(CodeBuilder &b, StringRef name, Value sum, Value x,
                     Value y) {
  return LLVM::CallIntrinsicOp::create(
             b, amx::tileType(b), b.getStringAttr(name),
             ValueRange{size(b, 16), size(b, 64), size(b, 64), sum, x, y})
      .getResult(0);
}

Value amx::multiply(CodeBuilder &b, Value sum, Value x, Value y) {
  return product(b, "llvm.x86.tdpbf16ps.internal", sum, x, y);
}

Value amx::multiplyBytes(CodeBuilder &b, Value sum, Value x, Value y) {
  return product(b, "llvm.x86.tdpbssd.internal", sum, x, y);
}
