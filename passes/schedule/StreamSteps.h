//===- StreamSteps.h - which steps of a stream run --------------*- C++ -*-===//
// A step may be left out where every part that it reduces has no point; it
// needs no test where they have all. Conditions that are linear in the step
// bound the loop, others are asked a step at a time, of pieces of it if that
// says more.
//===----------------------------------------------------------------------===//
#ifndef ATTN_PASSES_SCHEDULE_STREAMSTEPS_H
#define ATTN_PASSES_SCHEDULE_STREAMSTEPS_H

#include "passes/schedule/Classify.h"
#include "passes/schedule/StreamBounds.h"
#include "passes/schedule/TileProgram.h"

namespace attn {

class StreamSteps {
public:
  /// `partSize`: lanes and points of the parts that are classified; 0: none.
  StreamSteps(TileProgram &program, int64_t partSize);

  /// Code before the stream: what the linear conditions leave of it.
  StreamBounds writeBounds();
  /// The stream's classification of its steps, and of parts of them, by the
  /// other conditions, where it is of use.
  void writeClassification();
  /// All points of full steps satisfy the condition.
  bool isDecided(mlir::Value condition) {
    return decided.count(p.conditions.text(condition));
  }
  /// All points of full parts of steps do, by their classification.
  bool isClassified(mlir::Value condition) {
    return hasParts() && unordered.count(p.conditions.text(condition));
  }

private:
  using Texts = PresenceConditions::Texts;

  mlir::Value atGrid(ExprBuilder &e, mlir::Value value, mlir::Block &region);

  void choosePieces();
  bool hasParts() const { return pieces.points.number != p.ranks.stream; }
  Coordinates pieceAt(ExprBuilder &e, mlir::Value step, mlir::Value lanePart,
                      mlir::Value pointPart);
  llvm::SmallVector<Coordinates> piecesOf(ExprBuilder &e, mlir::Value step);
  void classifySteps(Classifier &classifier);
  void classifyParts(Classifier &classifier);

  TileProgram &p;
  int64_t partSize;
  /// What is asked whether it has points: whole steps, or parts of them.
  TilePieces pieces;
  Texts some, common; // of some part, of every part
  Texts unordered;    // not linear
  Texts decided;
};

} // namespace attn
#endif // ATTN_PASSES_SCHEDULE_STREAMSTEPS_H
