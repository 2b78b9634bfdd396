//===- FastRegion.h - scalar code with the GPU's own functions --*- C++ -*-===//
// Where tiles are products of 16-bit operands, exponentials and quotients are
// the special function unit's: right to about 2^-22 of the value.
//===----------------------------------------------------------------------===//
#ifndef ATTN_PASSES_GPU_HOPPER_FASTREGION_H
#define ATTN_PASSES_GPU_HOPPER_FASTREGION_H

#include "passes/cpu/tile/TileRegion.h"
#include "llvm/ADT/DenseSet.h"

namespace attn::gpu {

class FastRegion : public cpu::TileRegion {
public:
  using TileRegion::TileRegion;

  /// Values that are known to be finite; what asks that of them (x != -inf) is
  /// told so.
  void setFinite(const llvm::DenseSet<mlir::Value> *values) { finite = values; }

  /// How the presence of an operand is written shorter.
  void setJoin(llvm::function_ref<mlir::Value(mlir::Value)> shorter) {
    join = shorter;
  }
  /// What a map is, for the next time that it is emitted. Exponents of decided
  /// differences are fused operations.
  void decide(mlir::Operation *op, cpu::Scalar value) { decided[op] = value; }
  bool isDecided(mlir::Operation *op) const { return decided.contains(op); }

protected:
  cpu::Scalar emitMap(MapOp op) override;
  /// Indices are 32 bits wide, as coordinates are.
  cpu::Scalar emitRead(ReadOp op, llvm::ArrayRef<cpu::Scalar> indices) override;

private:
  const llvm::DenseSet<mlir::Value> *finite = nullptr;
  llvm::function_ref<mlir::Value(mlir::Value)> join;
  llvm::DenseMap<mlir::Operation *, cpu::Scalar> decided;
};

/// x != -inf?
bool asksAboveMinusInfinity(MapOp op);
/// As cpu::tellByValue, in few instructions.
cpu::Scalar told(cpu::CodeBuilder &b, cpu::Scalar scalar);
/// 2^x.
mlir::Value fastExp2(cpu::CodeBuilder &b, mlir::Value x);
/// Is the value made by fastExp2? Then of what.
mlir::Value exponentOf(mlir::Value value);

} // namespace attn::gpu
#endif // ATTN_PASSES_GPU_HOPPER_FASTREGION_H
