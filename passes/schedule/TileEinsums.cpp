//===- TileEinsums.cpp - einsums of a kernel on tiles -----------*- C++ -*-===//
#include "passes/schedule/TileEinsums.h"
#include "passes/schedule/TileMap.h"

using namespace mlir;
using namespace attn;

TileEinsums::TileEinsums(TileProgram &program, StreamSteps &steps)
    : p(program), steps(steps), loads(program) {
  for (auto [i, state] : llvm::enumerate(p.states))
    stateIndex[state.getResult()] = i;
}

//===----------------------------------------------------------------------===//
// Definitions
//===----------------------------------------------------------------------===//

Value TileEinsums::tileOf(Value tensor, Phase phase) {
  auto type = cast<NamedTensorType>(tensor.getType());
  if (phase == Phase::Stream && type.rankIndex(p.ranks.stream) < 0)
    phase = Phase::Before;
  auto key = std::pair(tensor, static_cast<int>(phase));
  if (Value known = tiles.lookup(key))
    return known;
  OpBuilder::InsertionGuard guard(p.b);
  p.setInsertionPoint(phase);
  if (auto state = tensor.getDefiningOp<EquationsOp>())
    return tiles[key] = nextOf(state);
  auto op = tensor.getDefiningOp<EinsumOp>();
  Value tile = emit(op, op.getMapYield().getOperand(0),
                    strings(op.getReduced()), Value(), phase);
  return tiles[key] = tile;
}

/// A state's next value. Where the step combines with a part that this step
/// reduces, the reduction starts from the rest.
Value TileEinsums::nextOf(EquationsOp state) {
  auto step = state.getEquations()[1].getDefiningOp<EinsumOp>();
  auto combine = step.getMapYield().getOperand(0).getDefiningOp<MapOp>();
  auto read = combine ? combine.getOperand(combine.getNumOperands() - 1)
                            .getDefiningOp<ReadOp>()
                      : ReadOp();
  auto part = read ? read.getTensor().getDefiningOp<EinsumOp>() : EinsumOp();
  if (!part || !part.isReduction() || !p.defines(read.getTensor()))
    return tileOf(state.getEquations()[1], Phase::Stream);
  Value rest = combine.getOperand(0);
  auto before = rest.getDefiningOp<ReadOp>();
  Value init = before && before.getTensor() == state.getResult()
                   ? operand(before, step, Phase::Stream)
                   : emit(step, rest, {}, Value(), Phase::Stream);
  return emit(part, part.getMapYield().getOperand(0),
              strings(part.getReduced()), init, Phase::Stream);
}

//===----------------------------------------------------------------------===//
// Operands
//===----------------------------------------------------------------------===//

/// `tensor[.., n1-1]`: the state before this step.
static bool readsBefore(ReadOp read, StringAttr stream) {
  auto type = read.getTensor().getType();
  int64_t position = type.rankIndex(stream);
  if (position < 0)
    return false;
  auto map = read.getIndices()[position].getDefiningOp<MapOp>();
  return map && map.getFn() == Fn::sub && isa<BlockArgument>(map.getOperand(0));
}

Value TileEinsums::operand(ReadOp read, EinsumOp reader, Phase phase) {
  Value tensor = read.getTensor();
  if (auto it = stateIndex.find(tensor); it != stateIndex.end()) {
    if (phase == Phase::After)
      return p.stream.getResult(it->second);
    if (readsBefore(read, p.ranks.stream))
      return p.stream.getBody().getArgument(1 + it->second);
    return tileOf(tensor, Phase::Stream);
  }
  return p.defines(tensor) ? tileOf(tensor, phase)
                           : loads.load(read, reader, phase);
}

//===----------------------------------------------------------------------===//
// Einsums
//===----------------------------------------------------------------------===//

Value TileEinsums::emit(EinsumOp op, Value root, RankRef reduced, Value init,
                        Phase phase) {
  TileMap map(p, steps, op, root);
  // Operands first: loads and definitions go before this einsum.
  llvm::SetVector<Value> operands;
  DenseMap<Operation *, Value> tileOfRead;
  for (ReadOp read : map.reads())
    operands.insert(tileOfRead[read] = operand(read, op, phase));
  auto monoid =
      reduced.empty() ? ReduceAttr() : cast<ReduceAttr>(op.getMonoidAttr());
  SmallVector<Attribute> names(reduced.begin(), reduced.end());
  Ranks space = p.tileRanks(strings(op.getSpace()));
  Type storage = cast<NamedTensorType>(op.getResultTypes()[0]).getElementType();
  if (isa<FloatType>(storage))
    storage = computeReal(op);
  auto einsum = tile::EinsumOp::create(
      p.b, op.getLoc(), p.typeOf(space, storage, /*masked=*/false),
      operands.getArrayRef(), init, p.b.getArrayAttr(names),
      p.b.getDenseI64ArrayAttr(p.sizesOf(reduced)), monoid);

  OpBuilder::InsertionGuard guard(p.b);
  Ranks local = tile::spaceOf(einsum);
  auto scalars = llvm::map_to_vector(operands, [](Value tile) {
    return scalarTypeOf(cast<tile::TileType>(tile.getType()).getElementType());
  });
  Block *block = createBlock(p.b, einsum.getMap(), local.size(), scalars);
  DenseMap<Value, Value> pointOf; // by tile
  DenseSet<Value> masked;
  for (auto [tile, point] :
       llvm::zip(operands, block->getArguments().drop_front(local.size()))) {
    pointOf[tile] = point;
    if (cast<tile::TileType>(tile.getType()).getMasked())
      masked.insert(point);
  }
  ExprBuilder e(p.b, op.getLoc());
  Coordinates at = p.coordinates(e, coordinatesOf(local, *block), phase);
  Value value = map.write(e, at, [&](ReadOp read) {
    return pointOf.lookup(tileOfRead.lookup(read));
  });
  tile::YieldOp::create(p.b, op.getLoc(), value);
  if (reduced.empty() && mayBeAbsentValue(value, masked))
    einsum.getResult().setType(p.typeOf(space, storage, /*masked=*/true));
  return einsum.getResult();
}
