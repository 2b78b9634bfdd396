//===- Tile.cpp - registration and verifiers --------------------*- C++ -*-===//
// Constraint numbers are those of Tile.td.
#include "dialect/tile/Tile.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace attn;
using namespace attn::tile;

#include "dialect/tile/TileDialect.cpp.inc"
#define GET_TYPEDEF_CLASSES
#include "dialect/tile/TileTypes.cpp.inc"
#define GET_OP_CLASSES
#include "dialect/tile/TileOps.cpp.inc"

void TileDialect::initialize() {
  addTypes<
#define GET_TYPEDEF_LIST
#include "dialect/tile/TileTypes.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialect/tile/TileOps.cpp.inc"
      >();
}

int64_t TileType::rankIndex(StringRef name) const {
  for (auto [i, rank] : llvm::enumerate(getRanks()))
    if (rank.getValue() == name)
      return i;
  return -1;
}

TileType TileType::withMask(bool masked) const {
  return get(getContext(), getRanks(), getSizes(), getElementType(), masked);
}

LogicalResult TileType::verify(function_ref<InFlightDiagnostic()> emitError,
                               ArrayRef<StringAttr> ranks,
                               ArrayRef<int64_t> sizes, Type elementType,
                               bool masked) {
  if (ranks.size() != sizes.size())
    return emitError() << ranks.size() << " ranks and " << sizes.size()
                       << " sizes";
  if (!elementType.isF32() && !elementType.isF64() &&
      !elementType.isInteger(32) && !elementType.isInteger(64) &&
      !elementType.isInteger(1))
    return emitError() << "a tile computes in f32, f64, i32, i64 or i1, not "
                       << elementType;
  return success();
}

/// The last operation of a single-block region if it is tile.yield.
static tile::YieldOp yieldOf(Region &region) {
  Block &block = region.front();
  return block.empty() ? tile::YieldOp()
                       : dyn_cast<tile::YieldOp>(block.back());
}

static bool isCoordinates(ValueRange arguments) {
  return llvm::all_of(arguments,
                      [](Value v) { return v.getType().isInteger(32); });
}

LogicalResult tile::KernelOp::verifyRegions() {
  if (getBody().getNumArguments() != getGrid().size() ||
      !isCoordinates(getBody().getArguments()))
    return emitOpError("(kernel_c1) one i32 argument a grid rank");
  SmallVector<int> stores(getNumResults());
  for (auto store : getBody().getOps<tile::StoreOp>())
    if (store.getResult() < getNumResults())
      ++stores[store.getResult()];
  for (auto [i, count] : llvm::enumerate(stores))
    if (count != 1)
      return emitOpError("(kernel_c2) result ")
             << i << " is stored " << count << " times";
  return success();
}

/// load_c1, load_c2, store_c1, store_c2.
static LogicalResult verifyIndices(Operation *op, Region &indices,
                                   TileType type, NamedTensorType tensor) {
  StringRef name = op->getName().stripDialect();
  if (indices.getNumArguments() != type.getRanks().size() ||
      !isCoordinates(indices.getArguments()))
    return op->emitOpError("(")
           << name << "_c1) one i32 argument a rank of the tile";
  auto yield = yieldOf(indices);
  auto isInteger = [](Type type) {
    return type.isInteger(32) || type.isInteger(64);
  };
  if (!yield || yield.getNumOperands() != tensor.getRanks().size() ||
      !llvm::all_of(yield.getOperandTypes(), isInteger))
    return op->emitOpError("(")
           << name << "_c2) yields one integer a rank of " << tensor;
  return success();
}

LogicalResult tile::LoadOp::verifyRegions() {
  return verifyIndices(*this, getIndices(), getType(), getTensor().getType());
}

LogicalResult tile::StoreOp::verifyRegions() {
  auto kernel = (*this)->getParentOfType<tile::KernelOp>();
  if (!kernel || getResult() >= kernel.getNumResults())
    return emitOpError("(store_c3) the kernel has no result ") << getResult();
  return verifyIndices(
      *this, getIndices(), getTile().getType(),
      cast<NamedTensorType>(kernel.getResultTypes()[getResult()]));
}

SmallVector<StringAttr> tile::spaceOf(EinsumOp op) {
  SmallVector<StringAttr> ranks(op.getResult().getType().getRanks());
  llvm::append_range(ranks, strings(op.getReduced()));
  return ranks;
}

LogicalResult tile::EinsumOp::verifyRegions() {
  TileType type = getResult().getType();
  SmallVector<std::pair<StringAttr, int64_t>> space;
  for (auto [rank, size] : llvm::zip(type.getRanks(), type.getSizes()))
    space.emplace_back(rank, size);
  if (getReduced().size() != getReducedSizes().size() ||
      (!getMonoid() && !getReduced().empty()))
    return emitOpError("(einsum_c1) reduced ranks, sizes and monoid disagree");
  for (auto [rank, size] : llvm::zip(getReduced(), getReducedSizes()))
    space.emplace_back(cast<StringAttr>(rank), size);
  for (Value operand : getTiles()) {
    auto tile = cast<TileType>(operand.getType());
    for (auto dim : llvm::zip(tile.getRanks(), tile.getSizes()))
      if (!llvm::is_contained(
              space, std::pair(std::get<0>(dim), int64_t(std::get<1>(dim)))))
        return emitOpError("(einsum_c1) operand ")
               << tile << " has a rank outside of the iteration space";
  }
  ValueRange arguments = getMap().getArguments();
  if (arguments.size() != space.size() + getTiles().size() ||
      !isCoordinates(arguments.take_front(space.size())))
    return emitOpError("(einsum_c2) coordinates, then one scalar a tile");
  for (auto [argument, operand] :
       llvm::zip(arguments.drop_front(space.size()), getTiles()))
    if (argument.getType() !=
        scalarTypeOf(cast<TileType>(operand.getType()).getElementType()))
      return emitOpError("(einsum_c2) argument ")
             << argument.getType() << " for " << operand.getType();
  auto yield = yieldOf(getMap());
  if (!yield || yield.getNumOperands() != 1)
    return emitOpError("(einsum_c3) yields one value");
  bool counts = getMonoid() && *getMonoid() == Reduce::count;
  if (!counts &&
      yield.getOperand(0).getType() != scalarTypeOf(type.getElementType()))
    return emitOpError("(einsum_c3) yields ")
           << yield.getOperand(0).getType() << " for " << type;
  if (getMonoid() && type.getMasked())
    return emitOpError("(einsum_c4) a reduction is present everywhere");
  if (getInit() && getInit().getType() != type)
    return emitOpError("(einsum_c4) init has type ") << getInit().getType();
  return success();
}

LogicalResult tile::StreamOp::verifyRegions() {
  ValueRange arguments = getBody().getArguments();
  if (arguments.size() != 1 + getInit().size() ||
      !arguments[0].getType().isInteger(32))
    return emitOpError("(stream_c1) the step, then the carried tiles");
  auto yield = yieldOf(getBody());
  if (!yield || yield.getOperandTypes() != getInit().getTypes() ||
      getResultTypes() != getInit().getTypes() ||
      arguments.drop_front().getTypes() != getInit().getTypes())
    return emitOpError("(stream_c2) types of the carried tiles differ");
  auto yieldsBools = [](Region &region, unsigned arguments, unsigned count) {
    auto holds = yieldOf(region);
    return holds && holds.getNumOperands() == count &&
           llvm::all_of(holds.getOperandTypes(),
                        [](Type type) { return type.isInteger(1); }) &&
           region.getNumArguments() == arguments &&
           isCoordinates(region.getArguments());
  };
  if (!getClassify().empty() && !yieldsBools(getClassify(), 1, 2))
    return emitOpError("(stream_c3) classify maps an i32 to two bools");
  if (!getParts().empty() && !yieldsBools(getParts(), 3, 3))
    return emitOpError("(stream_c4) parts maps three i32 to three bools");
  if (!getParts().empty() && getPartSize().value_or(0) <= 0)
    return emitOpError("(stream_c4) parts needs a positive size");
  return success();
}
