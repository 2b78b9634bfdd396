//===- Tiler.h - a derived kernel as tile programs --------------*- C++ -*-===//
// State shared by the parts of --attn-to-tile: ranks, coordinates, and how an
// einsum of the kernel becomes an einsum on tiles.
//===----------------------------------------------------------------------===//
#ifndef ATTN_PASSES_SCHEDULE_TILER_H
#define ATTN_PASSES_SCHEDULE_TILER_H

#include "dialect/tile/Tile.h"
#include "passes/schedule/Classify.h"
#include "passes/schedule/StreamBounds.h"

namespace attn {

/// What becomes of rows that share what a quotient of theirs selects, where no
/// others share anything: each is a point of the grid; they are a tile's last
/// rank; or its first one, where they fill no vector.
enum class TilePacking { none, lanes, rows };

class Tiler {
public:
  /// `partSize`: what is said of parts of steps, 0: nothing.
  Tiler(CascadeOp cascade, KernelOp kernel, int64_t laneSize, TilePacking pack,
        int64_t partSize, std::string name);
  /// Replaces the kernel. Fails, changing nothing, where the kernel is none
  /// that this lowering covers.
  mlir::LogicalResult run();

private:
  /// Where a value of the kernel is at: before, in, or after the stream.
  enum class Phase { Before, Stream, After };

  bool isCovered();
  void tileShortRows();
  mlir::StringAttr chooseLane();
  mlir::StringAttr choosePacked();
  bool isQuotient(mlir::Operation *op, mlir::Value lane, int64_t size);
  bool readsOnlyQuotient(mlir::Value index, mlir::Value lane, int64_t size);
  void buildBounds();
  void choosePieces();
  bool hasParts() const { return pieces.points.number != ranks.stream; }
  Coordinates pieceAt(ExprBuilder &e, mlir::Value step, mlir::Value lanePart,
                      mlir::Value pointPart);
  void buildClassify(Classifier &classifier);
  void buildParts(Classifier &classifier);
  void buildStream();
  void buildStores();

  // Definitions, on demand.
  mlir::Value tileOf(mlir::Value tensor, Phase phase);
  mlir::Value operandTile(ReadOp read, EinsumOp op, Phase phase);
  mlir::Value load(ReadOp read, EinsumOp op, RankRef order, Phase phase);
  mlir::Value emit(EinsumOp op, mlir::Value root, RankRef reduced,
                   mlir::Value init, Phase phase);
  llvm::SmallVector<ReadOp> readsOf(mlir::Value root);
  EinsumOp guardedSource(ReadOp read);
  mlir::Value emitStep(EquationsOp state);
  mlir::Value dropImplied(mlir::Value root);

  // Ranks of tiles.
  Ranks tileRanks(RankRef ranks);
  int64_t sizeOf(mlir::StringAttr rank);
  mlir::Type elementOf(mlir::Type storage);
  tile::TileType typeOf(RankRef ranks, mlir::Type storage, bool masked);

  /// Coordinates of the kernel's ranks for a region whose tile coordinates are
  /// `local`, at the given phase.
  Coordinates coordinates(ExprBuilder &e, const Coordinates &local,
                          Phase phase);

  CascadeOp cascade;
  KernelOp kernel;
  std::string name;
  KernelRanks ranks;
  TilePacking pack;
  int64_t partSize;
  /// The lanes of a tile have one quotient by their number, the lane step.
  bool packed = false;
  /// The lane rank is the first one of tiles, not the last.
  bool lanesFirst = false;
  mlir::StringAttr laneStep, laneTile; // m1, m0
  /// Pieces of steps that are asked whether they have points: whole ones, or
  /// parts of them.
  TilePieces pieces;
  PresenceConditions conditions;
  /// Conditions that the loop's bounds or its classification decide; those that
  /// every part has; those that are left to the classification.
  PresenceConditions::Texts bounded, common, unordered;

  mlir::OpBuilder b;
  tile::KernelOp program;
  tile::StreamOp stream;
  StreamBounds bounds;
  Coordinates grid;
  llvm::SmallVector<EquationsOp> states;
  llvm::DenseMap<mlir::Value, unsigned> stateIndex;
  llvm::DenseMap<std::pair<mlir::Value, int>, mlir::Value> tiles;
  llvm::StringMap<mlir::Value> loads;
};

} // namespace attn
#endif // ATTN_PASSES_SCHEDULE_TILER_H
