//===- Tiler.cpp - a derived kernel as a tile program -----------*- C++ -*-===//
#include "passes/schedule/Tiler.h"
#include "passes/schedule/TileEinsums.h"

using namespace mlir;
using namespace attn;

//===----------------------------------------------------------------------===//
// Coverage
//===----------------------------------------------------------------------===//

/// A contraction's guard is evaluated where the contraction is read: it may
/// look up indices that were passed, but no tensor that is computed.
static bool canMoveGuard(EinsumOp op) {
  return op.getGuard().empty() ||
         llvm::all_of(op.getGuard().front().getOps<ReadOp>(), [](ReadOp read) {
           return isa<BlockArgument>(read.getTensor()) &&
                  isa<IntegerType>(read.getType());
         });
}

static bool isCovered(Operation &op) {
  // A state is a recurrence over the stream from one base point.
  if (auto equations = dyn_cast<EquationsOp>(op))
    return equations.getEquations().size() == 2;
  if (auto einsum = dyn_cast<EinsumOp>(op))
    return einsum.getNumResults() == 1 &&
           (!einsum.isReduction() || einsum.builtinReduce()) &&
           canMoveGuard(einsum);
  return isa<ReturnOp>(op);
}

/// Tiles of one kernel compute their reals in one type, and vectors of f64 are
/// stored as f64 or f32.
static bool hasOneReal(KernelOp kernel) {
  auto elementOf = [](Type type) {
    return cast<NamedTensorType>(type).getElementType();
  };
  SmallPtrSet<Type, 2> reals;
  for (auto op : kernel.getBody().getOps<EinsumOp>())
    if (isa<FloatType>(elementOf(op.getResultTypes()[0])))
      reals.insert(computeReal(op));
  bool isWide = reals.contains(Float64Type::get(kernel.getContext()));
  return reals.size() <= 1 &&
         llvm::all_of(kernel.getResultTypes(), [&](Type type) {
           Type element = elementOf(type);
           return !isWide || !isa<FloatType>(element) || element.isF64() ||
                  element.isF32();
         });
}

static bool isCovered(KernelOp kernel, const KernelRanks &ranks) {
  return ranks.tile && !kernel.getBody().getOps<EquationsOp>().empty() &&
         llvm::all_of(kernel.getBody().front(),
                      [](Operation &op) { return isCovered(op); }) &&
         hasOneReal(kernel);
}

//===----------------------------------------------------------------------===//
// The program
//===----------------------------------------------------------------------===//

static void writeStream(TileProgram &p, StreamSteps &steps,
                        TileEinsums &einsums) {
  OpBuilder &b = p.b;
  StreamBounds bounds = steps.writeBounds();
  SmallVector<Value> init, next;
  for (EquationsOp state : p.states)
    init.push_back(einsums.tileOf(state.getEquations()[0], Phase::Before));
  TypeRange types = ValueRange(init).getTypes();
  p.stream =
      tile::StreamOp::create(b, p.kernel.getLoc(), types, p.ranks.stream,
                             bounds.lower, bounds.fullLower, bounds.fullUpper,
                             bounds.upper, bounds.from, bounds.to, init,
                             /*partSize=*/IntegerAttr());
  steps.writeClassification();
  OpBuilder::InsertionGuard guard(b);
  createBlock(b, p.stream.getBody(), 1, types);
  for (EquationsOp state : p.states)
    next.push_back(einsums.tileOf(state.getResult(), Phase::Stream));
  tile::YieldOp::create(b, p.kernel.getLoc(), next);
}

static void writeStores(TileProgram &p, TileEinsums &einsums) {
  OpBuilder &b = p.b;
  for (auto [i, tensor] : llvm::enumerate(p.kernel.getReturn().getOperands())) {
    Value tile = einsums.tileOf(tensor, Phase::After);
    auto store = tile::StoreOp::create(b, p.kernel.getLoc(), tile, i);
    OpBuilder::InsertionGuard guard(b);
    auto local = cast<tile::TileType>(tile.getType()).getRanks();
    Block *block = createBlock(b, store.getIndices(), local.size());
    ExprBuilder e(b, p.kernel.getLoc());
    Coordinates at =
        p.coordinates(e, coordinatesOf(local, *block), Phase::After);
    SmallVector<Value> indices;
    for (StringAttr rank : cast<NamedTensorType>(tensor.getType()).getRanks())
      indices.push_back(at.lookup(rank));
    tile::YieldOp::create(b, p.kernel.getLoc(), indices);
  }
}

LogicalResult attn::tileKernel(CascadeOp cascade, KernelOp kernel,
                               StringRef name, int64_t laneSize,
                               TilePacking packing, int64_t partSize) {
  KernelRanks ranks = scheduledRanks(kernel);
  if (!isCovered(kernel, ranks))
    return failure();
  ranks.laneSize = laneSize;
  ranks.packing = packing;
  chooseLanes(cascade, kernel, ranks);
  TileProgram program(cascade, kernel, ranks, name);
  StreamSteps steps(program, partSize);
  TileEinsums einsums(program, steps);
  writeStream(program, steps, einsums);
  writeStores(program, einsums);
  kernel.replaceAllUsesWith(program.tiled);
  kernel.erase();
  return success();
}
