//===- Roles.cpp - what a tile kernel's values are on a Hopper GPU -*- C++ -*-//
#include "passes/gpu/hopper/Roles.h"
#include "mlir/Transforms/RegionUtils.h"
#include "passes/cpu/tile/Index.h"

using namespace mlir;
using namespace attn;
using namespace attn::gpu;

bool Roles::refuse(const Twine &why) {
  if (reason.empty())
    reason = why.str();
  return false;
}

const SharedLoad *Roles::sharedLoad(Value value) const {
  for (const SharedLoad &load : loads)
    if (tile::LoadOp(load.op).getResult() == value)
      return &load;
  return nullptr;
}

bool Roles::takeContractions(tile::KernelOp kernel) {
  Contractions found = findContractions(kernel);
  if (!found.reason.empty())
    return refuse(found.reason);
  contractions = std::move(found.all);
  lane = found.lane;
  lanes = found.lanes;
  if (lanes <= 0 || lanes % 64 || lanes > 256)
    return refuse("a tile has no whole number of rows of warpgroups");
  return true;
}

std::optional<unsigned> gpu::rowAxisOf(Block &block, unsigned rowRank) {
  ValueRange indices = block.back().getOperands();
  Value row = block.getArgument(rowRank);
  Value inner = block.getArgument(1 - rowRank);
  std::optional<unsigned> result;
  if (indices.back() != inner)
    return std::nullopt;
  for (auto [axis, index] : llvm::enumerate(indices.drop_back())) {
    if (cpu::coefficient(index, inner) != 0)
      return std::nullopt;
    auto factor = cpu::coefficient(index, row);
    if (factor == 0)
      continue;
    if (factor != 1 || result)
      return std::nullopt;
    result = axis;
  }
  return result;
}

bool Roles::addShared(Value value) {
  if (sharedLoad(value))
    return true;
  auto op = value.getDefiningOp<tile::LoadOp>();
  if (!op)
    return false;
  tile::TileType type = op.getType();
  Type element = op.getTensor().getType().getElementType();
  auto argument = dyn_cast<BlockArgument>(op.getTensor());
  if (!argument || type.getMasked() || type.getRanks().size() != 2 ||
      (!element.isBF16() && !element.isF16()) ||
      op.getTensor().getType().getRanks().size() > 5)
    return false;
  SharedLoad load;
  load.op = op;
  load.port = argument.getArgNumber();
  load.inStream = op->getParentOfType<tile::StreamOp>() != nullptr;
  Block &block = op.getIndices().front();
  auto inner = dyn_cast<BlockArgument>(block.back().getOperands().back());
  if (!inner || inner.getOwner() != &block)
    return false;
  load.innerRank = inner.getArgNumber();
  load.rowRank = 1 - load.innerRank;
  auto axis = rowAxisOf(block, load.rowRank);
  if (!axis)
    return false;
  load.rowAxis = *axis;
  load.rows = type.getSizes()[load.rowRank];
  load.columns = type.getSizes()[load.innerRank];
  if (load.rows <= 0 || load.rows > 256 || load.rows % 16 ||
      load.columns <= 0 || load.columns % 64 || load.columns > 256)
    return false;
  loads.push_back(load);
  return true;
}

/// Tiles that are all there, rounded to 16 bits, in rows of whole panels.
void Roles::addStore(tile::StoreOp op, std::optional<unsigned> port) {
  auto type = cast<tile::TileType>(op.getTile().getType());
  auto result = cast<NamedTensorType>(cast<tile::KernelOp>(op->getParentOp())
                                          .getResult(op.getResult())
                                          .getType());
  Type element = result.getElementType();
  if (!port || type.getMasked() || type.getRanks().size() != 2 ||
      !type.getElementType().isF32() ||
      (!element.isBF16() && !element.isF16()) || result.getRanks().size() > 5)
    return;
  int64_t row = type.rankIndex(lane.getValue());
  if (row < 0)
    return;
  SharedStore store{op, *port, static_cast<unsigned>(row), 0,
                    type.getSizes()[1 - row]};
  auto axis = rowAxisOf(op.getIndices().front(), store.rowRank);
  if (!axis || store.columns % 64 || store.columns > 256)
    return;
  store.rowAxis = *axis;
  stores.push_back(store);
}

const SharedStore *Roles::sharedStore(tile::StoreOp op) const {
  for (const SharedStore &store : stores)
    if (store.op == op)
      return &store;
  return nullptr;
}

int64_t Roles::boxRows(const SharedLoad &load) const {
  bool isHalved = halved && load.type().getRanks()[load.rowRank] == halved;
  return isHalved ? load.rows / 2 : load.rows;
}

bool Roles::isClassified() const {
  tile::StreamOp op = stream;
  return !op.getClassify().empty();
}

bool Roles::checkEinsum(tile::EinsumOp op) {
  tile::TileType type = op.getResult().getType();
  if (auto it = contractions.find(op); it != contractions.end()) {
    const Contraction &c = it->second;
    int64_t columns = sizeOf(type, c.column);
    int64_t depth = op.getReducedSizes()[0];
    if (columns <= 0 || columns % 16 || columns > 256 || depth <= 0 ||
        depth % 16)
      return refuse("a product of " + Twine(columns) + " x " + Twine(depth));
    if (!addShared(c.b))
      return refuse("an operand of a product cannot be copied by boxes");
    if (c.a.getDefiningOp<tile::LoadOp>() && !addShared(c.a))
      return refuse("an operand of a product cannot be copied by boxes");
    const SharedLoad *b = sharedLoad(c.b), *a = sharedLoad(c.a);
    Type element = b->element();
    if (a && a->element() != element)
      return refuse("the operands of a product differ in type");
    // A's rows are lanes; the reduced rank runs along its memory.
    if (a && a->type().getRanks()[a->rowRank] != lane)
      return refuse("an operand of a product is transposed");
    return true;
  }
  if (op.getReduced().size() > 1 || (op.getMonoid() && columnOf(type, lane)))
    return refuse("a reduction that is no matrix product");
  if (op.getMonoid() && llvm::is_contained({Reduce::argmax, Reduce::argmin,
                                            Reduce::first, Reduce::last},
                                           *op.getMonoid()))
    return refuse("a reduction of another kind");
  return true;
}

bool Roles::check(Block &block) {
  for (Operation &op : block) {
    for (Type type : op.getResultTypes()) {
      auto tile = dyn_cast<tile::TileType>(type);
      if (!tile)
        continue;
      if (tile.getElementType().isF64() || tile.getElementType().isInteger(64))
        return refuse("tiles of 64-bit elements");
    }
    if (auto einsum = dyn_cast<tile::EinsumOp>(op)) {
      if (!checkEinsum(einsum))
        return false;
    } else if (auto inner = dyn_cast<tile::StreamOp>(op)) {
      if (stream)
        return refuse("several streams");
      stream = inner;
      if (!check(inner.getBody().front()))
        return false;
    }
  }
  return true;
}

/// Block arguments of the kernel that values depend on.
static llvm::SmallDenseSet<Value> argumentsOf(llvm::SetVector<Value> work) {
  llvm::SmallDenseSet<Value> result;
  for (size_t i = 0; i < work.size(); ++i) {
    Operation *def = work[i].getDefiningOp();
    if (!def)
      result.insert(work[i]);
    else
      work.insert(def->operand_begin(), def->operand_end());
  }
  return result;
}

SmallVector<bool> Roles::streamAxes() const {
  tile::StreamOp op = stream;
  Block &body = *op->getBlock();
  SmallVector<bool> result(body.getNumArguments(), false);
  for (const SharedLoad &load : loads) {
    llvm::SetVector<Value> indices;
    getUsedValuesDefinedAbove(tile::LoadOp(load.op).getIndices(), indices);
    if (load.inStream)
      for (Value argument : argumentsOf(std::move(indices)))
        if (auto axis = dyn_cast<BlockArgument>(argument);
            axis && axis.getOwner() == &body)
          result[axis.getArgNumber()] = true;
  }
  return result;
}

bool Roles::boundsDiffer() const {
  tile::StreamOp op = stream;
  ValueRange bounds = op->getOperands().take_front(4);
  auto read = argumentsOf({bounds.begin(), bounds.end()});
  return isClassified() ||
         llvm::any_of(llvm::enumerate(streamAxes()), [&](auto axis) {
           return !axis.value() &&
                  read.contains(op->getBlock()->getArgument(axis.index()));
         });
}

Roles::Roles(tile::KernelOp kernel, PortOf portOf) {
  if (!takeContractions(kernel) || !check(kernel.getBody().front()))
    return;
  if (!stream) {
    refuse("nothing is streamed");
    return;
  }
  // Shared operands have no other readers; the rest fits the registers.
  kernel.walk([&](Operation *op) {
    for (Value result : op->getResults()) {
      auto type = dyn_cast<tile::TileType>(result.getType());
      if (!type || !reason.empty())
        continue;
      if (sharedLoad(result)) {
        for (Operation *user : result.getUsers())
          if (!contractions.contains(user))
            refuse("an operand of a product is also read by itself");
        continue;
      }
      int64_t others = 0;
      for (auto [rank, size] : llvm::zip(type.getRanks(), type.getSizes())) {
        if (rank == lane)
          continue;
        ++others;
        if (size <= 0 || size % 16 || size > 256)
          refuse("a tile of " + Twine(size) + " columns");
      }
      if (others > 1)
        refuse("a tile of more ranks");
    }
  });
  if (!reason.empty())
    return;
  findOverlap();
  findParts();
  if (!fitsRegisters()) {
    refuse("its states do not fit the registers");
    return;
  }
  findAskedProducts();
  findHalves();
  for (auto store : kernel.getBody().getOps<tile::StoreOp>())
    addStore(store, portOf(kernel.getResult(store.getResult())));
}
