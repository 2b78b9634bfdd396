//===- Term.h - resolved expressions of a cascade ---------------*- C++ -*-===//
//
// What semantic analysis makes of the syntax tree: names are resolved, defs
// and calls inlined, every coordinate explicit, every reduction a tensor of its
// own. Terms are immutable and uniqued, so equal terms are one pointer; they
// have no types yet (SemaTypes.cpp infers them, Emit.cpp converts).
//
// Inside one einsum a rank has one coordinate, hence a term names coordinates
// by their rank.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_FRONTENDS_TEXT_TERM_H
#define ATTN_FRONTENDS_TEXT_TERM_H

#include "dialect/Functions.h"
#include "frontends/text/Ast.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/FoldingSet.h"

namespace attn::text {

struct Rank;
struct Tensor;

/// The lattice of scalar types: joins go up, None is "not known yet". F32 and
/// F64 differ in the compute type of the tensor that holds the value.
enum class Ty : uint8_t { None, Bool, I32, I64, F32, F64 };
inline bool isReal(Ty type) { return type >= Ty::F32; }
inline bool isInteger(Ty type) { return type == Ty::I32 || type == Ty::I64; }
Ty typeOf(ScalarType type);
/// The element type that stores `type`.
mlir::Type storageType(ScalarType type, mlir::MLIRContext *context);

class Term : public llvm::FoldingSetNode {
public:
  enum class Kind : uint8_t {
    Int,    ///< integer()
    Real,   ///< real()
    Bool,   ///< integer() is 0 or 1
    State,  ///< component integer() of a monoid's 2k arguments
    Coord,  ///< rank()
    Extent, ///< rank()
    Read,   ///< tensor() at operands(), bounds()
    Map,    ///< fn() of operands()
    Cast,   ///< operand 0 to storage()
    Where,  ///< operand 0 where operand 1
    Else    ///< operand 0 else operand 1
  };

  Kind kind() const { return termKind; }
  bool is(Kind kind) const { return termKind == kind; }
  bool isConstant() const { return termKind <= Kind::Bool; }
  int64_t integer() const { return intValue; }
  double real() const { return realValue; }
  const Rank *rank() const { return rankRef; }
  Tensor *tensor() const { return tensorRef; }
  Fn fn() const { return static_cast<Fn>(sub); }
  Bounds bounds() const { return static_cast<Bounds>(sub); }
  ScalarType storage() const { return static_cast<ScalarType>(sub); }
  llvm::ArrayRef<const Term *> operands() const { return children; }
  const Term *operand(unsigned i) const { return children[i]; }
  /// Where it was first written; no part of its identity.
  SourceRange range() const { return where; }
  /// Where operand `i` was first written.
  SourceRange operandRange(unsigned i) const {
    if (!places.empty())
      return places[i];
    return children[i]->isLeaf() ? where : children[i]->where;
  }
  bool isLeaf() const { return children.empty() && termKind != Kind::Read; }
  /// Ranks whose coordinates occur, by id.
  llvm::ArrayRef<const Rank *> ranks() const { return free; }
  bool uses(const Rank *rank) const { return llvm::is_contained(free, rank); }
  /// The value of a tensor enters (run-time scalars do not count).
  bool readsData() const { return data; }
  /// A condition or the value of a tensor enters.
  bool mayBeAbsent() const { return partial; }

  void Profile(llvm::FoldingSetNodeID &id) const;

private:
  friend class Terms;
  Kind termKind;
  uint8_t sub = 0;
  bool data = false;
  bool partial = false;
  int64_t intValue = 0;
  double realValue = 0;
  const Rank *rankRef = nullptr;
  Tensor *tensorRef = nullptr;
  llvm::ArrayRef<const Term *> children;
  llvm::ArrayRef<const Rank *> free;
  SourceRange where;
  mutable llvm::ArrayRef<SourceRange> places;
};
using T = const Term *;

/// Makes terms, folds constants.
class Terms {
public:
  explicit Terms(mlir::MLIRContext *context) : context(context) {}
  mlir::MLIRContext *getContext() const { return context; }

  T integer(int64_t value, SourceRange range = {});
  T real(double value, SourceRange range = {});
  T boolean(bool value, SourceRange range = {});
  T state(unsigned index, SourceRange range = {});
  T coord(const Rank *rank, SourceRange range = {});
  T extent(const Rank *rank, SourceRange range = {});
  T read(Tensor *tensor, llvm::ArrayRef<T> indices, Bounds bounds,
         SourceRange range = {});
  T map(Fn fn, llvm::ArrayRef<T> operands, SourceRange range = {});
  T cast(T operand, ScalarType type, SourceRange range = {});
  T where(T value, T condition, SourceRange range = {});
  T orElse(T value, T otherwise, SourceRange range = {});

  /// Notes where the operands of `term` were written, the first time.
  T place(T term, llvm::ArrayRef<SourceRange> ranges);

  // Shorthands of coordinate arithmetic.
  T add(T a, T b) { return map(Fn::add, {a, b}); }
  T sub(T a, T b) { return map(Fn::sub, {a, b}); }
  T mul(T a, T b) { return map(Fn::mul, {a, b}); }
  T floordiv(T a, T b) { return map(Fn::floordiv, {a, b}); }
  T lt(T a, T b) { return map(Fn::lt, {a, b}); }
  T le(T a, T b) { return map(Fn::le, {a, b}); }
  /// `a and b`; a null operand is true.
  T conj(T a, T b);

  /// Value of a term of constants and extents, if all are static.
  std::optional<int64_t> staticValue(T term) const;
  std::optional<int64_t> staticExtent(const Rank *rank) const;

private:
  T unique(Term &&prototype, llvm::ArrayRef<T> children, SourceRange range);
  T fold(Fn fn, llvm::ArrayRef<T> operands, SourceRange range);
  T simplify(Fn fn, llvm::ArrayRef<T> operands);

  mlir::MLIRContext *context;
  llvm::FoldingSet<Term> set;
  llvm::BumpPtrAllocator arena;
};

/// `constant + sum of coefficient * symbol`: symbols are coordinates, extents
/// and whatever else occurs, each opaque.
struct Linear {
  int64_t constant = 0;
  llvm::SmallVector<std::pair<T, int64_t>, 4> parts;
};
Linear linearOf(T term);
/// The value of `a - b` if it is the same everywhere.
std::optional<int64_t> constantDifference(T a, T b);

} // namespace attn::text

#endif // ATTN_FRONTENDS_TEXT_TERM_H
