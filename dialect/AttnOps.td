//===- AttnOps.td - operations of the attn dialect -----------*- tablegen -*-===//
#ifndef ATTN_OPS_TD
#define ATTN_OPS_TD

include "AttnDialect.td"
include "mlir/IR/OpAsmInterface.td"
include "mlir/IR/RegionKindInterface.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

class Attn_Op<string mnemonic, list<Trait> traits = []>
    : Op<Attn_Dialect, mnemonic, traits>;

def Attn_Scalar : AnyTypeOf<[F64, I32, I64, I1], "real, integer or bool">;
def Attn_Integer : AnyTypeOf<[I32, I64], "integer">;

//===----------------------------------------------------------------------===//
// Structure
//===----------------------------------------------------------------------===//

def Attn_CascadeOp : Attn_Op<"cascade", [
    Symbol, IsolatedFromAbove, RegionKindInterface, HasOnlyGraphRegion,
    SingleBlock, NoTerminator, OpAsmOpInterface]> {
  let summary = "a set of einsums with named inputs and outputs";
  let description = [{
    Block arguments are the inputs. The body is a graph: definitions may stand
    in any order and refer to each other as long as the graph of (tensor,
    coordinates) is well founded. `attn.return` names the outputs.

    Constraints:
    - cascade_c1: one port attribute per block argument and per output.
    - cascade_c2: rank names are unique; every rank in a type, a space, a
      relation or an extent is in `ranks`.
    - cascade_c3: an extent refers to ranks listed before it.
    - cascade_c4: a rank is the whole of at most one relation; relations are
      acyclic.
    - cascade_c5: a free rank occurs on an input.
    - cascade_c6: `into` names an input of the same type; `cut` names a rank.
    - cascade_c7: the body ends with `attn.return`.

    Example: see test/dialect/cascade.mlir.
  }];
  let arguments = (ins
    SymbolNameAttr:$sym_name,
    Attn_RankArrayAttr:$ranks,
    DefaultValuedAttr<ArrayAttr, "{}">:$relations,
    Attn_PortArrayAttr:$inputs,
    Attn_PortArrayAttr:$outputs,
    OptionalAttr<StrAttr>:$cut,
    OptionalAttr<StrAttr>:$doc,
    OptionalAttr<Attn_ScheduleAttr>:$schedule);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "$sym_name attr-dict-with-keyword $body";
  let hasVerifier = 1;
  let hasRegionVerifier = 1;
  let extraClassDeclaration = [{
    ReturnOp getReturn();
    RankAttr findRank(::llvm::StringRef name);
    /// Index of the input or output port called `name`, or -1.
    int64_t inputIndex(::llvm::StringRef name);
    int64_t outputIndex(::llvm::StringRef name);
    /// Static extent of a rank, if it has one.
    std::optional<int64_t> staticExtent(::mlir::StringAttr rank);
    void getAsmBlockArgumentNames(::mlir::Region &,
                                  ::mlir::OpAsmSetValueNameFn);
  }];
}

def Attn_KernelOp : Attn_Op<"kernel", [
    Pure, GraphRegionNoTerminator,
    DeclareOpInterfaceMethods<OpAsmOpInterface, ["getAsmResultNames"]>]> {
  let summary = "definitions that run as one kernel";
  let description = [{
    A scheduling boundary without meaning of its own: the results are the
    tensors that `attn.return` names. The body captures tensors from outside and
    is a graph like a cascade's; only results are stored to memory.

    Constraints:
    - kernel_c1: the body ends with `attn.return` of the result types.
  }];
  let arguments = (ins OptionalAttr<Attn_ScheduleAttr>:$schedule);
  let results = (outs Variadic<Attn_NamedTensor>:$results);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "$body attr-dict (`:` type($results)^)?";
  let hasRegionVerifier = 1;
  let extraClassDeclaration = [{
    ReturnOp getReturn();
  }];
}

def Attn_ReturnOp : Attn_Op<"return", [
    Terminator, ParentOneOf<["CascadeOp", "KernelOp"]>]> {
  let summary = "the outputs of a cascade or kernel";
  let arguments = (ins Variadic<Attn_NamedTensor>:$outputs);
  let assemblyFormat = "attr-dict ($outputs^ `:` type($outputs))?";
}

def Attn_MonoidOp : Attn_Op<"monoid", [
    Symbol, IsolatedFromAbove, SingleBlock, NoTerminator]> {
  let summary = "a user-defined monoid";
  let description = [{
    State components with their identity; the region takes two states and yields
    their combination. `ordered`: combined in the order of the rank.

    Constraints:
    - monoid_c1: `names`, `identity` and the yield have k entries, the block 2k
      arguments; argument i and i + k, identity i and yield i agree in type.
    - monoid_c2: the region reads no tensor.
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, StrArrayAttr:$names,
                       ArrayAttr:$identity, UnitAttr:$ordered);
  let regions = (region SizedRegion<1>:$combine);
  let assemblyFormat = "$sym_name attr-dict-with-keyword $combine";
  let hasRegionVerifier = 1;
}

def Attn_EinsumOp : Attn_Op<"einsum", [
    Pure, SingleBlock, NoTerminator,
    DeclareOpInterfaceMethods<OpAsmOpInterface, ["getAsmResultNames"]>]> {
  let summary = "Z[space] = op[reduced](map)";
  let description = [{
    The iteration space is `space` then `reduced`; block arguments of `map` are
    its coordinates (i32) in that order. Without `monoid` a pure map, and
    `reduced` is empty. With one, present points are combined over `reduced`:
    a built-in reduction, or a declared monoid with one result a component.

    Presence of a result point: with a `guard`, exactly where it is present and
    true (its arguments are the coordinates of `space`). Without: for a pure
    map, where the map is present; for a reduction, where the hoisted presence
    formula of the map holds (atoms that involve a reduced rank taken as true);
    a fibre that exists and has no present point gives the identity. argmax,
    argmin, first, last of no point are absent. A guard never makes a pure map
    present where its value is absent.

    `rounded`: the left side declared a type, the value is rounded to it.
    Otherwise the element type is the compute type and nothing is rounded.

    Constraints:
    - einsum_c1: ranks of `space` and `reduced` are declared and distinct.
    - einsum_c2: result ranks are `space`, in order.
    - einsum_c3: block arguments are i32, one a rank.
    - einsum_c4: yield matches the monoid's components, or is one value.
    - einsum_c5: result types follow: count, argmax, argmin give i32; any, all
      take and give i1; argmax, argmin, first, last reduce one rank.
    - einsum_c6: a guard yields one i1.

    Example: `%S = attn.einsum ["S"] over ["m", "n"] reduce #attn.reduce<sum>
    ["d"] {...}`; see test/dialect/cascade.mlir.
  }];
  let arguments = (ins StrArrayAttr:$names, StrArrayAttr:$space,
                       DefaultValuedAttr<StrArrayAttr, "{}">:$reduced,
                       OptionalAttr<AnyAttrOf<[Attn_ReduceAttr,
                                               FlatSymbolRefAttr]>>:$monoid,
                       UnitAttr:$rounded);
  let results = (outs Variadic<Attn_NamedTensor>:$results);
  let regions = (region SizedRegion<1>:$map, MaxSizedRegion<1>:$guard);
  let assemblyFormat = [{
    $names `over` $space (`reduce` $monoid^ $reduced)? $map
    (`guard` $guard^)? attr-dict `:` type($results)
  }];
  let hasVerifier = 1;
  let hasRegionVerifier = 1;
  let extraClassDeclaration = [{
    bool isReduction() { return getMonoidAttr() != nullptr; }
    /// The built-in reduction, if it is one.
    std::optional<Reduce> builtinReduce();
    YieldOp getMapYield();
    /// The condition that the guard yields; null: there is no guard.
    ::mlir::Value guardCondition();
    /// Ranks of the map's coordinates: the space, then what is reduced.
    ::llvm::SmallVector<::mlir::StringAttr> mapRanks();
    /// Coordinate argument of rank `name` in the map, or null.
    ::mlir::Value coordinate(::llvm::StringRef name);
  }];
}

def Attn_EquationsOp : Attn_Op<"equations", [
    Pure, DeclareOpInterfaceMethods<OpAsmOpInterface, ["getAsmResultNames"]>]> {
  let summary = "a tensor given by several equations";
  let description = [{
    Equation i defines the points that match `patterns[i]`: an index is a rank
    name (that rank's coordinate) or an `#attn.extent` (that constant index).
    The operand has the plain ranks of its pattern in order. Constants win over
    plain ranks. The tensor's domain is the box of its ranks and the constant
    indices (base points); a read elsewhere follows the read's `bounds`.

    An equation may read the result (a recurrence): the body of a cascade is a
    graph.

    Constraints:
    - equations_c1: one pattern an operand, one index a rank of the result.
    - equations_c2: the operand's ranks are the plain ranks of its pattern.
    - equations_c3: no two patterns have the same constant indices in the same
      places.
  }];
  let arguments = (ins StrAttr:$name, Variadic<Attn_NamedTensor>:$equations,
                       ArrayAttr:$patterns);
  let results = (outs Attn_NamedTensor:$result);
  let assemblyFormat = [{
    $name `(` $equations `)` $patterns attr-dict
    `:` functional-type($equations, $result)
  }];
  let hasVerifier = 1;
}

def Attn_OrderOp : Attn_Op<"order", [
    Pure, SingleBlock, NoTerminator,
    DeclareOpInterfaceMethods<OpAsmOpInterface, ["getAsmResultNames"]>]> {
  let summary = "coordinates in key order";
  let description = [{
    The result at (outer, j) is the coordinate of rank `from` of the j-th
    present point, ascending by lexicographic key, stable; absent beyond the
    number of points. NaN keys come first. Result ranks are `space`, which
    contains `to` (last). Region arguments: `space` without `to`, then `from`.

    Constraints:
    - order_c1: `to` is the last rank of `space`; `from` is not in it.
    - order_c2: at least one key; keys are reals, integers or bools.
    - order_c3: the result is i32 over `space`.
  }];
  let arguments = (ins StrAttr:$name, StrArrayAttr:$space, StrAttr:$from,
                       StrAttr:$to);
  let results = (outs Attn_NamedTensor:$result);
  let regions = (region SizedRegion<1>:$keys);
  let assemblyFormat = [{
    $name `over` $space `from` $from `to` $to $keys attr-dict
    `:` type($result)
  }];
  let hasVerifier = 1;
  let hasRegionVerifier = 1;
}

def Attn_YieldOp : Attn_Op<"yield", [
    Pure, Terminator, ParentOneOf<["EinsumOp", "OrderOp", "MonoidOp"]>]> {
  let summary = "the value of a region";
  let arguments = (ins Variadic<Attn_Scalar>:$values);
  let assemblyFormat = "attr-dict ($values^ `:` type($values))?";
}

//===----------------------------------------------------------------------===//
// Scalars, possibly absent
//===----------------------------------------------------------------------===//

def Attn_ReadOp : Attn_Op<"read", [
    Pure, InferTypeOpAdaptor]> {
  let summary = "the value of a tensor at a point";
  let description = [{
    Absent where an index is absent or the tensor is. `bounds` says what a point
    outside is: `inside` claims it cannot happen (proved by a pass, checked by
    the interpreter), `absent` reads as absent, `data` is for indices that are
    values of tensors: outside the ranks' extents is absent, and base points of
    a recurrence are outside.

    Constraints: read_c1: one index a rank, all integers.
  }];
  let arguments = (ins Attn_NamedTensor:$tensor,
                       Variadic<Attn_Integer>:$indices,
                       DefaultValuedAttr<Attn_BoundsAttr,
                                         "Bounds::inside">:$bounds);
  let results = (outs Attn_Scalar:$result);
  let assemblyFormat = [{
    $tensor `[` ($indices^ `:` type($indices))? `]` custom<Bounds>($bounds) attr-dict
    `:` type($tensor)
  }];
  let hasVerifier = 1;
}

def Attn_ExtentOp : Attn_Op<"extent", [Pure]> {
  let summary = "the extent of a rank";
  let arguments = (ins StrAttr:$rank);
  let results = (outs I32:$result);
  let assemblyFormat = "$rank attr-dict";
  let hasFolder = 1;
}

def Attn_MapOp : Attn_Op<"map", [
    Pure, InferTypeOpAdaptor]> {
  let summary = "a scalar function";
  let description = [{
    One row of dialect/Functions.def. Strict, except `and` and `or` (Kleene:
    false and absent = false, true or absent = true). Integer division floors,
    `mod` is non-negative, both are absent for 0. Comparisons of reals are IEEE.
    Integers wrap.

    Constraints: map_c1: arity and operand types fit the function's row.
  }];
  let arguments = (ins Attn_FnAttr:$fn, Variadic<Attn_Scalar>:$operands);
  let results = (outs Attn_Scalar:$result);
  let assemblyFormat = [{
    $fn `(` $operands `)` attr-dict `:` type($operands)
  }];
  let hasVerifier = 1;
  let hasFolder = 1;
}

def Attn_CastOp : Attn_Op<"cast", [Pure]> {
  let summary = "conversion to a storage type";
  let description = [{
    The operand rounded (to nearest even), truncated and saturated (to integer,
    NaN gives 0), as LANGUAGE section 10 says, and held as the scalar type that
    a read of such a tensor yields.
  }];
  let arguments = (ins Attn_Scalar:$operand, TypeAttr:$type);
  let results = (outs Attn_Scalar:$result);
  let assemblyFormat = [{
    $operand `to` $type attr-dict `:` type($operand) `->` type($result)
  }];
  let hasVerifier = 1;
}

def Attn_WhereOp : Attn_Op<"where", [
    Pure, AllTypesMatch<["value", "result"]>]> {
  let summary = "`value` if `condition` is present and true, else absent";
  let arguments = (ins Attn_Scalar:$value, I1:$condition);
  let results = (outs Attn_Scalar:$result);
  let assemblyFormat = "$value `,` $condition attr-dict `:` type($value)";
  let hasFolder = 1;
}

def Attn_ElseOp : Attn_Op<"else", [
    Pure, AllTypesMatch<["value", "otherwise", "result"]>]> {
  let summary = "`value` if present, else `otherwise`";
  let arguments = (ins Attn_Scalar:$value, Attn_Scalar:$otherwise);
  let results = (outs Attn_Scalar:$result);
  let assemblyFormat = "$value `,` $otherwise attr-dict `:` type($value)";
  let hasFolder = 1;
}

#endif // ATTN_OPS_TD
