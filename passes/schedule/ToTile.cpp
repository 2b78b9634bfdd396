//===- ToTile.cpp - --attn-to-tile ------------------------------*- C++ -*-===//
#include "passes/schedule/Passes.h"
#include "passes/schedule/Tiler.h"

namespace attn {
#define GEN_PASS_DEF_ATTNTOTILE
#include "passes/schedule/Passes.h.inc"
} // namespace attn

using namespace attn;

/// Its products read tensors of one type that is a sum of bf16.
static bool isForMatrixUnit(KernelOp kernel) {
  mlir::Type type;
  for (auto op : kernel.getBody().getOps<EinsumOp>()) {
    if (op.builtinReduce() != Reduce::sum)
      continue;
    llvm::SmallVector<ReadOp> reads(op.getMap().getOps<ReadOp>());
    for (ReadOp read : reads) {
      mlir::Operation *def = read.getTensor().getDefiningOp();
      if (reads.size() < 2 || (def && def->getParentOp() == kernel))
        continue;
      mlir::Type element = read.getTensor().getType().getElementType();
      if (!element.isF32() && !element.isF16() && !element.isBF16())
        return false;
      if (type && type != element)
        return false;
      type = element;
    }
  }
  return bool(type);
}

namespace {

struct ToTile : attn::impl::AttnToTileBase<ToTile> {
  using AttnToTileBase::AttnToTileBase;

  void runOnOperation() override {
    CascadeOp cascade = getOperation();
    llvm::SmallVector<KernelOp> kernels(
        cascade.getBody().front().getOps<KernelOp>());
    unsigned number = 0;
    auto packing = packRows ? TilePacking::rows
                   : pack   ? TilePacking::lanes
                            : TilePacking::none;
    // A kernel that is not covered stays: the general path runs it.
    for (KernelOp kernel : kernels) {
      if (!kernel.getSchedule() || !kernel.getSchedule()->getStream())
        continue;
      std::string name =
          (cascade.getSymName() + "." + llvm::Twine(number++)).str();
      bool isForMatrix = matrixLanes && isForMatrixUnit(kernel) &&
                         !llvm::is_contained(vectorKernels, name);
      (void)tileKernel(cascade, kernel, name, isForMatrix ? matrixLanes : lanes,
                       packing, partSize);
    }
  }
};

} // namespace
