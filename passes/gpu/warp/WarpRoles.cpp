//===- WarpRoles.cpp - what a tile kernel's values are to warps -*- C++ -*-===//
#include "passes/gpu/warp/WarpRoles.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace attn;
using namespace attn::gpu;

// Registers of a thread for states and what a step has at once.
constexpr int64_t mostRegisters = 176;
// Of states, where two of each are merged.
constexpr int64_t mostMerged = 80;

bool WarpRoles::refuse(const Twine &why) {
  if (reason.empty())
    reason = why.str();
  return false;
}

const RowsLoad *WarpRoles::rowsLoad(Value value) const {
  for (const RowsLoad &load : loads)
    if (tile::LoadOp(load.op).getResult() == value)
      return &load;
  return nullptr;
}

bool WarpRoles::isClassified() const {
  Region &classify = tile::StreamOp(stream).getClassify();
  return !classify.empty() &&
         !llvm::all_of(classify.front().back().getOperands(), [](Value value) {
           return matchPattern(value, m_One());
         });
}

int64_t WarpRoles::sizeOf(tile::TileType type, StringAttr rank) const {
  int64_t size = gpu::sizeOf(type, rank);
  return rank == divided ? size / keyWarps : size;
}

int64_t WarpRoles::registersOf(tile::TileType type) const {
  StringAttr column = columnOf(type, lane);
  bool hasLanes = type.rankIndex(lane.getValue()) >= 0;
  return (hasLanes ? 2 : 1) * (column ? sizeOf(type, column) / 4 : 1);
}

int64_t WarpRoles::stateWords() const {
  int64_t words = 0;
  for (Type type : tile::StreamOp(stream).getResultTypes())
    words += registersOf(cast<tile::TileType>(type));
  return words;
}

int64_t WarpRoles::start(unsigned number) const {
  int64_t at = 0;
  for (const RowsLoad &load : ArrayRef(loads).take_front(number))
    at += load.bytes() * (load.inStream ? stages : 1);
  return at;
}

int64_t WarpRoles::mergeBytes() const {
  constexpr int64_t wordBytes = 4;
  return keyWarps > 1 ? threads() * stateWords() * wordBytes : 0;
}

int64_t WarpRoles::bytes() const {
  // States of the warps are merged where the tiles were.
  return std::max(start(loads.size()), mergeBytes());
}

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

bool WarpRoles::takeProducts(tile::KernelOp kernel) {
  Contractions found = findContractions(kernel);
  if (!llvm::all_of(found.all, [](auto &entry) {
        return isa<tile::StreamOp>(entry.first->getParentOp());
      }))
    return refuse("a product is outside of the stream");
  if (!found.reason.empty())
    return refuse(found.reason);
  products = std::move(found.all);
  lane = found.lane;
  lanes = found.lanes;
  if (lanes <= 0 || lanes > 128 || (lanes > 16 && lanes % 16))
    return refuse("a tile has no whole number of rows of warps");
  rowWarps = llvm::divideCeil(lanes, 16);
  return true;
}

/// Rows whose elements lie side by side in a port.
bool WarpRoles::addRows(Value value) {
  if (rowsLoad(value))
    return true;
  auto op = value.getDefiningOp<tile::LoadOp>();
  auto argument =
      op ? dyn_cast<BlockArgument>(op.getTensor()) : BlockArgument();
  if (!argument)
    return false;
  tile::TileType type = op.getType();
  Type element = op.getTensor().getType().getElementType();
  if (type.getRanks().size() != 2 || (!element.isBF16() && !element.isF16()))
    return false;
  RowsLoad load;
  load.op = op;
  load.port = argument.getArgNumber();
  load.inStream = op->getParentOfType<tile::StreamOp>() != nullptr;
  Block &block = op.getIndices().front();
  ValueRange indices = block.back().getOperands();
  auto inner = dyn_cast<BlockArgument>(indices.back());
  if (!inner || inner.getOwner() != &block)
    return false;
  // Nothing else depends on the column.
  for (Operation *user : inner.getUsers())
    if (user != &block.back())
      return false;
  if (llvm::count(indices, inner) != 1)
    return false;
  load.innerRank = inner.getArgNumber();
  load.rowRank = 1 - load.innerRank;
  load.filled = type.getSizes()[load.rowRank];
  load.columns = type.getSizes()[load.innerRank];
  load.rows = load.rank(load.rowRank) == lane ? 16 * rowWarps : load.filled;
  if (load.rows <= 0 || load.rows > 256 || load.rows % 16 ||
      load.columns <= 0 || load.columns % 16 || load.columns > 512)
    return false;
  loads.push_back(load);
  return true;
}

bool WarpRoles::checkEinsum(tile::EinsumOp op) {
  tile::TileType type = op.getResult().getType();
  if (auto it = products.find(op); it != products.end()) {
    const Contraction &p = it->second;
    int64_t columns = sizeOf(type, p.column), depth = op.getReducedSizes()[0];
    if (columns <= 0 || columns % 16 || depth <= 0 || depth % 16)
      return refuse("a product of " + Twine(columns) + " x " + Twine(depth));
    if (!addRows(p.b) || (p.a.getDefiningOp<tile::LoadOp>() && !addRows(p.a)))
      return refuse("an operand of a product is not rows of a port");
    const RowsLoad *a = rowsLoad(p.a);
    if (a && a->element() != rowsLoad(p.b)->element())
      return refuse("the operands of a product differ in type");
    if (a && a->rank(a->rowRank) != lane)
      return refuse("an operand of a product is transposed");
    return true;
  }
  if (op.getReduced().size() > 1 || (op.getMonoid() && columnOf(type, lane)))
    return refuse("a reduction that is no matrix product");
  for (int64_t size : op.getReducedSizes())
    if (size <= 0 || size % 16)
      return refuse("a reduction over " + Twine(size) + " columns");
  if (op.getMonoid() && llvm::is_contained({Reduce::argmax, Reduce::argmin,
                                            Reduce::first, Reduce::last},
                                           *op.getMonoid()))
    return refuse("a reduction of another kind");
  return true;
}

bool WarpRoles::check(Block &block) {
  for (Operation &op : block) {
    for (Type type : op.getResultTypes()) {
      auto tile = dyn_cast<tile::TileType>(type);
      if (tile && (tile.getElementType().isF64() ||
                   tile.getElementType().isInteger(64)))
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

//===----------------------------------------------------------------------===//
// Warps
//===----------------------------------------------------------------------===//

/// The one rank of a step's tiles that no state has.
static StringAttr stepRank(tile::StreamOp stream, const WarpRoles &roles) {
  llvm::SetVector<StringAttr> ranks;
  for (auto op : stream.getBody().front().getOps<tile::EinsumOp>())
    if (StringAttr rank = columnOf(op.getResult().getType(), roles.lane))
      ranks.insert(rank);
  for (Type type : stream.getResultTypes())
    if (StringAttr rank = columnOf(cast<tile::TileType>(type), roles.lane))
      ranks.remove(rank);
  return ranks.size() == 1 ? ranks.front() : StringAttr();
}

void WarpRoles::divide() {
  if (stateWords() <= mostMerged)
    merge = StreamMerge::of(stream);
  StringAttr rank = merge && rowWarps == 1 ? stepRank(stream, *this) : nullptr;
  int64_t size = 0;
  if (rank)
    for (auto op :
         tile::StreamOp(stream).getBody().front().getOps<tile::EinsumOp>())
      if (columnOf(op.getResult().getType(), lane) == rank)
        size = sizeOf(op.getResult().getType(), rank);
  for (int64_t warps : {4, 2})
    if (size > 0 && size % (16 * warps) == 0 && keyWarps == 1) {
      keyWarps = warps;
      divided = rank;
    }
}

bool WarpRoles::checkTiles(tile::KernelOp kernel) {
  int64_t widest = 0;
  kernel.walk([&](Operation *op) {
    for (Value result : op->getResults()) {
      auto type = dyn_cast<tile::TileType>(result.getType());
      if (!type || !reason.empty())
        continue;
      if (rowsLoad(result)) {
        for (Operation *user : result.getUsers())
          if (!products.contains(user))
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
      if (reason.empty() && isa<tile::EinsumOp>(op))
        widest = std::max(widest, registersOf(type));
    }
    for (Attribute rank : isa<tile::EinsumOp>(op)
                              ? cast<tile::EinsumOp>(op).getReduced().getValue()
                              : ArrayRef<Attribute>())
      if (rank == lane)
        refuse("a reduction over the lanes");
  });
  if (reason.empty() && stateWords() + widest > mostRegisters)
    refuse("its states do not fit the registers");
  return reason.empty();
}

WarpRoles::WarpRoles(tile::KernelOp kernel, int64_t sharedBytes) {
  if (!takeProducts(kernel) || !check(kernel.getBody().front()))
    return;
  if (!stream) {
    refuse("nothing is streamed");
    return;
  }
  if (!checkTiles(kernel))
    return;
  divide();
  // Two blocks to a multiprocessor where that takes no more than two buffers,
  // three buffers where there is room.
  constexpr int64_t ofSystem = 1024;
  auto fit = [&](int64_t count) {
    stages = count;
    blocks = sharedBytes / (bytes() + ofSystem);
    return blocks;
  };
  if (fit(3) < 2 && fit(2) < 2)
    fit(3) || fit(2);
  blocks = std::min<int64_t>(blocks, 2);
  if (!blocks)
    refuse("its tiles do not fit the shared memory");
}
