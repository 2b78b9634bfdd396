//===- Stages.cpp - a cascade after each pass that rewrites it --*- C++ -*-===//
#include "compiler/Stages.h"
#include "compiler/Pipelines.h"
#include "dialect/interpreter/Array.h"
#include "mlir/IR/OperationSupport.h"
#include "mlir/Pass/PassInstrumentation.h"
#include "mlir/Pass/PassManager.h"
#include "passes/schedule/Passes.h"

using namespace mlir;
using namespace attn;

namespace {

/// Keeps a copy of the module after each pass over the cascade.
class Keeper : public PassInstrumentation {
public:
  Keeper(StringRef name, CascadeOp before, std::vector<Stage> &stages)
      : name(name), print(before), stages(stages) {}

  void runAfterPass(Pass *pass, Operation *op) override {
    auto cascade = dyn_cast<CascadeOp>(op);
    if (!cascade || cascade.getSymName() != name)
      return;
    OperationFingerPrint after(op);
    ModuleOp copy = cast<ModuleOp>(op->getParentOp()->clone());
    stages.push_back({pass->getArgument().str(), copy,
                      copy.lookupSymbol<CascadeOp>(name), after != print});
    print = after;
  }

  void runAfterPassFailed(Pass *pass, Operation *) override {
    failed = pass->getArgument().str();
  }

  std::string failed;

private:
  StringRef name;
  OperationFingerPrint print;
  std::vector<Stage> &stages;
};

} // namespace

llvm::Expected<std::vector<Stage>> attn::stagesOf(ModuleOp module,
                                                  StringRef name) {
  std::vector<Stage> stages;
  OwningOpRef<ModuleOp> copy(cast<ModuleOp>(module->clone()));
  MLIRContext *context = module.getContext();
  // The copies are of the whole module: one cascade at a time.
  bool threads = context->isMultithreadingEnabled();
  context->disableMultithreading();
  PassManager passes(context);
  buildDerivation(passes);
  passes.nest<CascadeOp>().addPass(createAttnPartition());
  auto keeper = std::make_unique<Keeper>(
      name, copy->lookupSymbol<CascadeOp>(name), stages);
  Keeper &kept = *keeper;
  passes.addInstrumentation(std::move(keeper));
  LogicalResult result = passes.run(*copy);
  context->enableMultithreading(threads);
  if (failed(result))
    return makeError(kept.failed + ": the pass fails");
  return stages;
}
