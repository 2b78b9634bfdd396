//===- Passes.td - passes over attention cascades ------------*- tablegen -*-===//
// One pass, one file, one flag, one test: CheckBounds is
// passes/cascade/CheckBounds.cpp, --attn-check-bounds and
// test/passes/cascade/check-bounds.mlir.
#ifndef ATTN_PASSES_TD
#define ATTN_PASSES_TD

include "mlir/Pass/PassBase.td"

//===----------------------------------------------------------------------===//
// cascade
//===----------------------------------------------------------------------===//

def AttnCheckBounds : Pass<"attn-check-bounds", "::attn::CascadeOp"> {
  let summary = "prove that accesses stay inside their tensors";
  let description = [{
    Silent absence would turn a short table into a mask and hide every
    off-by-one, so an affine index must be provably inside at every point where
    the access is evaluated. See test/passes/cascade/check-bounds.mlir.
  }];
}

#endif // ATTN_PASSES_TD
