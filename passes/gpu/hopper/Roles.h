//===- Roles.h - what a tile kernel's values are on a Hopper GPU -*- C++ -*-==//
// Decides whether warpgroups can run a kernel, and where its tiles live: in
// registers as the accumulators of a matrix product lie there, or in shared
// memory, brought by the copy engine, as operands of one.
//===----------------------------------------------------------------------===//
#ifndef ATTN_PASSES_GPU_HOPPER_ROLES_H
#define ATTN_PASSES_GPU_HOPPER_ROLES_H

#include "passes/gpu/Contractions.h"

namespace attn::gpu {

/// A load that becomes copies of boxes into shared memory.
struct SharedLoad {
  tile::LoadOp op;
  unsigned port;
  unsigned rowRank = 0, innerRank = 0; // ranks of the tile
  unsigned rowAxis = 0;                // of the tensor; the inner one is last
  int64_t rows = 0, columns = 0;
  bool inStream = false;
  int64_t bytes() const { return rows * columns * 2; }
  tile::TileType type() const { return tile::LoadOp(op).getType(); }
  mlir::Type element() const {
    return tile::LoadOp(op).getTensor().getType().getElementType();
  }
};

/// A store that goes through shared memory and out by boxes.
struct SharedStore {
  tile::StoreOp op;
  unsigned port; // among all ports
  unsigned rowRank = 0, rowAxis = 0;
  int64_t columns = 0;
};

/// The first products of a step depend on no state: those of the next step are
/// started before what remains of this one, and the last ones end behind it.
/// Empty where the steps do not allow it.
struct Overlap {
  llvm::SmallVector<tile::EinsumOp> leading, trailing;
  /// The first reduction of a step that is no product: up to its end a step
  /// runs under the last products of the step before.
  tile::EinsumOp reduction;
  /// What changes a state that a trailing product adds to.
  llvm::SmallPtrSet<mlir::Operation *, 4> late;
  explicit operator bool() const { return !leading.empty(); }
  bool contains(mlir::Operation *op) const {
    return llvm::is_contained(leading, op) || llvm::is_contained(trailing, op);
  }
};

/// Registers of a thread: the copying warpgroup's, the others'.
struct RegisterSplit {
  int groups, producer, consumer;
};
const RegisterSplit &registerSplit(int64_t lanes, bool isClassified);

class Roles {
public:
  /// The port that a result of the kernel is stored to directly.
  using PortOf = llvm::function_ref<std::optional<unsigned>(mlir::Value)>;
  /// Analyses `kernel`; `reason` says why it cannot be run so.
  Roles(tile::KernelOp kernel, PortOf portOf);
  std::string reason;

  tile::StreamOp stream;
  mlir::StringAttr lane;
  int64_t lanes = 0;
  std::vector<SharedLoad> loads;
  std::vector<SharedStore> stores;
  llvm::DenseMap<mlir::Operation *, Contraction> contractions;
  /// How a step's parts lie between those of its neighbours.
  Overlap overlap;
  /// Reductions over columns that only add to a state which only they read: a
  /// thread keeps its columns' part, and the parts meet behind the stream.
  llvm::SmallPtrSet<mlir::Operation *, 4> inParts;
  /// The rank of a step's points whose halves a warpgroup may leave out; null:
  /// it computes all of a step.
  mlir::StringAttr halved;
  /// Then what a step asks of its points is asked of its one first product: it
  /// becomes -inf where `condition` of `reader`, a value of its map, is absent,
  /// and the rest is a full step's code.
  struct {
    tile::EinsumOp reader;
    mlir::Value condition;
  } masks;
  /// Points are there where several of a step's first products are: that none
  /// of these is -inf is asked of all at once, not of each.
  bool asksProducts = false;

  /// Rows of one box of a load.
  int64_t boxRows(const SharedLoad &load) const;
  const SharedLoad *sharedLoad(mlir::Value value) const;
  const SharedStore *sharedStore(tile::StoreOp op) const;
  /// Does a grid point's place among those that stream the same tensors decide
  /// on its steps?
  bool boundsDiffer() const;
  /// Axes of the grid whose coordinates tell what a grid point streams.
  llvm::SmallVector<bool> streamAxes() const;
  /// A step is asked what it is when its turn comes.
  bool isClassified() const;

private:
  bool refuse(const llvm::Twine &why);
  bool takeContractions(tile::KernelOp kernel);
  bool check(mlir::Block &block);
  bool checkEinsum(tile::EinsumOp op);
  bool addShared(mlir::Value value);
  void addStore(tile::StoreOp op, std::optional<unsigned> port);
  // StepOrder.cpp.
  void findOverlap();
  void findParts();
  bool fitsRegisters();
  // AskedProducts.cpp.
  void findAskedProducts();
  void findHalves();
};

/// Is an index the coordinate `row` of the rows, and which? The last one is to
/// be `inner`, the others free of both.
std::optional<unsigned> rowAxisOf(mlir::Block &indices, unsigned rowRank);

} // namespace attn::gpu
#endif // ATTN_PASSES_GPU_HOPPER_ROLES_H
