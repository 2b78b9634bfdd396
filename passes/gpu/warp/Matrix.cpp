//===- Matrix.cpp - matrix instructions of a warp ---------------*- C++ -*-===//
#include "passes/gpu/warp/Matrix.h"
#include "passes/gpu/hopper/Ptx.h"

using namespace mlir;
using namespace attn;
using namespace attn::cpu;

void gpu::copyRow(CodeBuilder &b, Value address, Value source, Value present) {
  Value global = LLVM::AddrSpaceCastOp::create(
      b, LLVM::LLVMPointerType::get(b.getContext(), /*global*/ 1), source);
  Value bytes = present ? b.select(present, b.i32(16), b.i32(0)) : b.i32(16);
  inlineAsm(b, "cp.async.cg.shared.global.L2::256B [$0], [$1], 16, $2;",
            "r,l,r,~{memory}", {}, {address, global, bytes});
}

void gpu::commitCopies(CodeBuilder &b) {
  inlineAsm(b, "cp.async.commit_group;", "~{memory}", {}, {});
}

void gpu::waitCopies(CodeBuilder &b, int pending) {
  inlineAsm(b, "cp.async.wait_group " + std::to_string(pending) + ";",
            "~{memory}", {}, {});
}

SmallVector<Value> gpu::loadMatrices(CodeBuilder &b, Value address,
                                     int64_t offset, bool transposed) {
  std::string text = std::string("ldmatrix.sync.aligned.m8n8.x4") +
                     (transposed ? ".trans" : "") +
                     ".shared.b16 {$0, $1, $2, $3}, [$4+" +
                     std::to_string(offset) + "];";
  SmallVector<Type> types(4, b.getI32Type());
  return inlineAsm(b, text, "=r,=r,=r,=r,r,~{memory}", types, address);
}

SmallVector<Value> gpu::multiplyAdd(CodeBuilder &b, Type element,
                                    ArrayRef<Value> a, ArrayRef<Value> bm,
                                    ArrayRef<Value> sum) {
  std::string type = element.isBF16() ? "bf16" : "f16";
  std::string text = "mma.sync.aligned.m16n8k16.row.col.f32." + type + "." +
                     type +
                     ".f32 {$0, $1, $2, $3}, {$4, $5, $6, $7}, {$8, $9}, "
                     "{$10, $11, $12, $13};";
  SmallVector<Value> operands(a);
  llvm::append_range(operands, bm);
  llvm::append_range(operands, sum);
  SmallVector<Type> types(4, b.getF32Type());
  return inlineAsm(b, text, "=f,=f,=f,=f,r,r,r,r,r,r,f,f,f,f", types, operands,
                   /*sideEffects=*/false);
}
