//===- Deriver.h - writes a stream as a one-pass kernel ---------*- C++ -*-===//
// State shared by the parts of the online rule: tiles of the points
// (Tiles.cpp), how accumulators move as statistics do (Repair.cpp), the
// recurrences (Online.cpp), and what they finish as (Finish.cpp).
//===----------------------------------------------------------------------===//
#ifndef ATTN_PASSES_DERIVE_DERIVER_H
#define ATTN_PASSES_DERIVE_DERIVER_H

#include "passes/derive/Online.h"
#include "passes/derive/Presence.h"

namespace attn {

class Deriver : private Presence {
public:
  Deriver(CascadeOp cascade, const Stream &stream)
      : cascade(cascade), stream(stream), b(cascade.getContext()),
        forms(stream.tensors()) {
    if (auto tile = cascade->getAttrOfType<mlir::IntegerAttr>(kStreamTileName))
      tileSize = tile.getInt();
  }

  void run();

private:
  // What a clone is taken at.
  enum class Step { Now, Before, Final };

  /// Shift factors of a summand that a sum of it keeps, a bit each.
  using Factors = unsigned;

  void partition();
  void reduce(EinsumOp op);
  void accumulate(EinsumOp op, const Form &form, Factors kept);
  void leaveOut(EinsumOp op, const Form &form, Factors kept);
  mlir::Value tilePart(EinsumOp op, const Form &form, llvm::StringRef own);
  mlir::Value carried(ExprBuilder &e, const Form &form, Factors kept,
                      Coordinates &at);
  mlir::Value finish(EinsumOp op);

  mlir::Value pointTile(EinsumOp op);
  mlir::Value lateTensor(EinsumOp op, Step step);
  mlir::Value readLate(ExprBuilder &e, mlir::Value tensor, Coordinates &at,
                       Step step);
  mlir::Value readSafe(ExprBuilder &e, mlir::Value tensor, Coordinates &at);
  mlir::Value rebuild(ExprBuilder &e, EinsumOp op, mlir::Value value,
                      Coordinates &at) override;
  bool isAlwaysThere(ReadOp read) override;
  EinsumOp mapOf(ReadOp read, EinsumOp op) override;
  bool isWritten(ReadOp) override { return true; }
  mlir::Value repair(EinsumOp op, const Form &form);
  mlir::Value move(EinsumOp op, llvm::ArrayRef<ShiftTerm> shift,
                   llvm::StringRef name);
  mlir::Value ones(EinsumOp op, mlir::Value value, llvm::StringRef name);
  mlir::Value readFinite(ExprBuilder &e, mlir::Value tensor, Coordinates &at,
                         Step step);
  Ranks ranksOf(EinsumOp op, llvm::ArrayRef<ShiftTerm> shift);
  EinsumOp witnessOf(EinsumOp op);
  mlir::Value presentState(EinsumOp op);
  std::function<mlir::Value(ExprBuilder &, Coordinates &)>
  anyPresent(EinsumOp op);
  mlir::Value existing(ExprBuilder &e, EinsumOp op, mlir::Value value,
                       Coordinates &at);

  mlir::Value recurrence(llvm::StringRef name, RankRef ranks,
                         mlir::Type element, mlir::TypedAttr identity,
                         ExprFn step);
  Ranks with(mlir::ArrayAttr ranks,
             std::initializer_list<mlir::StringAttr> extra);
  mlir::Value wholeCoordinate(ExprBuilder &e, Coordinates &at);
  mlir::Value inside(ExprBuilder &e, Coordinates &at);
  std::string nameOf(EinsumOp op, llvm::StringRef suffix = "");

  CascadeOp cascade;
  const Stream &stream;
  int64_t tileSize = kStreamTile;
  mlir::OpBuilder b;
  FormAnalysis forms;
  mlir::StringAttr n1, n0;
  // Definitions are made on demand, while another one is being written: always
  // at the end of the body, whose order means nothing.
  mlir::Block *body = nullptr;
  llvm::DenseMap<mlir::Value, mlir::Value> tiles;   // point -> tile
  llvm::DenseMap<mlir::Value, mlir::Value> running; // reduction -> over n1
  llvm::DenseMap<mlir::Value, mlir::Value> safe;    // the same, finite if empty
  llvm::DenseMap<std::pair<mlir::Value, int>, mlir::Value>
      lates; // late map at a step
  llvm::DenseMap<mlir::Value, mlir::Value> finals;
  // Of the reduction that is being written: its repair, how far each factor
  // moved, its sums by the factors they keep, and what stands for a factor that
  // is left out.
  mlir::Value factor;
  llvm::SmallVector<mlir::Value> moves;
  llvm::DenseMap<Factors, mlir::Value> sums;
  llvm::DenseMap<mlir::Value, mlir::Value> leftOut;
  mlir::Value halved; // a square of this counts once
};

} // namespace attn
#endif // ATTN_PASSES_DERIVE_DERIVER_H
