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

def AttnCheckPresence : Pass<"attn-check-presence", "::attn::CascadeOp"> {
  let summary = "warn where absence or an identity probably surprises";
  let description = [{
    Maps of tensors with different presence, identities of empty fibres that
    enter arithmetic, means of masked tensors. See
    test/passes/cascade/check-presence.mlir.
  }];
}

def AttnGuards : Pass<"attn-guards", "::attn::CascadeOp"> {
  let summary = "write out which results of reductions are present";
  let description = [{
    A condition free of the reduced ranks is a condition on the result
    (hoisting, LANGUAGE section 3). This pass computes that formula for every
    reduction and writes it as the einsum's guard, so that later passes need not
    know the rule. A recurrence gets a companion bool tensor where its presence
    is not plain. See test/passes/cascade/guards.mlir.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect"];
}

def AttnCheckRecurrences : Pass<"attn-check-recurrences", "::attn::CascadeOp"> {
  let summary = "find the order in which recurrences are walked";
  let description = [{
    Every cycle of definitions must have positive lag along iterative ranks, and
    steps read before the first need base equations. The definitions of a
    recurrence are marked `attn.scc = k` and `attn.iterate = [["t", 1]]`: its
    iterative ranks, outermost first, 1 ascending and -1 descending. See
    test/passes/cascade/check-recurrences.mlir.
  }];
}

def AttnCheckMonoids : Pass<"attn-check-monoids", "::attn::MonoidOp"> {
  let summary = "test the laws of declared monoids on random values";
  let description = [{
    Splitting a reduction uses associativity and the identity, reordering it
    commutativity; a monoid that breaks them would give results that depend on
    the schedule. See test/passes/cascade/check-monoids.mlir.
  }];
}

def AttnCheckStorage : Pass<"attn-check-storage", "::attn::CascadeOp"> {
  let summary = "check that `into` and `cut` are legal";
  let description = [{
    An output may share an input's storage only if every point of the input is
    read before it is overwritten, and a cascade may be cut along a rank only if
    its outputs merge along it. See test/passes/cascade/check-storage.mlir.
  }];
}

#endif // ATTN_PASSES_TD
