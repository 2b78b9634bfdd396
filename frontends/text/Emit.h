//===- Emit.h - from the model to the attn dialect --------------*- C++ -*-===//
//
// Private to the front end. Types are known here, so conversions that the
// language forbids are reported here too.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_FRONTENDS_TEXT_EMIT_H
#define ATTN_FRONTENDS_TEXT_EMIT_H

#include "frontends/text/Diagnostics.h"
#include "frontends/text/Types.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"
#include <map>

namespace attn::text {

class Emitter {
public:
  Emitter(Model &model, mlir::ModuleOp module, Diagnostics &diagnostics);
  /// Appends the cascade, and the monoids it uses, to the module.
  void run();
  /// Emits the monoid beside the cascades; returns its symbol.
  std::string declareMonoid(MonoidUse &use);

private:
  //===--- The cascade (Emit.cpp) -----------------------------------------===//
  void absorbCopies();
  void emitCascade();
  mlir::ArrayAttr rankTable();
  mlir::ArrayAttr relations();
  PortAttr portAttr(const StoredPort &port);
  ExtentAttr extentAttr(T term, SourceRange range);
  bool affine(T term, llvm::SmallVectorImpl<const Rank *> &symbols,
              llvm::SmallVectorImpl<mlir::AffineExpr> &results);
  mlir::StringAttr rankName(const Rank *rank) {
    return builder.getStringAttr(rank->name);
  }
  mlir::ArrayAttr rankNames(llvm::ArrayRef<const Rank *> ranks);
  std::string doc() const;
  mlir::Type elementType(const Tensor &tensor);
  NamedTensorType tensorType(const Tensor &tensor);
  mlir::Location locate(SourceRange range);

  //===--- Definitions (EmitDefinitions.cpp) ------------------------------===//
  mlir::Value valueOf(Tensor *tensor);
  void define(Definition &definition);
  void emitMap(Definition &definition);
  void emitReduce(Definition &definition);
  void emitOrder(Definition &definition);
  void emitEquations(Definition &definition);
  mlir::FlatSymbolRefAttr monoidSymbol(MonoidUse &use);
  void openRegion(mlir::Region &region, llvm::ArrayRef<const Rank *> ranks);

  //===--- Terms (EmitTerms.cpp) ------------------------------------------===//
  /// The value of a term in the open region, in the scalar type of `Ty`.
  mlir::Value emit(T term);
  mlir::Value emitUncached(T term);
  mlir::Value emitMapTerm(T term);
  mlir::Value emitElse(T term);
  Ty typeOf(T term) { return types.of(term); }
  /// `term` as a value of type `wanted`, by the conversions that are implicit.
  enum class Use { Operand, Index, Condition, Integer };
  mlir::Value emitAs(T term, Ty wanted, SourceRange range,
                     Use use = Use::Operand);
  /// Operand `i` of `term`, likewise.
  mlir::Value emitOperand(T term, unsigned i, Ty wanted,
                          Use use = Use::Operand) {
    return emitAs(term->operand(i), wanted, term->operandRange(i), use);
  }
  mlir::Type storage(Ty type);
  mlir::Type scalar(Ty type);
  mlir::Value constant(T term, Ty type);
  void error(SourceRange range, const llvm::Twine &text,
             const llvm::Twine &hint = "");

  Model &model;
  mlir::ModuleOp module;
  Diagnostics &diagnostics;
  mlir::OpBuilder builder;
  llvm::DenseMap<const Tensor *, mlir::Value> values;
  llvm::DenseMap<const Tensor *, mlir::Operation *> placeholders;
  std::map<std::pair<const MonoidDecl *, std::vector<Ty>>, std::string> symbols;
  llvm::StringSet<> reported;

  // The open region.
  llvm::DenseMap<T, mlir::Value> emitted;
  llvm::DenseMap<std::pair<T, unsigned>, mlir::Value> converted;
  llvm::DenseMap<const Rank *, mlir::Value> coordinates;
  llvm::SmallVector<mlir::Value> states;
  const MonoidUse *monoid = nullptr;
  mlir::Location here;
  TypeInference types;
};

} // namespace attn::text

#endif // ATTN_FRONTENDS_TEXT_EMIT_H
