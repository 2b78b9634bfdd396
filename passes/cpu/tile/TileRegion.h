//===- TileRegion.h - scalar code of tile regions ---------------*- C++ -*-===//
// Regions over coordinates that may be vectors; reads of tensors are gathers.
//===----------------------------------------------------------------------===//
#ifndef ATTN_PASSES_CPU_TILE_TILEREGION_H
#define ATTN_PASSES_CPU_TILE_TILEREGION_H

#include "passes/cpu/Scalars.h"
#include "passes/cpu/tile/TileToCpu.h"

namespace attn::cpu {

class TileRegion : public RegionCode {
public:
  /// `full`: the maps called `bounded` are true where this i1 is (null: never
  /// known to be).
  TileRegion(CodeBuilder &b, TileSurroundings &outside, mlir::Type real,
             mlir::Value full)
      : RegionCode(b, real), outside(outside), full(full) {}

  /// Binds what `region` uses from outside, as `outer` knows it.
  void capture(const RegionCode &outer, mlir::Region &region);
  void setFull(mlir::Value value) { full = value; }

protected:
  Scalar emitRead(ReadOp op, llvm::ArrayRef<Scalar> indices) override;
  mlir::Value extent(mlir::StringAttr rank) override;
  bool isNonZero(mlir::Value divisor) override;
  Scalar emitMap(MapOp op) override;

  TileSurroundings &outside;

private:
  mlir::Value full;
};

/// Raw elements at `offset` (i64, or a vector of them: a gather), decoded.
mlir::Value loadElements(CodeBuilder &b, const Storage &s, mlir::Value offset,
                         mlir::Type to);
/// The presence bytes there, as i1.
mlir::Value loadPresence(CodeBuilder &b, const Storage &s, mlir::Value offset);

/// An integer scalar as i64.
mlir::Value wideInteger(CodeBuilder &b, const Scalar &scalar);

} // namespace attn::cpu
#endif // ATTN_PASSES_CPU_TILE_TILEREGION_H
