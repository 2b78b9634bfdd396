//===- Fragments.h - tiles in registers, as products leave them -*- C++ -*-===//
// What a thread has of a tile lies as the accumulators of matrix instructions
// do: two lanes, 8 apart, of each the two columns of 4 threads' share of 8. A
// tile of lanes alone is in all four threads of a lane, one of columns alone in
// all lanes. Operations on such tiles are the same for warps and for
// warpgroups.
//===----------------------------------------------------------------------===//
#ifndef ATTN_PASSES_GPU_FRAGMENTS_H
#define ATTN_PASSES_GPU_FRAGMENTS_H

#include "dialect/tile/Tile.h"
#include "passes/gpu/hopper/FastRegion.h"

namespace attn::gpu {

class Fragments {
public:
  using Value = mlir::Value;
  using Values = llvm::SmallVector<Value>;

  /// `lane`: the rank of the lanes.
  Fragments(cpu::CodeBuilder &b, cpu::TileSurroundings &outside,
            mlir::StringAttr lane)
      : b(b), outside(outside), laneRank(lane) {}
  virtual ~Fragments() = default;

protected:
  /// A tile in registers. Values by position; `present` is empty, or has an i1
  /// (null: present) each.
  struct Registers {
    tile::TileType type;
    Values values, present;
  };
  /// How a thread's values of a tile relate to its lanes and columns.
  struct Shape {
    bool lanes = false;
    int64_t columns = 0; // 0: none
    int64_t count() const {
      return (lanes ? 2 : 1) * (columns ? columns / 4 : 1);
    }
    int64_t lane(int64_t i) const {
      return !lanes ? 0 : columns ? (i >> 1) & 1 : i;
    }
    int64_t column(int64_t i) const {
      return !columns ? 0 : lanes ? (i >> 2) * 2 + (i & 1) : i;
    }
    int64_t at(int64_t lane, int64_t column) const {
      if (!columns)
        return lanes ? lane : 0;
      return lanes ? (column >> 1) * 4 + lane * 2 + (column & 1) : column;
    }
  };
  using Point = std::pair<int64_t, int64_t>; // lane, column of the thread

  Shape shapeOf(tile::TileType type) const;
  cpu::Scalar element(Value tile, Point point);
  void emitEinsum(tile::EinsumOp op);
  void emitReduction(tile::EinsumOp op);
  /// Those of `values`, points of a tile that `op` reads, where `condition` (a
  /// value of its map, which falls to -inf with them) is there; -inf elsewhere.
  /// `bounded` maps that are not asked are true.
  Values emitMasks(tile::EinsumOp op, Value condition,
                   llvm::ArrayRef<Value> values,
                   llvm::function_ref<bool(MapOp)> isAsked);
  void emitLoad(tile::LoadOp op);
  /// Starts to read what `emitLoad` will take from registers, if the points of
  /// the tile lie so that it can.
  void fetchSlice(tile::LoadOp op);
  /// Are all points inside that the tile reads? For loads with a slice.
  Value sliceInside(tile::LoadOp op);
  /// By each thread that has a point, one of those that have the same.
  void storePoints(tile::StoreOp op);

  /// Scalars of the code around.
  virtual const FastRegion &surroundings() const = 0;
  /// Into how many parts a rank is divided among those that share lanes, and
  /// where (i32) that of this thread begins; null: at 0.
  virtual int64_t partsOf(mlir::StringAttr rank) const { return 1; }
  virtual Value partBegin(mlir::StringAttr rank) const { return {}; }
  /// Do the threads that share a lane combine their points at once?
  virtual bool meetsAtOnce(tile::EinsumOp op) const { return true; }
  /// Differences in the block are operations of their own (Shifts::exact).
  static void roundDifferences(mlir::Block &block);
  /// Does the einsum take exponentials of differences (Shifts.cpp)?
  bool hasShifts(tile::EinsumOp op) const;
  /// Does a branch come before it for these?
  bool isGuarded(tile::EinsumOp op) const {
    return shifting == Shifts::guarded && hasShifts(op);
  }
  /// Where `isHuge` (i1) holds, results of the grid point may be wrong
  /// (Shifts::watched).
  virtual void tellHuge(Value isHuge) {}
  /// Has the tile this lane of the thread? Null: all of them.
  virtual Value hasLane(int64_t lane) { return {}; }

  /// How a load's points lie in a row of elements (Slices.cpp).
  struct Slice {
    unsigned axis = 0;
    int64_t lane = 0, column = 0; // elements that a point moves by
    int64_t lanes = 1, columns = 0;
    /// Places are 8 k + t: the values of t, of k, the k that a register holds.
    int64_t width() const { return lane ? 16 : 8; }
    int64_t firstT() const {
      return (lane < 0 ? -7 : 0) - (column < 0 ? 7 : 0);
    }
    int64_t firstK() const {
      return (lane < 0 ? -1 : 0) - (column < 0 ? columns / 8 - 1 : 0);
    }
    int64_t count() const { return columns / 8 + (lane ? 1 : 0); }
    int64_t ofRegister() const { return 32 / width(); }
  };
  std::optional<Slice> sliceOf(tile::LoadOp op) const;

  cpu::CodeBuilder &b;
  cpu::TileSurroundings &outside;
  mlir::StringAttr laneRank;
  Value laneOfWarp; // i32; null: threads of a warp have no slices in common
  Value firstLane, firstColumn; // i32, of this thread
  Value full;                   // what `bounded` maps are told
  bool sliceIsInside = false;   // known of all points of slices
  /// Registers whose values are known to be no more than that, or less.
  llvm::DenseSet<Value> small;
  static constexpr double smallValue = 4096;
  /// What is done about huge values in exponents of differences (Shifts.cpp):
  /// a branch, unless they are known to be small; a subtraction of its own,
  /// likewise; they are told.
  enum class Shifts { guarded, exact, watched };
  Shifts shifting = Shifts::guarded;
  llvm::DenseMap<Value, Registers> tiles;
  llvm::DenseMap<mlir::Operation *, Values> slices; // as fetched

private:
  /// What an einsum computes of each point of its tiles.
  struct PointMap {
    mlir::Block *block;
    llvm::SmallVector<mlir::StringAttr> ranks; // the reduced one last
    mlir::ValueRange tiles;
    /// Operations whose results are known before the points are computed.
    llvm::SmallVector<
        std::pair<mlir::Operation *, llvm::DenseMap<Point, cpu::Scalar>>>
        decided;
  };
  PointMap mapOf(tile::EinsumOp op) const;
  cpu::Scalar emitPoint(const PointMap &map, Point point);
  /// As far as `result`.
  cpu::Scalar emitPoint(const PointMap &map, Point point, Value result);
  /// The differences that exponents are made of (Shifts.cpp).
  void decideShifts(PointMap &map, llvm::ArrayRef<Point> points);
  llvm::SmallVector<MapOp> shiftsOf(const PointMap &map) const;
  /// factor * x - y of some points, and what stands for x and y in their
  /// exponents.
  struct Shift {
    Values x, y, safeX, safeY;
    llvm::SmallVector<double> factors;
    mlir::Block *block = nullptr;
  };
  const Shift &guard(Shift shift);
  Value isAnyHuge(llvm::ArrayRef<Value> subtrahends);

  /// The column c places behind the thread's first one: c <= limit, or
  /// limit <= c (Bounds.cpp).
  struct ColumnBound {
    Value limit; // i32
    bool isUpper;
  };
  std::optional<ColumnBound>
  columnBound(MapOp op, llvm::ArrayRef<mlir::StringAttr> ranks, int64_t lane);
  Value known(Value limit);
  /// Conditions of the region that are bounds of columns, at the point.
  void decideBounds(FastRegion &code, mlir::Block &block,
                    llvm::ArrayRef<mlir::StringAttr> ranks, Point point);
  /// `flag`, bounds of one kind in it as one.
  Value joinBounds(Value flag);
  /// How far behind the thread's first column its column number i is.
  static int64_t columnNumber(int64_t i) { return 8 * (i >> 1) + (i & 1); }

  /// Indices (i32) of a point; which of them are inside; are all there (null:
  /// yes)?
  struct Place {
    Values indices, inside;
    Value present;
  };
  Place placeOf(tile::LoadOp op, Value lane, Value column);
  bool emitSlice(tile::LoadOp op);
  void bindCoordinates(FastRegion &code, mlir::Block &block,
                       llvm::ArrayRef<mlir::StringAttr> ranks, Point point);
  Values indicesAt(mlir::Region &region, tile::TileType type, Point point,
                   const cpu::Storage &s, Value &inside);

  std::vector<Shift> shifts; // of one block
  /// Limits that are emitted in a block.
  struct Bounds {
    mlir::Block *block = nullptr;
    llvm::DenseMap<std::pair<mlir::Operation *, int64_t>,
                   std::optional<ColumnBound>>
        ofMaps; // by lane
    Values limits;
    llvm::DenseMap<std::pair<Value, Value>, Value> joined;
  };
  Bounds bounds;
};

} // namespace attn::gpu
#endif // ATTN_PASSES_GPU_FRAGMENTS_H
