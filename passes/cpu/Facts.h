//===- Facts.h - what is known of tensors before code exists ----*- C++ -*-===//
// Presence (can a point of it be absent?), exactness (is it a function of
// coordinates alone, hence kept in f64?), and the type it computes in.
//===----------------------------------------------------------------------===//
#ifndef ATTN_PASSES_CPU_FACTS_H
#define ATTN_PASSES_CPU_FACTS_H

#include "dialect/Attn.h"

namespace attn::cpu {

/// The definition behind a tensor: looks through the results of kernels.
mlir::Value definitionOf(mlir::Value tensor);

/// Tensors an operation reads (regions included), each once, and the reads.
llvm::SmallVector<ReadOp> readsOf(mlir::Operation *op);

class Facts {
public:
  explicit Facts(CascadeOp cascade);

  bool mayBeAbsent(mlir::Value tensor) const;
  /// Depends on coordinates, extents and constants alone.
  bool isExact(mlir::Value tensor) const;
  /// What a point of it is kept as: the declared type, or f64 if exact.
  mlir::Type storedElement(mlir::Value tensor) const;
  /// f32 or f64: the type reals have in the regions of `op`.
  mlir::Type computeType(mlir::Operation *op) const;

  /// The index on `axis` is a coordinate that never leaves that axis.
  bool isInside(ReadOp read, unsigned axis) const;
  /// Never zero where it is evaluated.
  bool isNonZero(mlir::Value divisor) const;

private:
  struct Fact {
    bool present = true, exact = true;
    bool operator==(const Fact &) const = default;
  };
  using Scalars = llvm::DenseMap<mlir::Value, Fact>;

  Fact lookup(mlir::Value tensor) const;
  Fact scalar(mlir::Operation *op, const Scalars &known) const;
  /// Facts of the values a region yields.
  llvm::SmallVector<Fact> region(mlir::Region &region) const;
  bool update(mlir::Operation *op);
  bool set(mlir::Value tensor, Fact fact);
  bool coversBox(EquationsOp op) const;

  CascadeOp cascade;
  llvm::DenseMap<mlir::Value, Fact> facts;
};

} // namespace attn::cpu
#endif // ATTN_PASSES_CPU_FACTS_H
