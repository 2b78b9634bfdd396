//===- Intrinsics.cpp - intrinsics and memory of blocks ---------*- C++ -*-===//
#include "passes/gpu/Intrinsics.h"

using namespace mlir;
using namespace attn;
using namespace attn::cpu;

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
