//===- Passes.td - passes that derive algorithms ------------*- tablegen -*-===//
#ifndef ATTN_DERIVE_PASSES_TD
#define ATTN_DERIVE_PASSES_TD

include "mlir/Pass/PassBase.td"

def AttnNormalise : Pass<"attn-normalise", "::attn::CascadeOp"> {
  let summary = "one form for equal programs";
  let description = [{
    Maps move into their readers, subexpressions over fewer ranks become maps of
    their own, equal einsums become one: what a program named, wrote in line or
    associated otherwise looks the same to the passes that follow. See
    test/passes/cascade/normalise.mlir.
  }];
}

def AttnDeriveOnline : Pass<"attn-derive-online", "::attn::CascadeOp"> {
  let summary = "reductions over one rank in one pass";
  let description = [{
    A reduction whose map depends on unfinished reductions over the same rank is
    computed in the same pass when its map scales by a factor of them (the
    online rule), and factors of finished reductions leave the sum. See
    test/passes/derive/online.mlir.
  }];
  let options = [Option<"tile", "tile", "int64_t", "64",
                        "points of the streamed rank that are one step">,
                 Option<"walkPrefixes", "walk-prefixes", "bool", "true",
                        "reductions over every prefix of a rank walk it">];
}

def AttnPrintPasses : Pass<"attn-print-passes", "::attn::CascadeOp"> {
  let summary = "passes over each rank, and why";
  let description = [{
    Prints how many traversals of each reduced rank the cascade needs, with the
    chain of statements that needs them. See test/passes/derive/passes.attn.
  }];
}

def AttnCut : Pass<"attn-cut", "::mlir::ModuleOp"> {
  let summary = "partial, merge and finish of cascades cut along a rank";
  let description = [{
    `cut n` asks for the first-class value behind split keys, shared prefixes
    and rings: NAME_partial computes the state of a piece of n, NAME_merge joins
    the states of two pieces, NAME_finish turns a state into the outputs. They
    are cascades of ordinary operations, so everything downstream serves them
    like any other. See test/passes/derive/cut.mlir.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect"];
}

#endif // ATTN_DERIVE_PASSES_TD
