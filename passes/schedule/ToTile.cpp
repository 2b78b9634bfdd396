//===- ToTile.cpp - --attn-to-tile ------------------------------*- C++ -*-===//
#include "passes/schedule/Passes.h"
#include "passes/schedule/Tiler.h"

namespace attn {
#define GEN_PASS_DEF_ATTNTOTILE
#include "passes/schedule/Passes.h.inc"
} // namespace attn

using namespace attn;

namespace {

struct ToTile : attn::impl::AttnToTileBase<ToTile> {
  using AttnToTileBase::AttnToTileBase;

  void runOnOperation() override {
    CascadeOp cascade = getOperation();
    llvm::SmallVector<KernelOp> kernels(
        cascade.getBody().front().getOps<KernelOp>());
    unsigned number = 0;
    // A kernel that is not covered stays: the general path runs it.
    for (KernelOp kernel : kernels)
      if (kernel.getSchedule() && kernel.getSchedule()->getStream())
        (void)Tiler(cascade, kernel, lanes, pack, number++).run();
  }
};

} // namespace
