//===- Shifts.cpp - exponents of differences --------------------*- C++ -*-===//
// e^(c x - y), y the same for all columns of a lane, costs one fused operation
// a point: c' x - y', both sides scaled for the base 2, y' once a lane. Its
// error is that of y', which is rounded by itself: where y is huge it is as
// large as the exponents that matter. There, behind a branch, the difference is
// taken first: x becomes (c x - y) / c and y becomes 0, and what follows is the
// same code. Or, where a branch costs too much, it is only told that there was
// one, and who is told computes the results again without fused operations.
//===----------------------------------------------------------------------===//
#include "mlir/Dialect/Math/IR/Math.h"
#include "passes/cpu/tile/Absence.h"
#include "passes/gpu/Contractions.h"
#include "passes/gpu/Fragments.h"
#include "passes/gpu/Intrinsics.h"
#include "passes/gpu/hopper/Reduce.h"
#include <cmath>

using namespace mlir;
using namespace attn;
using namespace attn::cpu;
using namespace attn::gpu;
using arith::CmpFPredicate;

// Multiples whose reciprocals are ordinary numbers.
constexpr double largestFactor = 1e37;

/// The differences x - y of which a map takes the exponential.
SmallVector<MapOp> Fragments::shiftsOf(const PointMap &map) const {
  llvm::SmallPtrSet<Value, 16> moving; // with the columns
  ValueRange arguments = map.block->getArguments();
  for (auto [argument, rank] : llvm::zip(arguments, map.ranks))
    if (rank != laneRank)
      moving.insert(argument);
  for (auto [argument, tile] :
       llvm::zip(arguments.drop_front(map.ranks.size()), map.tiles))
    if (columnOf(cast<tile::TileType>(tile.getType()), laneRank))
      moving.insert(argument);
  auto moves = [&](Value value) { return moving.contains(value); };
  SmallVector<MapOp> result;
  for (Operation &op : *map.block) {
    if (llvm::any_of(op.getOperands(), moves))
      moving.insert(op.result_begin(), op.result_end());
    auto exponential = dyn_cast<MapOp>(op);
    if (!exponential ||
        !llvm::is_contained({Fn::exp, Fn::exp2}, exponential.getFn()))
      continue;
    Value x = exponential.getOperand(0);
    while (auto where = x.getDefiningOp<WhereOp>())
      x = where.getValue();
    auto difference = x.getDefiningOp<MapOp>();
    if (difference && difference.getFn() == Fn::sub &&
        moves(difference.getOperand(0)) && !moves(difference.getOperand(1)))
      result.push_back(difference);
  }
  return result;
}

void Fragments::roundDifferences(Block &block) {
  block.walk(
      [](arith::SubFOp op) { op.setFastmath(arith::FastMathFlags::none); });
}

bool Fragments::hasShifts(tile::EinsumOp op) const {
  return !shiftsOf(mapOf(op)).empty();
}

void Fragments::decideShifts(PointMap &map, ArrayRef<Point> points) {
  if (shifting == Shifts::exact && small.empty())
    return;
  Type f32 = b.getF32Type();
  for (MapOp difference : shiftsOf(map)) {
    Shift shift;
    SmallVector<Scalar> scalars;
    for (Point point : points) {
      scalars.push_back(emitPoint(map, point, difference.getResult()));
      auto op = scalars.back().value.getDefiningOp<arith::SubFOp>();
      if (!op || !op.getType().isF32())
        break;
      auto [part, factor] = positiveMultiple(op.getLhs());
      bool scales =
          part && factor < largestFactor && factor > 1 / largestFactor;
      shift.x.push_back(scales ? part : op.getLhs());
      shift.y.push_back(op.getRhs());
      shift.factors.push_back(scales ? factor : 1);
    }
    if (shift.x.size() < points.size())
      continue;
    bool isSmall =
        llvm::all_of_zip(shift.x, shift.factors, [&](Value x, double factor) {
          return factor <= 1 && small.contains(x);
        });
    if (!isSmall && shifting == Shifts::exact)
      continue;
    if (!isSmall && shifting == Shifts::guarded)
      shift = guard(std::move(shift));
    else
      std::tie(shift.safeX, shift.safeY) = std::tie(shift.x, shift.y);
    if (!isSmall && shifting == Shifts::watched)
      tellHuge(isAnyHuge(shift.y));
    DenseMap<Point, Scalar> decided;
    for (auto [i, point] : llvm::enumerate(points)) {
      Scalar &scalar = scalars[i];
      Value x = shift.safeX[i],
            before = scalar.value.getDefiningOp()->getOperand(0);
      if (shift.factors[i] != 1)
        x = b.mul(x, b.real(f32, shift.factors[i]));
      Value told = aboveMinusInfinity(scalar.present);
      if (told && (told == before || told == positiveMultiple(before).first))
        scalar.present =
            b.compare(arith::CmpIPredicate::ne, x, b.real(f32, -INFINITY));
      scalar.value = b.sub(x, shift.safeY[i]);
      decided[point] = scalar;
    }
    map.decided.emplace_back(difference, std::move(decided));
  }
}

/// Is one of the subtrahends huge? What is subtracted from -inf is left alone.
Value Fragments::isAnyHuge(ArrayRef<Value> subtrahends) {
  Type f32 = b.getF32Type();
  Value most;
  for (Value y :
       llvm::SmallSetVector<Value, 2>(subtrahends.begin(), subtrahends.end())) {
    Value size = math::AbsFOp::create(b, y);
    if (!isAboveMinusInfinity(y))
      size = b.select(
          b.compare(arith::CmpIPredicate::eq, y, b.real(f32, -INFINITY)),
          b.real(f32, 0), size);
    most =
        most ? intrinsic(b, "llvm.nvvm.fmax.ftz.f", f32, {most, size}) : size;
  }
  return arith::CmpFOp::create(b, CmpFPredicate::OGT, most,
                               b.real(f32, smallValue));
}

/// As it was guarded in this block before, or now.
const Fragments::Shift &Fragments::guard(Shift shift) {
  Block *block = b.getInsertionBlock();
  auto areSame = [](ArrayRef<Value> one, ArrayRef<Value> other) {
    return llvm::all_of_zip(one, other,
                            [](Value x, Value y) { return isSame(x, y); });
  };
  llvm::erase_if(shifts,
                 [&](const Shift &other) { return other.block != block; });
  for (const Shift &other : shifts)
    if (other.x.size() == shift.x.size() && other.factors == shift.factors &&
        areSame(other.y, shift.y) && areSame(other.x, shift.x))
      return other;
  shift.block = block;
  Type f32 = b.getF32Type();
  Value isHuge = isAnyHuge(shift.y);
  llvm::SmallDenseMap<Value, Value> safe;
  for (Value y : shift.y) {
    Value &becomes = safe[y];
    if (!becomes)
      becomes = b.select(isHuge, b.real(f32, 0), y);
    shift.safeY.push_back(becomes);
  }
  auto differences = [&] {
    Values result;
    for (auto [x, y, factor] : llvm::zip(shift.x, shift.y, shift.factors)) {
      // Products are rounded as their maximum was.
      Value product = x;
      if (factor != 1)
        product = intrinsic(b, "llvm.nvvm.mul.rn.ftz.f", f32,
                            {x, b.real(f32, factor)});
      Value difference = arith::SubFOp::create(b, product, y);
      result.push_back(factor != 1 ? b.mul(difference, b.real(f32, 1 / factor))
                                   : difference);
    }
    return result;
  };
  shift.safeX = b.ifElse(isHuge, differences, [&] { return shift.x; });
  shifts.push_back(std::move(shift));
  return shifts.back();
}
