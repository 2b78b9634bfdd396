//===- Pipeline.h - steps of several points side by side --------*- C++ -*-===//
// The steps of a row of grid points are a pipeline of three stages: while the
// rows of a step are in their last phase, the early products of the next step
// and the late products of the one before run on the matrix unit, a few
// instructions of each in turn. The next step may be another point's. Rows of
// steps that may have absent points are other code in the same place.
//===----------------------------------------------------------------------===//
#ifndef ATTN_PASSES_CPU_MATRIX_PIPELINE_H
#define ATTN_PASSES_CPU_MATRIX_PIPELINE_H

#include "passes/cpu/matrix/Stream.h"

namespace attn::cpu {

class MatrixPipeline {
  using Value = mlir::Value;
  using Values = llvm::SmallVector<Value>;

public:
  /// Points by their number, in code at the insertion point.
  struct Points {
    Value count;
    /// Memory of a point beside its tiles.
    llvm::function_ref<Value(Value number)> memory;
    /// Its stream, resumed.
    llvm::function_ref<MatrixStream &(Value number)> stream;
  };
  MatrixPipeline(TileLowering &code, const MatrixRoles &roles,
                 const Points &points)
      : code(code), b(code.b), roles(roles), points(points) {}

  /// Those of their steps that are in [low, high).
  void emit(Value low, Value high);

private:
  struct Item {
    Value point, step;
  };

  MatrixStream::Range range(Value point);
  Item firstFrom(Value point, Item otherwise);
  Item after(Item item);
  Values leftsOf(Item item, Value turn);
  void emitStep(Value turn, Item before, Item item, Item next,
                mlir::ValueRange lefts, mlir::ValueRange comingLefts);

  TileLowering &code;
  CodeBuilder &b;
  const MatrixRoles &roles;
  Points points;
  Value low, high;
};

} // namespace attn::cpu
#endif // ATTN_PASSES_CPU_MATRIX_PIPELINE_H
