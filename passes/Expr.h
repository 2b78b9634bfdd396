//===- Expr.h - building and rewriting einsums ------------------*- C++ -*-===//
// Shared by the passes over cascades: coordinates by rank name, rank
// dependence of expressions, cloning with substituted coordinates.
//===----------------------------------------------------------------------===//
#ifndef ATTN_PASSES_EXPR_H
#define ATTN_PASSES_EXPR_H

#include "dialect/Attn.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SmallBitVector.h"

namespace attn {

using Ranks = llvm::SmallVector<mlir::StringAttr>;
using RankRef = llvm::ArrayRef<mlir::StringAttr>;
/// Coordinate value of each rank in scope.
using Coordinates = llvm::MapVector<mlir::StringAttr, mlir::Value>;

/// Coordinates of an einsum's map: the block argument of each rank.
Coordinates coordinatesOf(EinsumOp op);
Coordinates coordinatesOf(RankRef ranks, mlir::Block &block);
/// Each coordinate becomes the one of the same rank, if there is one.
mlir::IRMapping substitution(const Coordinates &from, const Coordinates &to);

/// Builds scalar operations at one place; every helper folds constants.
class ExprBuilder {
public:
  ExprBuilder(mlir::OpBuilder &builder, mlir::Location loc)
      : b(builder), loc(loc) {}

  mlir::Value map(Fn fn, mlir::ValueRange operands);
  mlir::Value real(double value);
  mlir::Value integer(int64_t value);
  mlir::Value boolean(bool value);
  mlir::Value constant(mlir::TypedAttr value);
  mlir::Value where(mlir::Value value, mlir::Value condition);
  mlir::Value otherwise(mlir::Value value, mlir::Value other);
  mlir::Value extent(mlir::StringAttr rank);
  /// The read of a tensor at the coordinates of its own ranks.
  mlir::Value read(mlir::Value tensor, const Coordinates &at);
  mlir::Value read(mlir::Value tensor, mlir::ValueRange indices,
                   Bounds bounds = Bounds::inside);

  mlir::OpBuilder &b;
  mlir::Location loc;
};

using ExprFn = llvm::function_ref<mlir::Value(ExprBuilder &, Coordinates &)>;

struct EinsumSpec {
  llvm::StringRef name;
  Ranks space, reduced;
  mlir::Attribute monoid; // null: a map
  mlir::Type element;     // storage element type of the result
  bool rounded = false;
};

/// Builds an einsum with one result. `guard` may be null.
EinsumOp buildEinsum(mlir::OpBuilder &b, mlir::Location loc,
                     const EinsumSpec &spec, ExprFn map, ExprFn guard = {});

/// Clones the expression of `root` at the builder. Block arguments and values
/// already in `mapping` are replaced; `leaf` may give a replacement for an
/// operation (null: clone it). Values defined outside of regions stand.
mlir::Value
cloneExpr(mlir::OpBuilder &b, mlir::Value root, mlir::IRMapping &mapping,
          llvm::function_ref<mlir::Value(mlir::Operation *)> leaf = nullptr);

/// Its guard may be false: a fibre may not exist.
bool isGuarded(EinsumOp op);
/// The guard of `op`, which has one, at coordinates of its space; `leaf` as for
/// cloneExpr.
mlir::Value
guardAt(ExprBuilder &e, EinsumOp op, const Coordinates &at,
        llvm::function_ref<mlir::Value(mlir::Operation *)> leaf = nullptr);
/// A map `name` with the space, the type and the rounding of op's result.
EinsumSpec mapLike(EinsumOp op, llvm::StringRef name);

/// For values of one region: which block arguments they depend on.
class Dependence {
public:
  explicit Dependence(mlir::Block &block) : block(block) {}
  const llvm::SmallBitVector &of(mlir::Value value);

private:
  mlir::Block &block;
  llvm::DenseMap<mlir::Value, llvm::SmallBitVector> cache;
};

/// The type an einsum computes its reals in: f64 as soon as its result or a
/// tensor that it reads is f64, else f32.
mlir::Type computeReal(EinsumOp op);
/// The type that a result is computed in, before it is rounded to its own.
mlir::Type computeType(EinsumOp op, unsigned result = 0);

/// True if every index of `read` is the coordinate argument, in the block of
/// `op`, of the rank of the same name.
bool isPlainRead(ReadOp read, EinsumOp op);

/// Erases definitions of the cascade that no output needs.
void eraseDead(CascadeOp cascade);

/// A rank name not yet declared, from `base`.
mlir::StringAttr freshRank(CascadeOp cascade, llvm::StringRef base);
/// Declares a rank at the end of the cascade's table.
void declareRank(CascadeOp cascade, mlir::StringAttr name, ExtentAttr extent);

} // namespace attn
#endif // ATTN_PASSES_EXPR_H
