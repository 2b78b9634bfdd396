//===- Tile.td - the tile dialect ---------------------------*- tablegen -*-===//
#ifndef ATTN_TILE_TD
#define ATTN_TILE_TD

include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/OpAsmInterface.td"
include "mlir/IR/OpBase.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

include "AttnDialect.td"

def Tile_Dialect : Dialect {
  let name = "tile";
  let cppNamespace = "::attn::tile";
  let summary = "einsums on tiles: what every back end lowers";
  let description = [{
    A kernel runs its body once a grid point. Its values are tiles: small boxes
    over named ranks, kept where the back end likes (registers, a scratchpad,
    shared memory). Loads, stores, the stream loop and the carried state are
    explicit; which points exist is `attn.where` inside the maps, and the part
    of the stream where affine conditions all hold is part of the loop, so that
    the code there has none of them.

    Regions hold the scalar operations of the attn dialect (`map`, `where`,
    `else`, `cast`, `extent`, and `read` of a tensor in memory, a gather) and
    arith constants; reals are `f64` there and are computed in the element type
    of the tiles. A coordinate of a tile rank counts from 0 to its size;
    coordinates of the grid and of enclosing streams are captured values.
  }];
  let dependentDialects = ["::attn::AttnDialect"];
  let useDefaultTypePrinterParser = 1;
}

def Tile_TileType : TypeDef<Tile_Dialect, "Tile"> {
  let mnemonic = "tile";
  let summary = "a box of values over named ranks";
  let description = [{
    `!tile.tile<["n0", "m0"] [64, 64], f32>`: the last rank is innermost. Size
    -1: the extent of that rank. `masked`: points may be absent.
  }];
  let parameters = (ins OptionalArrayRefParameter<"::mlir::StringAttr">:$ranks,
                        OptionalArrayRefParameter<"int64_t">:$sizes,
                        "::mlir::Type":$elementType,
                        DefaultValuedParameter<"bool", "false">:$masked);
  let assemblyFormat = [{
    `<` `[` (`]`) : ($ranks^ `]`)? `[` (`]`) : ($sizes^ `]`)?
    `,` $elementType (`,` `masked` `=` $masked^)? `>`
  }];
  let extraClassDeclaration = [{
    /// Position of rank `name`, or -1.
    int64_t rankIndex(::llvm::StringRef name) const;
    TileType withMask(bool masked) const;
  }];
  let genVerifyDecl = 1;
}

class Tile_Op<string mnemonic, list<Trait> traits = []>
    : Op<Tile_Dialect, mnemonic, traits>;

def Tile_KernelOp : Tile_Op<"kernel", [SingleBlock, NoTerminator]> {
  let summary = "one grid of tile programs";
  let description = [{
    The body runs once for each point of the box of `grid` ranks, in any order
    and in parallel; block arguments are its coordinates (i32). Results are
    tensors in memory, each written by `tile.store`, every point exactly once.
    Captures tensors defined outside.

    Constraints:
    - kernel_c1: one i32 block argument a grid rank.
    - kernel_c2: every result is stored by exactly one `tile.store` outside of
      streams.
  }];
  let arguments = (ins StrAttr:$name, StrArrayAttr:$grid);
  let results = (outs Variadic<Attn_NamedTensor>:$results);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat =
      "$name `grid` $grid $body attr-dict (`:` type($results)^)?";
  let hasRegionVerifier = 1;
}

def Tile_LoadOp : Tile_Op<"load", [SingleBlock, NoTerminator]> {
  let summary = "a tile of a tensor in memory";
  let description = [{
    The region maps the coordinates of the tile's ranks (i32, in order) to the
    tensor's indices. An element with an index outside the tensor's extents is
    0 (and absent, if the tile is masked), so ragged ends need no case. Storage
    types are widened to the tile's element type. Indices that are affine in the
    tile's coordinates are a strided copy, others a gather.

    Constraints: load_c1: one i32 argument a rank of the tile; load_c2: one
    integer yielded a rank of the tensor.
  }];
  let arguments = (ins Attn_NamedTensor:$tensor);
  let results = (outs Tile_TileType:$result);
  let regions = (region SizedRegion<1>:$indices);
  let assemblyFormat =
      "$tensor $indices attr-dict `:` type($tensor) `->` type($result)";
  let hasRegionVerifier = 1;
}

def Tile_EinsumOp : Tile_Op<"einsum", [
    SingleBlock, NoTerminator, AttrSizedOperandSegments]> {
  let summary = "Z[space] = init op[reduced](map of tiles)";
  let description = [{
    The iteration space is the ranks of the result, then `reduced`. Region
    arguments: the coordinates (i32) in that order, then one scalar an operand
    tile, its element at the coordinates of its ranks. Without `monoid` a pure
    map. With one, present points are combined over `reduced`, starting from
    `init` if given (a tile like the result), else from the identity: the result
    is then always present.

    Constraints: einsum_c1: operand ranks are in the iteration space, with equal
    sizes; einsum_c2: block arguments as said; einsum_c3: yields one value of
    the result's scalar type; einsum_c4: a reduction's result is not masked, and
    `init` has its type.
  }];
  let arguments = (ins Variadic<Tile_TileType>:$tiles,
                       Optional<Tile_TileType>:$init,
                       DefaultValuedAttr<StrArrayAttr, "{}">:$reduced,
                       DefaultValuedAttr<DenseI64ArrayAttr, "{}">:$reducedSizes,
                       OptionalAttr<Attn_ReduceAttr>:$monoid);
  let results = (outs Tile_TileType:$result);
  let regions = (region SizedRegion<1>:$map);
  let assemblyFormat = [{
    `(` $tiles `)` (`init` `(` $init^ `)`)?
    (`reduce` $monoid^ $reduced $reducedSizes)? $map attr-dict
    `:` functional-type(operands, $result)
  }];
  let hasRegionVerifier = 1;
}

def Tile_StreamOp
    : Tile_Op<"stream", [SingleBlock, NoTerminator, AttrSizedOperandSegments]> {
  let summary = "a loop over an iterative rank with carried tiles";
  let description = [{
    For each step in [lower, upper), ascending, with the state so far; the body
    ends with `tile.yield` of the new state. In [fullLower, fullUpper) every
    `attn.map` of the body that carries the unit attribute `bounded` is true;
    back ends emit that part without them. An empty range leaves the state.

    Of the streamed rank's points, none outside of [from, to) exists in any lane:
    steps at the ends may leave them out, and need not.

    What a range cannot say, `classify` says a step at a time: from the step
    (i32) it yields two bools. Where the first is false the step has no points
    and may be left out; where the second is false the step is not full,
    whatever the range says.

    `parts` says more: of part i of the lanes and part j of the step's points,
    `partSize` of them each, it yields three bools from the step, i and j (i32).
    Where the first is false there are no points in these lanes that exist. Where
    the second is true all `bounded` maps are true there, but for those with the
    unit attribute `classified`; where the third is, these are.

    Constraints: stream_c1: arguments are the step (i32), then the carried
    tiles; stream_c2: init, arguments, yields and results agree in type;
    stream_c3: classify maps an i32 to two i1; stream_c4: parts maps three i32 to
    three i1 and has a positive `partSize`.
  }];
  let arguments = (ins StrAttr:$rank, I32:$lower, I32:$fullLower,
                       I32:$fullUpper, I32:$upper, Optional<I32>:$from,
                       Optional<I32>:$to, Variadic<Tile_TileType>:$init,
                       OptionalAttr<I64Attr>:$partSize);
  let results = (outs Variadic<Tile_TileType>:$results);
  let regions = (region SizedRegion<1>:$body, MaxSizedRegion<1>:$classify,
                        MaxSizedRegion<1>:$parts);
  let assemblyFormat = [{
    $rank `in` $lower `,` $fullLower `,` $fullUpper `,` $upper
    (`points` $from^ `,` $to)?
    `carry` `(` $init `)` $body (`classify` $classify^)?
    (`parts` $partSize^ $parts)? attr-dict
    `:` functional-type($init, $results)
  }];
  let hasRegionVerifier = 1;
}

def Tile_StoreOp : Tile_Op<"store", [SingleBlock, NoTerminator]> {
  let summary = "writes a tile to a result of the kernel";
  let description = [{
    The region maps the coordinates of the tile's ranks to the indices of result
    `result`. Elements outside its extents are not written. An absent element of
    a masked tile is stored as absent.

    Constraints: store_c1, store_c2 as for load; store_c3: `result` is in range.
  }];
  let arguments = (ins Tile_TileType:$tile, I64Attr:$result);
  let regions = (region SizedRegion<1>:$indices);
  let assemblyFormat = "$tile `to` $result $indices attr-dict `:` type($tile)";
  let hasRegionVerifier = 1;
}

def Tile_YieldOp : Tile_Op<"yield", [
    Pure, Terminator,
    ParentOneOf<["LoadOp", "EinsumOp", "StreamOp", "StoreOp"]>]> {
  let summary = "the values of a region";
  let arguments = (ins Variadic<AnyType>:$values);
  let assemblyFormat = "attr-dict ($values^ `:` type($values))?";
}

#endif // ATTN_TILE_TD
