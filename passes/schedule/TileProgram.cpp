//===- TileProgram.cpp - a kernel on tiles while it is written --*- C++ -*-===//
#include "passes/schedule/TileProgram.h"

using namespace mlir;
using namespace attn;

Block *attn::createBlock(OpBuilder &b, Region &region, unsigned coordinates,
                         TypeRange arguments) {
  SmallVector<Type> types(coordinates, b.getI32Type());
  llvm::append_range(types, arguments);
  SmallVector<Location> locs(types.size(), region.getLoc());
  return b.createBlock(&region, {}, types, locs);
}

Coordinates attn::coordinatesOf(Block &block) {
  return coordinatesOf(cast<EinsumOp>(block.getParentOp()).mapRanks(), block);
}

TileProgram::TileProgram(CascadeOp cascade, KernelOp kernel,
                         const KernelRanks &ranks, StringRef name)
    : cascade(cascade), kernel(kernel), ranks(ranks), conditions(this->ranks),
      states(kernel.getBody().getOps<EquationsOp>()), b(kernel) {
  Ranks gridRanks = ranks.rows;
  std::replace(gridRanks.begin(), gridRanks.end(), ranks.lane, ranks.laneStep);
  SmallVector<Attribute> names(gridRanks.begin(), gridRanks.end());
  tiled = tile::KernelOp::create(b, kernel.getLoc(), kernel.getResultTypes(),
                                 name, b.getArrayAttr(names));
  grid = coordinatesOf(gridRanks,
                       *createBlock(b, tiled.getBody(), gridRanks.size()));
}

Ranks TileProgram::tileRanks(RankRef all) {
  Ranks result;
  bool lanes = false;
  for (StringAttr rank : all) {
    if (rank == ranks.lane)
      lanes = true;
    else if (rank != ranks.stream && !llvm::is_contained(ranks.rows, rank))
      result.push_back(rank);
  }
  if (lanes)
    result.insert(ranks.lanesFirst ? result.begin() : result.end(),
                  ranks.laneTile);
  return result;
}

int64_t TileProgram::sizeOf(StringAttr rank) {
  return cascade.staticExtent(rank).value_or(-1);
}

SmallVector<int64_t> TileProgram::sizesOf(RankRef all) {
  return llvm::map_to_vector(all, [&](StringAttr r) { return sizeOf(r); });
}

tile::TileType TileProgram::typeOf(RankRef tileRanks, Type storage,
                                   bool masked) {
  Type element = scalarTypeOf(storage);
  if (isa<FloatType>(storage) && !storage.isF64())
    element = Float32Type::get(storage.getContext());
  return tile::TileType::get(storage.getContext(), tileRanks,
                             sizesOf(tileRanks), element, masked);
}

bool TileProgram::defines(Value tensor) {
  Operation *def = tensor.getDefiningOp();
  return def && def->getParentOp() == kernel;
}

Value TileProgram::firstLane(ExprBuilder &e) {
  return e.map(Fn::mul,
               {grid.lookup(ranks.laneStep), e.integer(ranks.laneSize)});
}

Coordinates TileProgram::coordinates(ExprBuilder &e, const Coordinates &local,
                                     Phase phase) {
  Coordinates at = grid;
  for (auto &[rank, value] : local)
    at[rank] = value;
  if (Value lane = ranks.lane ? local.lookup(ranks.laneTile) : Value())
    at[ranks.lane] = e.map(Fn::add, {firstLane(e), lane});
  if (phase == Phase::Stream)
    at[ranks.stream] = stream.getBody().getArgument(0);
  return at;
}

void TileProgram::setInsertionPoint(Phase phase) {
  if (phase == Phase::Before && stream)
    b.setInsertionPoint(stream);
}
