//===- Passes.td - passes that schedule kernels -------------*- tablegen -*-===//
#ifndef ATTN_SCHEDULE_PASSES_TD
#define ATTN_SCHEDULE_PASSES_TD

include "mlir/Pass/PassBase.td"

def AttnToTile : Pass<"attn-to-tile", "::attn::CascadeOp"> {
  let summary = "derived kernels become tile programs";
  let description = [{
    Rows of a kernel run in its grid, one rank of them fills lanes, the streamed
    rank becomes a loop with carried tiles. Presence that is linear in the
    streamed and the lane coordinate bounds the loop and says where it is full.
    See test/passes/schedule/to-tile.mlir.
  }];
  let options = [Option<"lanes", "lanes", "int64_t", "64",
                        "rows of a tile along its lanes">];
  let dependentDialects = ["::attn::tile::TileDialect"];
}

#endif // ATTN_SCHEDULE_PASSES_TD
