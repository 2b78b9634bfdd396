//===- AttnDialect.td - the attn dialect: types and attributes -*- tablegen -*-//
#ifndef ATTN_DIALECT_TD
#define ATTN_DIALECT_TD

include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/BuiltinAttributeInterfaces.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/OpBase.td"

def Attn_Dialect : Dialect {
  let name = "attn";
  let cppNamespace = "::attn";
  let summary = "Attention as cascades of extended Einsums with presence";
  let description = [{
    A cascade is a set of definitions over named ranks; their order means
    nothing. A tensor is a partial function: a box of integer points, a set of
    points where it is present, a value at each of those. Absence is a third
    kind of value: it is not NaN, not -inf, not 0.

    Scalars inside regions are `f64` (a real number; the precision belongs to
    tensors), `i32`/`i64` and `i1`, each possibly absent. Every operation there
    is strict (absent if an operand is absent) except `where`, `else` and the
    Kleene connectives, which are lazy.
  }];
  let useDefaultTypePrinterParser = 1;
  let useDefaultAttributePrinterParser = 1;
  let hasConstantMaterializer = 1;
}

//===----------------------------------------------------------------------===//
// Types
//===----------------------------------------------------------------------===//

def Attn_NamedTensor : TypeDef<Attn_Dialect, "NamedTensor"> {
  let mnemonic = "tensor";
  let summary = "a tensor over named ranks";
  let description = [{
    `!attn.tensor<["b", "h", "m", "d"], bf16>`. Extents belong to the ranks of
    the enclosing cascade, never to a tensor. No ranks: a scalar.
  }];
  let parameters = (ins OptionalArrayRefParameter<"::mlir::StringAttr">:$ranks,
                        "::mlir::Type":$elementType);
  let assemblyFormat = "`<` `[` (`]`) : ($ranks^ `]`)? `,` $elementType `>`";
  let extraClassDeclaration = [{
    /// Position of rank `name`, or -1.
    int64_t rankIndex(::llvm::StringRef name) const;
    /// The scalar type a read of this tensor yields: f64, i32, i64 or i1.
    ::mlir::Type getScalarType() const;
  }];
  let genVerifyDecl = 1;
}

//===----------------------------------------------------------------------===//
// Attributes
//===----------------------------------------------------------------------===//

def Attn_ExtentAttr : AttrDef<Attn_Dialect, "Extent"> {
  let mnemonic = "extent";
  let summary = "an integer expression of extents";
  let description = [{
    Symbols of `map` are the extents of `ranks`; several results mean their
    minimum. As an extent, a negative value means 0; as an index it stands.
  }];
  let parameters = (ins "::mlir::AffineMap":$map,
                        OptionalArrayRefParameter<"::mlir::StringAttr">:$ranks);
  let assemblyFormat = "`<` $map (`,` `[` $ranks^ `]`)? `>`";
  let extraClassDeclaration = [{
    static ExtentAttr constant(::mlir::MLIRContext *ctx, int64_t value);
    static ExtentAttr of(::mlir::StringAttr rank);
    /// The value if no rank occurs.
    std::optional<int64_t> getConstant() const;
    /// The rank if this is exactly its extent.
    ::mlir::StringAttr getRank() const;
    /// Value for given extents (`extent` is asked by name); not clamped.
    int64_t evaluate(
        ::llvm::function_ref<int64_t(::mlir::StringAttr)> extent) const;
  }];
  let genVerifyDecl = 1;
}

def Attn_RankAttr : AttrDef<Attn_Dialect, "Rank"> {
  let mnemonic = "rank";
  let summary = "a rank and how its extent is known";
  let description = [{
    With `extent`: derived (or static, if constant), a negative value meaning 0;
    input axes that carry the rank must agree with it. Without: free, taken from
    the input axes that carry it, which must agree.
  }];
  let parameters = (ins "::mlir::StringAttr":$name,
                        OptionalParameter<"::attn::ExtentAttr">:$extent);
  let assemblyFormat = "`<` $name (`,` $extent^)? `>`";
}
def Attn_RankArrayAttr : TypedArrayAttrBase<Attn_RankAttr, "rank table">;

def Attn_ProductAttr : AttrDef<Attn_Dialect, "Product"> {
  let mnemonic = "product";
  let summary = "`whole = (parts...)`, row major";
  let description = [{
    Coordinates: whole = sum of part * extents of the parts to its right. A
    point of all parts whose whole is beyond its extent is in no space (front
    ends emit that predicate); at entry |whole| <= product of |parts|. Rank
    partitioning by tiling is this same relation.
  }];
  let parameters = (ins "::mlir::StringAttr":$whole,
                        ArrayRefParameter<"::mlir::StringAttr">:$parts);
  let assemblyFormat = "`<` $whole `=` `[` $parts `]` `>`";
}

def Attn_SumAttr : AttrDef<Attn_Dialect, "Sum"> {
  let mnemonic = "sum";
  let summary = "`whole = part ++ part...`";
  let description = [{Parts in order; |whole| is the sum of their extents.}];
  let parameters = (ins "::mlir::StringAttr":$whole,
                        ArrayRefParameter<"::mlir::StringAttr">:$parts);
  let assemblyFormat = "`<` $whole `=` `[` $parts `]` `>`";
}

def Attn_LayoutAttr : AttrDef<Attn_Dialect, "Layout"> {
  let mnemonic = "layout";
  let summary = "how a port is stored";
  let description = [{
    `kind` is dense, packed, paged, csr or block_sparse; `tables` names the
    index ports in the order of the annotation; `logical` is the tensor the
    program speaks of. The port's type is what is stored; front ends define the
    logical tensor from it by an einsum, so a layout changes loads and never the
    mathematics.
  }];
  let parameters = (ins "::mlir::StringAttr":$kind,
                        OptionalArrayRefParameter<"::mlir::StringAttr">:$tables,
                        "::attn::NamedTensorType":$logical);
  let assemblyFormat =
      "`<` $kind `(` (`)`) : ($tables^ `)`)? `,` $logical `>`";
}

def Attn_QuantAttr : AttrDef<Attn_Dialect, "Quant"> {
  let mnemonic = "quant";
  let summary = "codes of the port's type, one scale per group";
  let parameters = (ins "::mlir::StringAttr":$scale,
                        OptionalArrayRefParameter<"::mlir::StringAttr">:$per,
                        "::mlir::Type":$value);
  let assemblyFormat =
      "`<` $scale `per` `[` (`]`) : ($per^ `]`)? `,` $value `>`";
}

def Attn_PortAttr : AttrDef<Attn_Dialect, "Port"> {
  let mnemonic = "port";
  let summary = "an input or output of a cascade";
  let description = [{
    `init` is the default of a run-time scalar; `into` names the input whose
    storage an output may share.
  }];
  let parameters = (ins
    "::mlir::StringAttr":$name,
    OptionalParameter<"::attn::LayoutAttr">:$layout,
    OptionalParameter<"::attn::QuantAttr">:$quant,
    OptionalParameter<"::mlir::StringAttr">:$into,
    OptionalParameter<"::mlir::TypedAttr">:$init);
  let assemblyFormat = [{
    `<` $name (`layout` $layout^)? (`quant` $quant^)? (`into` $into^)?
    (`init` $init^)? `>`
  }];
}
def Attn_PortArrayAttr : TypedArrayAttrBase<Attn_PortAttr, "ports">;

def Attn_ScheduleAttr : AttrDef<Attn_Dialect, "Schedule"> {
  let mnemonic = "schedule";
  let summary = "how a cascade runs; never what it computes";
  let description = [{
    Ranks run in parallel, the streamed rank, tile sizes by rank, the rank whose
    points fill vector lanes, and into how many parts the stream is split.
    Defaults come from the target's cost model.
  }];
  let parameters = (ins
    OptionalArrayRefParameter<"::mlir::StringAttr">:$parallel,
    OptionalParameter<"::mlir::StringAttr">:$stream,
    OptionalParameter<"::mlir::DictionaryAttr">:$tile,
    OptionalParameter<"::mlir::StringAttr">:$lanes,
    DefaultValuedParameter<"int64_t", "1">:$split);
  let assemblyFormat = [{
    `<` `parallel` `[` (`]`) : ($parallel^ `]`)? (`stream` $stream^)?
    (`tile` $tile^)? (`lanes` $lanes^)? (`split` $split^)? `>`
  }];
}

//===----------------------------------------------------------------------===//
// Enums
//===----------------------------------------------------------------------===//

class Case<string name, int value> : I32EnumCase<name, value, name>;

// The last word of LANGUAGE on reductions: identities over present points.
def Attn_Reduce : I32Enum<"Reduce", "built-in reductions", [
  Case<"sum", 0>, Case<"prod", 1>, Case<"max", 2>, Case<"min", 3>,
  Case<"any", 4>, Case<"all", 5>, Case<"count", 6>, Case<"argmax", 7>,
  Case<"argmin", 8>, Case<"first", 9>, Case<"last", 10>]> {
  let cppNamespace = "::attn";
}
def Attn_ReduceAttr : EnumAttr<Attn_Dialect, Attn_Reduce, "reduce"> {
  let assemblyFormat = "`<` $value `>`";
}

def Attn_Bounds : I32Enum<"Bounds", "what a read outside the tensor is", [
  Case<"inside", 0>, Case<"absent", 1>, Case<"data", 2>]> {
  let cppNamespace = "::attn";
}
def Attn_BoundsAttr : EnumAttr<Attn_Dialect, Attn_Bounds, "bounds"> {
  let assemblyFormat = "$value";
}

// Scalar functions. Arity, types, meaning and algebraic facts are rows of one
// table, dialect/Functions.def.
def Attn_Fn : I32Enum<"Fn", "scalar functions", [
  Case<"add", 0>, Case<"sub", 1>, Case<"mul", 2>, Case<"div", 3>,
  Case<"floordiv", 4>, Case<"mod", 5>, Case<"pow", 6>, Case<"neg", 7>,
  Case<"lt", 8>, Case<"le", 9>, Case<"gt", 10>, Case<"ge", 11>,
  Case<"eq", 12>, Case<"ne", 13>,
  I32EnumCase<"and_", 14, "and">, I32EnumCase<"or_", 15, "or">, I32EnumCase<"not_", 16, "not">,
  Case<"min", 17>, Case<"max", 18>, Case<"abs", 19>, Case<"sign", 20>,
  Case<"floor", 21>, Case<"ceil", 22>, Case<"round", 23>, Case<"isnan", 24>,
  Case<"exp", 25>, Case<"exp2", 26>, Case<"log", 27>, Case<"log2", 28>,
  Case<"log1p", 29>, Case<"sqrt", 30>, Case<"rsqrt", 31>, Case<"tanh", 32>,
  Case<"sin", 33>, Case<"cos", 34>, Case<"erf", 35>,
  Case<"msb", 36>, I32EnumCase<"xor_", 37, "xor">, Case<"band", 38>, Case<"shl", 39>,
  Case<"shr", 40>, Case<"bits", 41>, Case<"from_bits", 42>,
  Case<"uniform", 43>, Case<"normal", 44>, Case<"real", 45>]> {
  let cppNamespace = "::attn";
}
def Attn_FnAttr : EnumAttr<Attn_Dialect, Attn_Fn, "fn"> {
  let assemblyFormat = "$value";
}

#endif // ATTN_DIALECT_TD
