//===- Intrinsics.cpp - operations that only GPUs have ----------*- C++ -*-===//
#include "passes/gpu/Intrinsics.h"

using namespace mlir;
using namespace attn;
using namespace attn::cpu;

Value gpu::intrinsic(CodeBuilder &b, StringRef name, Type result,
                     ValueRange operands) {
  if (!result) {
    LLVM::CallIntrinsicOp::create(b, b.getStringAttr(name), operands);
    return {};
  }
  return LLVM::CallIntrinsicOp::create(b, result, b.getStringAttr(name),
                                       operands)
      .getResult(0);
}

Value gpu::specialRegister(CodeBuilder &b, StringRef name) {
  return intrinsic(b, ("llvm.nvvm.read.ptx.sreg." + name).str(), b.getI32Type(),
                   {});
}

Value gpu::broadcast(CodeBuilder &b, Value value, Value lane) {
  return intrinsic(b, "llvm.nvvm.shfl.sync.idx.i32", b.getI32Type(),
                   {b.i32(-1), value, lane ? lane : b.i32(0), b.i32(31)});
}

Value gpu::sharedMemory(CodeBuilder &b) {
  constexpr StringLiteral name = "attn_shared";
  constexpr int64_t alignment = 1024; // what boxes want
  auto type = LLVM::LLVMArrayType::get(b.getI8Type(), 0);
  if (!b.module().lookupSymbol(name)) {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(b.module().getBody());
    LLVM::GlobalOp::create(b, type, /*isConstant=*/false,
                           LLVM::Linkage::External, name, Attribute(),
                           alignment, sharedSpace);
  }
  Value pointer = LLVM::AddressOfOp::create(
      b, LLVM::LLVMPointerType::get(b.getContext(), sharedSpace), name);
  return LLVM::PtrToIntOp::create(b, b.getI32Type(), pointer);
}

void gpu::emitBarrier(CodeBuilder &b) {
  intrinsic(b, "llvm.nvvm.barrier.cta.sync.aligned.all", {}, {b.i32(0)});
}
