//===- Kept.cpp - steps that keep a maximum ---------------------*- C++ -*-===//
// Of MatrixStream: a maximum that need not be the latest is kept until weights
// grow large.
//===----------------------------------------------------------------------===//
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "passes/cpu/matrix/Amx.h"
#include "passes/cpu/matrix/Stream.h"

using namespace mlir;
using namespace attn;
using namespace attn::cpu;
using arith::CmpIPredicate;

/// Weights whose sum is above this ask for a later maximum. Sums of products
/// and values up to 2^70 stay finite below it; the larger it is, the fewer
/// scores that stand out have a step computed again.
constexpr double largestWeight = 0x1p40;

/// Beyond this its rounding, scaled for a fused operation, would show in
/// weights: 2^13 log2(e) / 2^24 is 7e-4.
constexpr double largestMaximum = 8192;

/// The step's values as they are where the states' maximum stays.
void MatrixStream::keep() {
  for (auto [value, state] : reference->kept)
    t.setTile(value, t.tile(state));
  for (tile::EinsumOp op : roles.phases.back().laneOps)
    if (!reference->idle.contains(op)) {
      emitTileEinsum(t, op);
      settle(op.getResult());
    }
}

/// States that refer to the maximum of the first rows of this step, too.
void MatrixStream::refer(int64_t pairs, bool isFirst) {
  for (auto [value, state] : reference->kept)
    t.setTile(value, places[value]);
  untilLastPhase(pairs);
  byFull([&](bool isFull) {
    runPhase(rowPhase(reference->flags, isFull), pairs);
  });
  Block &body = stream.getBody().front();
  for (auto [i, next] : llvm::enumerate(body.back().getOperands())) {
    auto op = next.getDefiningOp<tile::EinsumOp>();
    const Tile &to = t.tile(body.getArgument(1 + i));
    if (const MatrixProduct *p = roles.product(op)) {
      if (!isFirst || !p->startsAtZero)
        repair(*p);
    } else if (op == reference->maximum ||
               llvm::is_contained(reference->flags.reductions, op)) {
      t.copyTile(t.tile(next), to);
    } else if (t.tile(op.getInit()).base != to.base) {
      t.copyTile(t.tile(op.getInit()), to);
    }
  }
  keep();
}

/// The first step of a point. Of one whose points are all there, the rows that
/// are there tell what scores are like.
void MatrixStream::referFirst(Value step) {
  int64_t pairs = layout.order.ahead * Ring::rows / 2;
  if (pairs == allPairs())
    return refer(pairs, /*isFirst=*/true);
  byFull([&](bool isFull) {
    Value full = t.full;
    setFull(isFull ? b.boolean(true) : Value());
    if (!isFull)
      computeAgain(step);
    refer(isFull ? pairs : allPairs(), /*isFirst=*/true);
    setFull(full);
  });
}

/// The step's early products, beside the ring.
void MatrixStream::computeAgain(Value step) {
  for (auto [p, offsets] : llvm::zip(roles.products, layout.products)) {
    if (p.isLate)
      continue;
    Value again = place(offsets.again);
    auto to = [&](Value block) {
      return b.gep(b.getI8Type(), again,
                   b.mul(block, b.i64(Ring::rows * roles.lanes * 4)));
    };
    early(p, left(p, step, turn), roles.rows / Ring::rows, to);
  }
  showScores(/*isAgain=*/true);
}

/// Does a lane need a later maximum, has it none yet, or a large one?
Value MatrixStream::isPassed() {
  tile::EinsumOp mass = reference->mass;
  const Tile &most = t.tile(stream.getBody().getArgument(1 + reference->state));
  Type reals = t.vectorOf(b.getF32Type());
  // Nothing is fused for products of pieces.
  double largest = roles.hasPieces() ? double(std::numeric_limits<float>::max())
                                     : largestMaximum;
  Value good;
  for (int64_t lane = 0; lane < roles.lanes; lane += t.lanes()) {
    auto at = [&](const Tile &tile) {
      return t.load(reals, tile.base, b.i64(lane));
    };
    Value grown =
        b.sub(at(t.tile(mass.getResult())), at(t.tile(mass.getInit())));
    good = b.both(good, b.compare(CmpIPredicate::sle, grown,
                                  b.real(reals, largestWeight)));
    good = b.both(good, b.compare(CmpIPredicate::sle,
                                  math::AbsFOp::create(b, at(most)),
                                  b.real(reals, largest)));
    for (tile::EinsumOp op : reference->flags.reductions) {
      Type bytes = t.vectorOf(b.getI8Type());
      Value flag = t.load(bytes, t.tile(op.getInit()).base, b.i64(lane));
      good =
          b.both(good, b.compare(CmpIPredicate::ne, flag, b.integer(bytes, 0)));
    }
  }
  return b.bitNot(
      vector::ReductionOp::create(b, vector::CombiningKind::AND, good));
}

/// After the rows of `step`, with no late product under way.
void MatrixStream::settleReference(Value step) {
  enter(step);
  b.ifThen(isPassed(), [&] {
    Value full = t.full;
    setFull({});        // one code for all, as it is rare
    computeAgain(step); // the ring has rows of the next step by now
    refer(allPairs());
    runPhase(rowPhase(lastPhase(), /*isFull=*/false), allPairs());
    setFull(full);
  });
}
