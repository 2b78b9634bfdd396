//===- Pipelines.cpp - which passes run, in which order ---------*- C++ -*-===//
#include "compiler/Pipelines.h"
#include "mlir/Pass/PassManager.h"
#include "passes/Passes.h"

using namespace attn;

void attn::buildChecks(mlir::OpPassManager &passes) {
  passes.addNestedPass<MonoidOp>(createAttnCheckMonoids());
  mlir::OpPassManager &cascade = passes.nest<CascadeOp>();
  cascade.addPass(createAttnCheckBounds());
  cascade.addPass(createAttnCheckRecurrences());
}

void attn::buildDerivation(mlir::OpPassManager &passes) {
  mlir::OpPassManager &cascade = passes.nest<CascadeOp>();
  cascade.addPass(createAttnGuards());
}
