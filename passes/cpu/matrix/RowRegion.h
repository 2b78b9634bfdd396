//===- RowRegion.h - scalar code of rows, at its cheapest -------*- C++ -*-===//
// What is absent for being -inf needs no mask where -inf has the same effect:
// presence is told by the value where it can be, and forgotten where an absent
// point would add nothing anyway.
//===----------------------------------------------------------------------===//
#ifndef ATTN_PASSES_CPU_MATRIX_ROWREGION_H
#define ATTN_PASSES_CPU_MATRIX_ROWREGION_H

#include "passes/cpu/tile/TileRegion.h"

namespace attn::cpu {

class RowRegion : public TileRegion {
public:
  /// `coarse`: exponentials are rounded to 16 bits in the end. `fused`: what
  /// an exponent subtracts may be scaled by itself, and rounded.
  RowRegion(CodeBuilder &b, TileSurroundings &outside, mlir::Value full,
            bool coarse, bool fused)
      : TileRegion(b, outside, b.getF32Type(), full), coarse(coarse),
        fused(fused) {}
  /// Emits x of a block that yields 2^x in vectors of f32, of some points
  /// perhaps; no value: it yields something else.
  Scalar emitExponent(mlir::Block &block);

protected:
  Scalar emitMap(MapOp op) override;

private:
  bool coarse, fused;
  MapOp bare; // of this power its exponent is emitted alone
};

/// x, if `value` is 2^x.
mlir::Value exponentOf(mlir::Value value);
/// Is `value` 0 where `present` is false? `isAbove`: the value is never -inf.
bool isZeroWhenAbsent(mlir::Value value, mlir::Value present,
                      llvm::function_ref<bool(mlir::Value)> isAbove);

} // namespace attn::cpu
#endif // ATTN_PASSES_CPU_MATRIX_ROWREGION_H
