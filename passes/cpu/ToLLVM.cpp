//===- ToLLVM.cpp - lowered cascades to the LLVM dialect --------*- C++ -*-===//
// One conversion of all dialects at once: a kernel has tens of thousands of
// operations, and each walk over them costs as much as the conversion of one
// dialect.
//===----------------------------------------------------------------------===//
#include "mlir/Conversion/ArithToLLVM/ArithToLLVM.h"
#include "mlir/Conversion/ControlFlowToLLVM/ControlFlowToLLVM.h"
#include "mlir/Conversion/FuncToLLVM/ConvertFuncToLLVM.h"
#include "mlir/Conversion/LLVMCommon/ConversionTarget.h"
#include "mlir/Conversion/LLVMCommon/TypeConverter.h"
#include "mlir/Conversion/MathToLLVM/MathToLLVM.h"
#include "mlir/Conversion/SCFToControlFlow/SCFToControlFlow.h"
#include "mlir/Conversion/VectorToLLVM/ConvertVectorToLLVM.h"
#include "mlir/Dialect/Arith/Transforms/Passes.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Transforms/CSE.h"
#include "mlir/Transforms/DialectConversion.h"
#include "mlir/Transforms/WalkPatternRewriteDriver.h"
#include "passes/cpu/LowerCascade.h"

using namespace mlir;

/// A loop's annotation comes with the branch back as any attribute does.
static void takeLoopAnnotation(LLVM::BrOp branch) {
  constexpr StringLiteral name = "llvm.loop_annotation";
  if (auto attr = branch->getAttrOfType<LLVM::LoopAnnotationAttr>(name)) {
    branch->removeDiscardableAttr(name);
    branch.setLoopAnnotationAttr(attr);
  }
}

LogicalResult attn::cpu::lowerToLLVM(ModuleOp module) {
#ifndef NDEBUG
  if (failed(verify(module)))
    return failure();
#endif
  MLIRContext *ctx = module.getContext();
  ctx->loadDialect<cf::ControlFlowDialect, LLVM::LLVMDialect>();
  RewritePatternSet expansions(ctx);
  arith::populateArithExpandOpsPatterns(expansions);
  walkAndApplyPatterns(module, std::move(expansions));
  IRRewriter rewriter(ctx);
  DominanceInfo dominance;
  eliminateCommonSubExpressions(rewriter, dominance, module);

  LLVMTypeConverter types(ctx);
  RewritePatternSet patterns(ctx);
  populateSCFToControlFlowConversionPatterns(patterns);
  populateVectorToLLVMConversionPatterns(types, patterns);
  populateMathToLLVMConversionPatterns(types, patterns);
  arith::populateArithToLLVMConversionPatterns(types, patterns);
  cf::populateControlFlowToLLVMConversionPatterns(types, patterns);
  populateFuncToLLVMConversionPatterns(types, patterns);
  LLVMConversionTarget target(*ctx);
  target.addLegalOp<ModuleOp>();
  ConversionConfig config;
  config.allowPatternRollback = false;
  if (failed(applyFullConversion(module, target, std::move(patterns), config)))
    return failure();
  SmallVector<UnrealizedConversionCastOp> casts;
  module.walk([&](Operation *op) {
    if (auto cast = dyn_cast<UnrealizedConversionCastOp>(op))
      casts.push_back(cast);
    else if (auto branch = dyn_cast<LLVM::BrOp>(op))
      takeLoopAnnotation(branch);
  });
  reconcileUnrealizedCasts(casts);
  return success();
}
