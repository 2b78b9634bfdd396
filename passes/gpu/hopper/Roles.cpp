//===- Roles.cpp - what a tile kernel's values are on a Hopper GPU -*- C++ -*-//
#include "passes/gpu/hopper/Roles.h"
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

int64_t Roles::sizeOf(tile::TileType type, StringAttr rank) {
  int64_t index = type.rankIndex(rank.getValue());
  return index < 0 ? 1 : type.getSizes()[index];
}

StringAttr Roles::columnOf(tile::TileType type) const {
  for (StringAttr rank : type.getRanks())
    if (rank != lane)
      return rank;
  return {};
}

/// sum[r](A * B) of two tiles, each with r and a rank of its own.
static std::optional<Contraction> contractionOf(tile::EinsumOp op) {
  if (!op.getMonoid() || *op.getMonoid() != Reduce::sum ||
      op.getTiles().size() != 2 || op.getReduced().size() != 1 ||
      op.getResult().getType().getRanks().size() != 2)
    return std::nullopt;
  Block &block = op.getMap().front();
  auto product = block.back().getOperand(0).getDefiningOp<MapOp>();
  if (!product || product.getFn() != Fn::mul)
    return std::nullopt;
  Value x = block.getArgument(3), y = block.getArgument(4);
  Value left = product.getOperand(0), right = product.getOperand(1);
  if (!((left == x && right == y) || (left == y && right == x)))
    return std::nullopt;
  Contraction c{op.getTiles()[0],
                op.getTiles()[1],
                {},
                cast<StringAttr>(op.getReduced()[0])};
  for (Value operand : {c.a, c.b}) {
    auto type = cast<tile::TileType>(operand.getType());
    if (type.getRanks().size() != 2 || type.rankIndex(c.reduced.getValue()) < 0)
      return std::nullopt;
  }
  return c;
}

/// The lanes are the rank that all products keep.
bool Roles::findContractions(tile::KernelOp kernel) {
  SmallVector<StringAttr> common;
  bool first = true;
  kernel.walk([&](tile::EinsumOp op) {
    auto c = contractionOf(op);
    if (!c)
      return;
    contractions[op] = *c;
    ArrayRef<StringAttr> ranks = op.getResult().getType().getRanks();
    if (first)
      common.assign(ranks.begin(), ranks.end());
    else
      llvm::erase_if(common, [&](StringAttr rank) {
        return !llvm::is_contained(ranks, rank);
      });
    first = false;
  });
  if (contractions.empty())
    return refuse("there is no matrix product");
  if (common.size() != 1)
    return refuse("no rank is in the results of all products");
  lane = common[0];
  for (auto &[op, c] : contractions) {
    tile::TileType type = cast<tile::EinsumOp>(op).getResult().getType();
    lanes = sizeOf(type, lane);
    c.column = columnOf(type);
    if (cast<tile::TileType>(c.a.getType()).rankIndex(lane.getValue()) < 0)
      std::swap(c.a, c.b);
  }
  if (lanes <= 0 || lanes % 64 || lanes > 256)
    return refuse("a tile has no whole number of rows of warpgroups");
  return true;
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
  ValueRange indices = block.back().getOperands();
  auto inner = dyn_cast<BlockArgument>(indices.back());
  if (!inner || inner.getOwner() != &block)
    return false;
  load.innerRank = inner.getArgNumber();
  load.rowRank = 1 - load.innerRank;
  Value row = block.getArgument(load.rowRank);
  unsigned moving = 0;
  for (auto [axis, index] : llvm::enumerate(indices.drop_back())) {
    if (cpu::coefficient(index, inner) != 0)
      return false;
    auto factor = cpu::coefficient(index, row);
    if (factor == 0)
      continue;
    if (factor != 1)
      return false;
    load.rowAxis = axis;
    ++moving;
  }
  load.rows = type.getSizes()[load.rowRank];
  load.columns = type.getSizes()[load.innerRank];
  if (moving != 1 || load.rows <= 0 || load.rows > 256 || load.rows % 16 ||
      load.columns <= 0 || load.columns % 64 || load.columns > 256)
    return false;
  loads.push_back(load);
  return true;
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
  if (op.getReduced().size() > 1 || (op.getMonoid() && columnOf(type)))
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

Roles::Roles(tile::KernelOp kernel) {
  if (!findContractions(kernel) || !check(kernel.getBody().front()))
    return;
  if (!stream) {
    refuse("nothing is streamed");
    return;
  }
  // Shared operands have no other readers; the rest fits the registers.
  int64_t state = 0, widest = 0;
  auto registersOf = [&](tile::TileType type) {
    StringAttr column = columnOf(type);
    return column ? sizeOf(type, column) / 2 : 0;
  };
  for (Type type : stream.getResultTypes())
    state += registersOf(cast<tile::TileType>(type));
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
      if (isa<tile::EinsumOp>(op))
        widest = std::max(widest, registersOf(type));
    }
  });
  if (reason.empty() && state + widest > 144)
    refuse("its states do not fit the registers");
}
