//===- StreamStep.cpp - what a step is made of ------------------*- C++ -*-===//
// Scalars, loads, phases of rows, repairs and states of a step; one whose
// operations follow one another.
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/Matchers.h"
#include "passes/cpu/matrix/Stream.h"
#include "passes/cpu/tile/Index.h"

using namespace mlir;
using namespace attn;
using namespace attn::cpu;
using arith::CmpIPredicate;

/// Scalars of the body, at `step`.
void MatrixStream::enter(Value step) {
  Block &body = stream.getBody().front();
  t.scalars.bindCoordinate(body.getArgument(0), step);
  for (Operation &op : body)
    if (!isa<tile::LoadOp, tile::EinsumOp, tile::YieldOp>(op))
      t.scalars.emit(&op);
}

void MatrixStream::placeTiles() {
  for (Operation &op : stream.getBody().front())
    for (Value result : op.getResults())
      if (isa<tile::TileType>(result.getType())) {
        places[result] = t.buffer(result);
        t.setTile(result, places[result]);
      }
}

void MatrixStream::settle(Value value) {
  Tile tile = t.tile(value);
  if (tile.isMasked())
    t.settleMask(tile);
  t.setTile(value, places[value]);
}

void MatrixStream::loads() {
  for (auto load : stream.getBody().getOps<tile::LoadOp>())
    if (!roles.isLeft(load)) {
      emitTileLoad(t, load, /*mayView=*/false);
      settle(load.getResult());
    }
}

void MatrixStream::emitAll(ArrayRef<tile::EinsumOp> ops) {
  for (tile::EinsumOp op : ops) {
    emitTileEinsum(t, op);
    settle(op.getResult());
  }
}

void MatrixStream::setFull(Value full) {
  t.full = full;
  t.scalars.setFull(full);
}

void MatrixStream::byFull(function_ref<void(bool)> rows) {
  if (!t.full || matchPattern(t.full, m_One()))
    return rows(t.full != nullptr);
  auto variant = [&](bool isFull) {
    return [&, isFull] {
      rows(isFull);
      return Values();
    };
  };
  b.ifElse(t.full, variant(true), variant(false));
}

RowPhase MatrixStream::rowPhase(const MatrixRoles::Phase &phase, bool isFull,
                                bool fused) {
  return RowPhase(t, roles, phase, isFull ? b.boolean(true) : Value(), fused,
                  [this](const MatrixProduct &p) { return factor(p, turn); });
}

void MatrixStream::runPhase(RowPhase phase, int64_t pairs) {
  if (phase.isEmpty())
    return;
  Values sums = phase.begin();
  phase.end(phase.pairs(b.i64(0), b.i64(pairs), sums,
                        [this](Value pair) { seek(pair); }));
}

void MatrixStream::untilLastPhase(int64_t pairs) {
  for (const MatrixRoles::Phase &phase : ArrayRef(roles.phases).drop_back()) {
    emitAll(phase.laneOps);
    byFull([&](bool isFull) { runPhase(rowPhase(phase, isFull), pairs); });
  }
  emitAll(roles.phases.back().laneOps);
}

/// An accumulator is repaired in place; by ones not at all.
void MatrixStream::repair(const MatrixProduct &p) {
  if (!p.repair)
    return;
  tile::EinsumOp op = p.repair;
  Value state = stream.getBody().getArgument(1 + p.state);
  auto emitIt = [&] { emitTileEinsum(t, op); };
  // state * factor, the factor one of lanes alone?
  Value factor;
  if (scales(op, state)) {
    Value other = op.getTiles()[op.getTiles()[0] == state];
    auto type = cast<tile::TileType>(other.getType());
    if (type.getRanks().size() == 1 && type.getElementType().isF32() &&
        !type.getMasked())
      factor = other;
  }
  if (!factor)
    return emitIt();
  Value moves;
  for (int64_t lane = 0; lane < roles.lanes; lane += t.lanes()) {
    Type reals = t.vectorOf(b.getF32Type());
    Value x = t.load(reals, t.tile(factor).base, b.i64(lane));
    Value differs = b.compare(CmpIPredicate::ne, x, b.real(reals, 1));
    moves = moves ? b.bitOr(moves, differs) : differs;
  }
  b.ifThen(vector::ReductionOp::create(b, vector::CombiningKind::OR, moves),
           emitIt);
}

void MatrixStream::moveStates() {
  Block &body = stream.getBody().front();
  SmallVector<std::pair<Tile, Tile>, 0> moves;
  for (auto [i, next] : llvm::enumerate(body.back().getOperands())) {
    if (llvm::any_of(roles.products, [&](const MatrixProduct &p) {
          return p.isLate && p.state == i;
        }))
      continue;
    Tile from = t.tile(next), to = t.tile(body.getArgument(1 + i));
    if (from.base == to.base)
      continue;
    if (from.isMasked())
      t.settleMask(from);
    moves.emplace_back(from, to);
  }
  for (auto &[from, to] : moves)
    t.copyTile(from, to);
}

void MatrixStream::serialStep(Value step) {
  turn = step;
  enter(step);
  setFull({});
  loads();
  computeAgain(step);
  untilLastPhase();
  runPhase(rowPhase(roles.phases.back(), /*isFull=*/false), allPairs());
  emitAll(roles.lastOps);
  for (const MatrixProduct &p : roles.products) {
    if (!p.isLate)
      continue;
    repair(p);
    Left at = left(p, step, turn);
    Value weights = factor(p, turn), to = accumulator(p);
    late(p, b.i64(0), p.columns / Ring::rows, at, weights, to, {}, {},
         nothing());
    correct(p, at, weights, step, to);
  }
  moveStates();
}
