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
                        "rows of a tile along its lanes">,
                 Option<"pack", "pack", "bool", "false",
                        "rows that share a quotient fill lanes where no others "
                        "do: heads of a group, at one query">,
                 Option<"packRows", "pack-rows", "bool", "false",
                        "such rows that fill no vector are a tile's first rank, "
                        "and vectors run along another">,
                 Option<"matrixLanes", "matrix-lanes", "int64_t", "0",
                        "lanes where all products are of tensors of bf16, f16 "
                        "or f32">,
                 Option<"partSize", "part-size", "int64_t", "0",
                        "say which parts of steps may have points, of parts of "
                        "that many lanes and points">,
                 ListOption<"vectorKernels", "vector-kernels", "std::string",
                            "kernels with the other lanes all the same">];
  let dependentDialects = ["::attn::tile::TileDialect"];
}

def AttnPartition : Pass<"attn-partition", "::attn::CascadeOp"> {
  let summary = "large intermediates stay with the row that needs them";
  let description = [{
    Definitions that no tile program covers are grouped into kernels so that an
    intermediate larger than every input and output is kept for the points of
    the kernel's parallel ranks only, a row at a time. Kernels that need the same
    rows in different ways compute them again. Where a row would still be large,
    or a sink reduces what its inputs need whole, the rows of one more rank run in
    order and reductions over it accumulate (`stream`). A large tensor that must be kept
    in full says why (`attn.materialised`). Streamed kernels that are still there
    are dissolved. See test/passes/schedule/partition.attn.
  }];
}

#endif // ATTN_SCHEDULE_PASSES_TD
