//===- CutPlace.h - definitions of a cut cascade at a place -----*- C++ -*-===//
#ifndef ATTN_PASSES_DERIVE_CUTPLACE_H
#define ATTN_PASSES_DERIVE_CUTPLACE_H

#include "passes/derive/CutState.h"
#include "passes/derive/CutWriter.h"

namespace attn {

/// The source's definitions as one of the cascades has them: over a piece, of a
/// state (either side's or merged), or final. A reduction is what the place
/// knows of it, all else is written when it is asked for.
class CutPlace {
public:
  enum Kind { Piece, State, Final };
  CutPlace(CutState &state, CutWriter &writer, Kind kind)
      : state(state), writer(writer), kind(kind) {}

  /// What a component is here, to be set before anything reads it.
  mlir::Value &operator[](const Component &c) {
    return c.flag ? flags[c.op] : states[EinsumOp(c.op).getResult(c.result)];
  }
  /// All components as inputs called by their names.
  void addInputs(llvm::StringRef suffix);
  bool hasState(mlir::Value reduction) const {
    return states.contains(reduction);
  }

  /// A tensor of the source.
  mlir::Value tensor(mlir::Value value);
  /// Tensors of the source that `op` reads become those of the place.
  void rewire(mlir::Operation *op);

private:
  mlir::Value finished(EinsumOp op, unsigned result);
  mlir::Value point(EinsumOp op);

  CutState &state;
  CutWriter &writer;
  Kind kind;
  llvm::DenseMap<mlir::Value, mlir::Value> states; // of a reduction's result
  llvm::DenseMap<mlir::Operation *, mlir::Value> flags;
  llvm::DenseMap<mlir::Value, mlir::Value> known; // other tensors
};

} // namespace attn
#endif // ATTN_PASSES_DERIVE_CUTPLACE_H
