//===- Affine.h - coordinates, extents and conditions as sets ---*- C++ -*-===//
// The index analysis of cascades: integer scalars of a region as linear forms
// over coordinates, extents and run-time scalars, and conditions as sets of
// points. Everything that is not linear (floordiv by an extent, a product of
// extents, the value of a tensor) is one more variable with what is known about
// it, so every integer has a form and every fact is a set.
//===----------------------------------------------------------------------===//
#ifndef ATTN_DIALECT_AFFINE_H
#define ATTN_DIALECT_AFFINE_H

#include "dialect/AffineExtents.h"
#include "mlir/Analysis/Presburger/PresburgerRelation.h"
#include "llvm/ADT/DenseSet.h"
#include <functional>
#include <memory>

namespace attn {

/// LANGUAGE section 5: `Affine` indices must be proved inside, `Data` ones read
/// as absent when outside, `Opaque` ones cannot be bounded.
enum class IndexKind { Affine, Data, Opaque };

/// Which side of the truth an answer may err on.
enum class Approximation { Over, Under };

/// Coordinates (block arguments), extents and scalars of one cascade as
/// numbered variables, and the forms and sets over them. Variables appear as
/// they are met; sets stay valid.
class IterationSpace {
public:
  explicit IterationSpace(CascadeOp cascade)
      : cascade(cascade), extents(cascade, variables) {}
  IterationSpace(IterationSpace &&) = delete;

  CascadeOp getCascade() const { return cascade; }
  const SpaceVariable &operator[](unsigned variable) const {
    return variables[variable];
  }
  unsigned size() const { return variables.size(); }

  /// Makes the block arguments of a region of an einsum or order coordinates.
  void addRegion(mlir::Region &region);
  /// Makes a block argument stand for a form instead of a coordinate.
  void bind(mlir::Value argument, AffineForm form);

  //===--------------------------------------------------------------------===//
  // Integers
  //===--------------------------------------------------------------------===//

  /// The linear form of an i32 or i64; non-linear parts are variables.
  AffineForm formOf(mlir::Value value);
  /// The form if it is affine in coordinates, extents and run-time scalars.
  std::optional<AffineForm> affineOf(mlir::Value value);
  AffineForm extentOf(mlir::StringAttr rank) { return extents.of(rank); }
  /// An extent expression, as an index (not clamped).
  AffineForm formOf(ExtentAttr extent) { return extents.of(extent); }
  /// floor(form / divisor), divisor > 0.
  AffineForm quotientOf(const AffineForm &form, int64_t divisor) {
    return variables.quotient(form, AffineForm::of(divisor));
  }
  static IndexKind classify(mlir::Value index);
  /// The coordinate of `rank` that relations give, where it is determined by
  /// the coordinates of `region`.
  std::optional<AffineForm> determined(mlir::StringAttr rank,
                                       mlir::Region &region);

  //===--------------------------------------------------------------------===//
  // Conditions
  //===--------------------------------------------------------------------===//

  /// Points where a bool is present and true (`value`), or present and false.
  PointSet truth(mlir::Value condition, Approximation side, bool value = true);
  /// Points where a scalar is present.
  PointSet presence(mlir::Value scalar, Approximation side);
  /// Points at which a value of a region is evaluated, from the conditions on
  /// every path to the region's yield; never too few. Of an einsum that the
  /// front end made for a subexpression, its readers' conditions count too.
  PointSet demand(mlir::Value value);
  /// Points where index `position` of a read lies in the rank's extent.
  PointSet inExtent(ReadOp read, unsigned position);
  /// Points where all indices of a read lie in the tensor's domain: the box of
  /// its extents, and for Bounds other than `data` the base points.
  PointSet inDomain(ReadOp read);
  /// Is an index that is present surely in the rank's extent, wherever the read
  /// is evaluated? Coordinates that a product relation determines are: points
  /// beyond their extents are in no space, whatever the extents.
  bool isInside(ReadOp read, unsigned position);
  PointSet basePoints(ReadOp read);

  /// `set` with all that is known of the variables in it.
  PointSet withFacts(const PointSet &set, bool fallbackAll = true);
  bool isEmpty(const PointSet &set);
  /// Does `fact` hold at every point of `set`?
  bool implies(const PointSet &set, const PointSet &fact);

  /// A condition as a set over `dims` (its dimensions), with extents and
  /// scalars as symbols, facts included; unknown parts count as `whenUnknown`.
  mlir::presburger::PresburgerSet
  setOf(mlir::Value condition, bool whenUnknown,
        llvm::ArrayRef<mlir::Value> dims,
        llvm::SmallVectorImpl<unsigned> &symbols);
  /// The same of any set of this space.
  mlir::presburger::PresburgerSet
  toPresburger(const PointSet &set, llvm::ArrayRef<mlir::Value> dims,
               llvm::SmallVectorImpl<unsigned> &symbols,
               Approximation side = Approximation::Over);

  /// Told which tensors are present at every point of their domain; inputs
  /// are. Without it only inputs count.
  std::function<bool(mlir::Value)> isTotal;

private:
  AffineForm compute(mlir::Value value);
  AffineForm mapForm(MapOp op);
  AffineForm readForm(ReadOp read);
  AffineForm elementForm(ReadOp read);
  std::optional<AffineForm> unfold(ReadOp read);
  AffineForm choice(ElseOp op);
  AffineForm opaque(mlir::Value value);
  PointSet compare(MapOp op, bool value);
  PointSet logic(MapOp op, Approximation side, bool value);
  PointSet elseTruth(ElseOp op, Approximation side, bool value);
  std::optional<PointSet> unfoldTruth(ReadOp read, Approximation side,
                                      bool value);
  /// Values of the map that `read` stands for, at its indices; null: not
  /// unfolded. Until `leave` all questions are asked there.
  struct Scope;
  Scope *enterDefinition(ReadOp read, EinsumOp einsum);
  void leave(Scope *outer, EinsumOp einsum);
  PointSet remembered(mlir::Value value, unsigned question,
                      llvm::function_ref<PointSet()> answer);
  PointSet computeTruth(mlir::Value condition, Approximation side, bool value);
  PointSet computePresence(mlir::Value scalar, Approximation side);
  PointSet computeDemand(mlir::Value value);
  PointSet demandOfUse(mlir::OpOperand &use);
  PointSet demandOfResult(EinsumOp op);
  bool tensorIsTotal(mlir::Value tensor);

  CascadeOp cascade;
  AffineVariables variables;
  AffineExtents extents;
  /// What is known of values in a region. Sets, and the scopes of definitions,
  /// are kept while one question is answered: it may ask for a shared operand
  /// along very many paths, and between questions the program may change.
  struct Scope {
    llvm::DenseMap<mlir::Value, AffineForm> forms;
    llvm::DenseMap<std::pair<mlir::Value, unsigned>, PointSet> sets;
    llvm::DenseMap<mlir::Operation *, std::unique_ptr<Scope>> definitions;
  };
  Scope root, *scope = &root;
  unsigned depth = 0; ///< of questions about sets
  llvm::DenseMap<mlir::Value, PointSet> demands;
  llvm::DenseMap<mlir::Value, unsigned> scalars;
  llvm::DenseSet<mlir::Operation *> unfolding;
};

/// Was the tensor named by the front end for a subexpression? Such names hold a
/// character that no source name has.
bool isSubexpression(llvm::StringRef name);

} // namespace attn
#endif // ATTN_DIALECT_AFFINE_H
