//===- EinsumEmitter.h - einsums on tiles as loop nests ---------*- C++ -*-===//
// One nest for maps, reductions and contractions alike. Lanes run along the
// result's last rank, or along a reduced one where the operands lie so. A block
// of rows and columns (vectors of lanes) is computed at once, its accumulators
// in registers: an operand that does not move with the rows is then loaded once
// for all of them.
//===----------------------------------------------------------------------===//
#ifndef ATTN_PASSES_CPU_TILE_EINSUMEMITTER_H
#define ATTN_PASSES_CPU_TILE_EINSUMEMITTER_H

#include "passes/cpu/tile/Lowering.h"

namespace attn::cpu {

class EinsumEmitter {
  using Type = mlir::Type;
  using Value = mlir::Value;
  using Values = TileLowering::Values;

public:
  EinsumEmitter(TileLowering &t, tile::EinsumOp op);
  void emit();

private:
  struct Dim {
    Value size;
    int64_t fixed; // static size, or negative
  };
  struct Operand {
    Tile tile;
    llvm::SmallVector<unsigned> dims; // the space's dimension of each axis
    std::optional<unsigned> axisOf(int64_t dim) const {
      auto it = llvm::find(dims, unsigned(dim));
      return it == dims.end() ? std::nullopt
                              : std::optional<unsigned>(it - dims.begin());
    }
    bool has(int64_t dim) const { return axisOf(dim).has_value(); }
    bool isLast(int64_t dim) const {
      return !dims.empty() && int64_t(dims.back()) == dim;
    }
  };
  /// Which of the row and column points of a block; -1: all of them.
  struct Place {
    int64_t row, column;
    bool operator<(const Place &o) const {
      return std::tie(row, column) < std::tie(o.row, o.column);
    }
  };
  using Cache = std::map<std::pair<unsigned, Place>, Scalar>;

  Operand operandOf(const Tile &tile);
  void chooseShape();
  void chooseLanes();
  bool isReduced(int64_t dim) const { return dim >= int64_t(rank); }
  bool hasLanes() const { return lane >= 0; }
  bool lanesReduced() const { return hasLanes() && isReduced(lane); }

  /// All points, for one choice of `full` and `masked`; is the result whole?
  Value emitVariant(Value full, bool masked);
  Values
  blocked(int64_t dim, int64_t unit, llvm::ArrayRef<int64_t> counts,
          Values carried,
          llvm::function_ref<Values(Value, int64_t, mlir::ValueRange)> body);
  Values emitOuter(size_t next, Values carried,
                   llvm::function_ref<Values(mlir::ValueRange)> body);
  Values emitMap(Values carried);
  Values emitReduction(Values carried);
  Values emitMapBlock(mlir::ValueRange carried);
  void emitReduceBlock();
  Values emitReduced(size_t next, Values sums, Value lanesInside);

  /// Of a contraction in integers: the operands' numbers.
  struct Multiples {
    unsigned reals, codes;
    int64_t rows, depth;
    /// Memory of the reals as multiples, their lower 8 bits apart from the
    /// others, and of each row's unit in f32.
    Value upper = {}, lower = {}, units = {};
    /// Not null: on the matrix unit, memory of the multiples' digits.
    Value digits = {};
  };
  std::optional<Multiples> findMultiples();
  Value emitMultiples();
  Values emitIntegerSums();
  Value withUnits(Value sum, Place place);
  bool suitsMatrixUnit(const Multiples &found) const;
  static int64_t digitBytes(const Multiples &found);
  void storeDigits(Value numbers, Value row, int64_t first);
  void emitDigitProducts();

  /// Of a sum over rows of codes on the matrix unit.
  struct DigitRows {
    unsigned reals, codes;
    /// Memory of the reals' digits, of columns of codes, of their products and
    /// of each row's unit in f32.
    Value digits = {}, strip = {}, sums = {}, units = {};
  };
  std::optional<DigitRows> findDigitRows();
  Value emitDigitRows();
  void emitDigitRowProducts();

  bool isPlainProduct();
  static bool isCode(const Tile &tile);
  struct Power {
    Value scale, unit, isFinite;
  };
  Power powerFor(llvm::ArrayRef<Value> numbers, int64_t bits);

  /// How many vectors of an operand are a line of the cache.
  int64_t vectorsPerLine(const Operand &operand) const {
    int64_t bits = operand.tile.element.getIntOrFloatBitWidth();
    return std::max<int64_t>(512 / (bits * t.lanes()), 1);
  }

  Place placeOf(llvm::ArrayRef<unsigned> dims, Place all) const;
  Value scalarCoordinate(int64_t dim, Place place);
  Scalar coordinate(int64_t dim, Place place);
  Scalar element(unsigned number, Place place, Cache &cache);
  Value loadOperand(const Operand &operand, Value base, Type type, Place place);
  Scalar point(Place place, Cache &cache);
  Value toResult(const Scalar &value);

  Type accumulatorType();
  Value identity();
  Value combine(Value sum, Scalar value);
  Value acrossLanes(llvm::ArrayRef<Value> sums);
  void storeAcrossLanes(llvm::ArrayRef<Value> sums);
  void storeRun(Place place, Value whole, int64_t lane, int64_t count);
  Value asAccumulator(Value value);
  void storeResult(Place place, Value value, Value present);
  Value lanesInside(int64_t column);

  TileLowering &t;
  CodeBuilder &b;
  tile::EinsumOp op;
  Type real, scalarType; // of reals, and of the yielded value
  size_t rank;           // ranks of the result
  llvm::SmallVector<Dim> dims;
  llvm::SmallVector<Operand> operands;
  Operand result;
  std::optional<Operand> init;

  // The shape of the nest.
  int64_t lane = -1, row = -1, column = -1;
  llvm::SmallVector<int64_t> rowCounts{1}, columnCounts{1};
  llvm::SmallVector<int64_t> outer, reduced;

  // Where code is being emitted.
  std::optional<Multiples> multiples;
  std::optional<DigitRows> digitRows;
  Value full;
  bool masked = false;
  Values at; // by dimension; of the block's first point
  int64_t rows = 1, columns = 1;
  int64_t repetition = 0; // of a loop's body
  int64_t vectorsPerLoad = 1;
  Cache shared; // of a map, what does not move with outer ranks
};

} // namespace attn::cpu
#endif // ATTN_PASSES_CPU_TILE_EINSUMEMITTER_H
