//===- Roles.h - what a matrix unit can do of a tile kernel -----*- C++ -*-===//
// Decides whether the products of a kernel's stream run on a matrix unit, and
// what every operation of the stream then is. With r the rank that a step
// streams and l the lanes:
//   an early product   S[r, l] = sum A[r, d] B[d, l], B from before the stream
//   a map by rows      over r or r x l, computed a row of lanes at a time
//   a row reduction    over r, of maps by rows
//   a lane operation   over l alone
//   a late product     Z[e, l] += sum A[e, r] P[r, l], P a map by rows
//   a repair           of an accumulator: a map over e x l that Z starts from
// A row reduction that others need parts the rows' work into phases.
//===----------------------------------------------------------------------===//
#ifndef ATTN_PASSES_CPU_MATRIX_ROLES_H
#define ATTN_PASSES_CPU_MATRIX_ROLES_H

#include "dialect/tile/Tile.h"

namespace attn::cpu {

/// Z[column, lane] = init + sum over `reduced` of A * B.
struct MatrixProduct {
  tile::EinsumOp op;
  mlir::StringAttr column, reduced;
  /// A, as it lies in memory: `rowAxis` of the tensor runs along rows.
  tile::LoadOp left;
  unsigned rowAxis = 0;
  /// A's memory runs along `column`.
  bool turned = false;
  /// Of A's elements, see Pieces.h.
  int64_t pieces = 1;
  /// A is laid out anew before the kernel.
  bool isLaidOut() const { return turned || pieces > 1 || isPadded(); }
  mlir::Value right; // B
  /// Of an early one of bf16 whose B only it reads, from memory that runs along
  /// `reduced`: the axis of the tensor along the lanes.
  std::optional<unsigned> laneAxis;
  bool isLate = false;
  /// In whole tiles; and what of these the tensors have: of a late product's
  /// columns and an early one's depth the rest is zeros.
  int64_t columns = 0, depth = 0;
  int64_t ownColumns = 0, ownDepth = 0;
  bool isPadded() const { return ownColumns < columns || ownDepth < depth; }
  /// Of a late one: the stream's state, and the map it starts from, if any.
  unsigned state = 0;
  tile::EinsumOp repair;
  /// Its sums are 0 before the stream: the first step need not read them.
  bool startsAtZero = false;
};

class MatrixRoles {
public:
  /// Analyses `kernel`; `reason` says why no matrix unit runs it.
  explicit MatrixRoles(tile::KernelOp kernel);
  std::string reason;

  tile::StreamOp stream;
  mlir::StringAttr lane, row;
  int64_t lanes = 0, rows = 0;
  std::vector<MatrixProduct> products;
  /// By phase.
  struct Phase {
    llvm::SmallVector<tile::EinsumOp> laneOps; // before the rows
    llvm::SmallVector<tile::EinsumOp> reductions;
    llvm::SmallVector<const MatrixProduct *> factors; // B of these
  };
  std::vector<Phase> phases;
  /// Lane operations after all rows.
  llvm::SmallVector<tile::EinsumOp> lastOps;
  /// Every step is asked whether it has points, and none is known to be full.
  bool isClassified = false;
  /// All that the kernel stores is rounded to 16 bits.
  bool isCoarse = true;
  /// A piece of B.
  int64_t rightPieceBytes(const MatrixProduct &p) const {
    return p.depth * lanes * 2;
  }
  /// Some product has more than the bits of bf16.
  bool hasPieces() const {
    return llvm::any_of(products, [](auto &p) { return p.pieces > 1; });
  }

  const MatrixProduct *product(mlir::Operation *op) const;
  bool isInStream(mlir::Operation *op) const;
  /// Is `value` computed a row at a time?
  bool isRowMap(mlir::Value value) const;
  bool isRepair(mlir::Operation *op) const;
  /// Is the load only read by products, as A?
  bool isLeft(tile::LoadOp load) const;

private:
  bool refuse(const llvm::Twine &why);
  bool findStream(tile::KernelOp kernel);
  bool addProduct(tile::EinsumOp op);
  bool describeLeft(MatrixProduct &product);
  void describeRight(MatrixProduct &product);
  bool checkBody();
  bool checkYield();
  void buildPhases();
};

} // namespace attn::cpu
#endif // ATTN_PASSES_CPU_MATRIX_ROLES_H
