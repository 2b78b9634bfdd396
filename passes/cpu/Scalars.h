//===- Scalars.h - the scalar code of regions -------------------*- C++ -*-===//
// Regions become straight-line code over pairs (value, present). Everything is
// pure and total once reads are clamped and divisors guarded, so lazy operands
// are computed and selected; a null `present` is true and costs nothing.
//===----------------------------------------------------------------------===//
#ifndef ATTN_PASSES_CPU_SCALARS_H
#define ATTN_PASSES_CPU_SCALARS_H

#include "passes/cpu/Storage.h"

namespace attn::cpu {

/// Values may be vectors (one point a lane); scalars among them are splat.
class RegionCode {
public:
  /// `real` is what reals that depend on data are computed in: f32 or f64.
  RegionCode(CodeBuilder &b, mlir::Type real) : b(b), real(real) {}
  virtual ~RegionCode() = default;

  void bind(mlir::Value name, Scalar value) { scalars[name] = value; }
  /// A coordinate, from the i64 a loop counts in.
  void bindCoordinate(mlir::Value name, mlir::Value i64);
  Scalar lookup(mlir::Value name) const { return scalars.lookup(name); }
  /// Emits a region's block; what it yields.
  llvm::SmallVector<Scalar> emit(mlir::Block &block);
  /// Emits one operation, for later ones to use; its result.
  Scalar emit(mlir::Operation *op);
  /// What the region yields is rounded to 16 bits or fewer.
  void setRounded(bool value) { isRounded = value; }
  /// The compute type of a value that may still be exact.
  Scalar settled(Scalar value);

protected:
  virtual Scalar emitRead(ReadOp op, llvm::ArrayRef<Scalar> indices) = 0;
  virtual mlir::Value extent(mlir::StringAttr rank) = 0;
  virtual bool isNonZero(mlir::Value divisor) = 0;
  virtual Scalar emitMap(MapOp op);

  CodeBuilder &b;
  mlir::Type real;
  bool isRounded = false;

private:
  Scalar emitOperation(mlir::Operation *op);
  Scalar emitLogic(Fn fn, const Scalar &x, const Scalar &y);
  Scalar emitCast(CastOp op);
  Scalar emitElse(ElseOp op);
  llvm::SmallVector<Scalar> operands(mlir::Operation *op);
  /// Reals of `values` brought to one type; true if all are exact.
  bool unify(llvm::MutableArrayRef<Scalar> values);

  llvm::DenseMap<mlir::Value, Scalar> scalars;
};

/// Regions over the tensors of a cascade.
class RegionEmitter : public RegionCode {
public:
  RegionEmitter(CodeBuilder &b, StorageMap &storages, mlir::Type real)
      : RegionCode(b, real), storages(storages) {}

protected:
  /// Derived kernels redefine where a read comes from.
  Scalar emitRead(ReadOp op, llvm::ArrayRef<Scalar> indices) override;
  mlir::Value extent(mlir::StringAttr rank) override;
  bool isNonZero(mlir::Value divisor) override;

  StorageMap &storages;
};

/// One function of the table on present operands of one type. Reals of type
/// `real` where it makes a real from integers. Integer division is guarded:
/// `present` is set to "the divisor is not 0" (null if that is known).
mlir::Value emitFn(CodeBuilder &b, Fn fn, llvm::ArrayRef<mlir::Value> operands,
                   mlir::Type real, bool nonZero, mlir::Value &present);

} // namespace attn::cpu
#endif // ATTN_PASSES_CPU_SCALARS_H
