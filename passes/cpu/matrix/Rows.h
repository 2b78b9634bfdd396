//===- Rows.h - one phase of a step, two rows at a time ---------*- C++ -*-===//
// Maps over rows and lanes stay in registers: a phase reads the results of
// products, reduces over its rows, and leaves the factors of late products as
// pairs of bf16 rows, one for each of their pieces. Rows may be emitted in any
// pieces, between other code.
//===----------------------------------------------------------------------===//
#ifndef ATTN_PASSES_CPU_MATRIX_ROWS_H
#define ATTN_PASSES_CPU_MATRIX_ROWS_H

#include "passes/cpu/matrix/Powers.h"
#include "passes/cpu/matrix/Roles.h"
#include "passes/cpu/tile/Lowering.h"

namespace attn::cpu {

class RowPhase {
  using Value = mlir::Value;

public:
  using Values = llvm::SmallVector<Value>;
  /// `factor` is where the pairs of rows of a late product's factor go.
  using Place = std::function<Value(const MatrixProduct &)>;

  /// `full`: i1 or null, as in TileRegion; `fused`: as in RowRegion, and
  /// somebody looks whether sums are finite.
  RowPhase(TileLowering &t, const MatrixRoles &roles,
           const MatrixRoles::Phase &phase, Value full, bool fused,
           Place factor);

  /// Nothing is to be done by rows.
  bool isEmpty() const {
    return phase.reductions.empty() && phase.factors.empty();
  }
  /// Loads what all rows share; the start of the reductions.
  Values begin();
  static constexpr int64_t vectors = 2; // of lanes
  /// Rows 2 * pair and the next one.
  Values pair(Value pair, Values sums);
  /// One vector of their lanes.
  Values pair(Value pair, int64_t vector, Values sums);
  /// Rows 2 * pair and the next one, which nothing is in.
  void absentPair(Value pair);
  /// Pairs [low, high) in a loop; `before` each is called.
  Values pairs(Value low, Value high, Values sums,
               llvm::function_ref<void(Value)> before);
  /// How many operations a pair of rows is.
  int64_t sizeOfPair(Values sums);
  /// The reductions' results.
  void end(Values sums);

private:
  struct Key {
    Value tile;
    int64_t row, vector; // -1: shared by all
    bool operator<(const Key &o) const {
      return std::make_tuple(tile.getAsOpaquePointer(), row, vector) <
             std::make_tuple(o.tile.getAsOpaquePointer(), o.row, o.vector);
    }
  };

  /// How a reduction is carried: as it is, as bits that differ from those of
  /// -inf in some point, or as the largest point without a common factor.
  enum class Form { Plain, Bits, Largest };
  struct Carried {
    Form form = Form::Plain;
    double factor = 1;
  };

  /// Emits code to look at it; how many operations that were.
  int64_t onTrial(llvm::function_ref<void()> emit);
  bool has(Value tile, mlir::StringAttr rank) const;
  Key keyOf(Value tile, int64_t row, int64_t vector) const;
  Scalar element(Value tile, int64_t row, int64_t vector);
  Scalar load(Value tile, int64_t row, int64_t vector);
  Scalar evaluate(tile::EinsumOp op, int64_t row, int64_t vector,
                  bool exponent = false);
  void share(Value tile);
  void enter(Value pair);
  void emit(Value pair, int64_t vector, llvm::MutableArrayRef<Value> sums);
  void emitFactors(Value pair, int64_t vector);
  /// x where a factor's point is 2^x; no value: it is something else.
  Scalar exponentAt(Value factor, int64_t row, int64_t vector);
  Value presenceOf(const Scalar &point, Value exponent);
  bool arePowers();
  void emitPowers(Value pair, int64_t vector, Value &seen);
  void storeWords(const MatrixProduct &p, mlir::ArrayRef<Value> pieces,
                  Value place, Value pair, int64_t vector);
  /// From a row on trial.
  Carried formOf(tile::EinsumOp op);
  Values startOfSums();
  Value combine(tile::EinsumOp op, Value sum, const Scalar &point);
  Value combinePair(tile::EinsumOp op, const Carried &form, Value sum,
                    int64_t vector);

  TileLowering &t;
  CodeBuilder &b;
  const MatrixRoles &roles;
  const MatrixRoles::Phase &phase;
  Value full;
  bool fused;
  std::optional<PowerConstants> powers; // factors are 2^x, made in pairs
  Place factor;
  std::map<Key, Scalar> shared, known;
  llvm::DenseSet<Value> above; // values that are never -inf
  Value rowAt[2];              // i64
  llvm::SmallVector<Value> factorAt;
  llvm::SmallVector<Carried> forms;
};

} // namespace attn::cpu
#endif // ATTN_PASSES_CPU_MATRIX_ROWS_H
