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
  return intrinsic(b, name, tileType(b),
                   {size(b, 16), size(b, 64), pointer, stride});
}

void amx::store(CodeBuilder &b, Value tile, Value pointer, Value stride) {
  intrinsic(b, "llvm.x86.tilestored64.internal", {},
            {size(b, 16), size(b, 64), pointer, stride, tile});
}

Value amx::zero(CodeBuilder &b) {
  return intrinsic(b, "llvm.x86.tilezero.internal", tileType(b),
                   {size(b, 16), size(b, 64)});
}

static Value product(CodeBuilder &b, StringRef name, Value sum, Value x,
                     Value y) {
  return intrinsic(b, name, amx::tileType(b),
                   {size(b, 16), size(b, 64), size(b, 64), sum, x, y});
}

Value amx::multiply(CodeBuilder &b, Value sum, Value x, Value y) {
  return product(b, "llvm.x86.tdpbf16ps.internal", sum, x, y);
}

Value amx::multiplyBytes(CodeBuilder &b, Value sum, Value x, Value y) {
  return product(b, "llvm.x86.tdpbssd.internal", sum, x, y);
}
