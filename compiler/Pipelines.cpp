//===- Pipelines.cpp - which passes run, in which order ---------*- C++ -*-===//
#include "compiler/Pipelines.h"
#include "mlir/Pass/PassManager.h"
#include "passes/Passes.h"
#include "passes/derive/Passes.h"
#include "passes/schedule/Passes.h"

using namespace attn;

void attn::buildChecks(mlir::OpPassManager &passes) {
  passes.nest<MonoidOp>().addPass(createAttnCheckMonoids());
  mlir::OpPassManager &cascade = passes.nest<CascadeOp>();
  cascade.addPass(createAttnCheckRecurrences());
  cascade.addPass(createAttnCheckBounds());
  cascade.addPass(createAttnCheckStorage());
  cascade.addPass(createAttnCheckPresence());
  passes.addPass(createAttnCut());
}

void attn::buildDerivation(mlir::OpPassManager &passes,
                           const TileSizes &tiles) {
  mlir::OpPassManager &cascade = passes.nest<CascadeOp>();
  cascade.addPass(createAttnGuards());
  cascade.addPass(createAttnNormalise());
  cascade.addPass(createAttnDeriveOnline({tiles.stream, tiles.walkPrefixes}));
}

void attn::buildSchedule(mlir::OpPassManager &passes, const TileSizes &tiles) {
  mlir::OpPassManager &cascade = passes.nest<CascadeOp>();
  AttnToTileOptions options;
  options.lanes = tiles.lanes;
  options.pack = tiles.pack;
  options.packRows = tiles.packRows;
  options.matrixLanes = tiles.matrixLanes;
  options.partSize = tiles.part;
  llvm::append_range(options.vectorKernels, tiles.vectorKernels);
  cascade.addPass(createAttnToTile(options));
  cascade.addPass(createAttnPartition());
}
