//===- Attn.h - the attn dialect --------------------------------*- C++ -*-===//
// What attention is: cascades of extended Einsums with presence. See
// AttnOps.td for the semantics and RATIONALE.md for what is refused and why.
//===----------------------------------------------------------------------===//
#ifndef ATTN_DIALECT_ATTN_H
#define ATTN_DIALECT_ATTN_H

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/RegionKindInterface.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "dialect/AttnDialect.h.inc"
#include "dialect/AttnEnums.h.inc"

#define GET_TYPEDEF_CLASSES
#include "dialect/AttnTypes.h.inc"

#define GET_ATTRDEF_CLASSES
#include "dialect/AttnAttrs.h.inc"

namespace attn {
class ReturnOp;
class YieldOp;
} // namespace attn

#define GET_OP_CLASSES
#include "dialect/AttnOps.h.inc"

namespace attn {

/// The scalar type that reading a tensor of `element` yields: f64 for floats,
/// i64 for i64, i1 for bool, else i32.
mlir::Type scalarTypeOf(mlir::Type element);

/// Identity of a built-in reduction over values of `type` (a scalar type);
/// none for argmax, argmin, first, last.
mlir::TypedAttr identityOf(Reduce kind, mlir::Type type);
/// How two states of a built-in reduction combine, in any order; none for
/// argmax, argmin, first, last.
std::optional<Fn> combinerOf(Reduce kind);

/// The whole and the parts of a relation, product or sum.
std::pair<mlir::StringAttr, llvm::ArrayRef<mlir::StringAttr>>
partsOf(mlir::Attribute relation);

/// Names of an array of strings.
llvm::SmallVector<mlir::StringAttr> strings(mlir::ArrayAttr array);

} // namespace attn
#endif // ATTN_DIALECT_ATTN_H
