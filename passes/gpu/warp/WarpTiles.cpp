//===- WarpTiles.cpp - operations on tiles by a warp ------------*- C++ -*-===//
#include "passes/cpu/Formats.h"
#include "passes/cpu/tile/Absence.h"
#include "passes/gpu/Intrinsics.h"
#include "passes/gpu/hopper/Ptx.h"
#include "passes/gpu/hopper/Reduce.h"
#include "passes/gpu/warp/Matrix.h"
#include "passes/gpu/warp/Warps.h"

using namespace mlir;
using namespace attn;
using namespace attn::cpu;
using namespace attn::gpu;
using arith::CmpIPredicate;

void WarpLowering::emitOperation(Operation &op) {
  llvm::TypeSwitch<Operation *>(&op)
      .Case([&](tile::LoadOp load) {
        if (!roles.rowsLoad(load.getResult()))
          emitLoad(load);
      })
      .Case([&](tile::StoreOp store) { storePoints(store); })
      .Case([&](tile::EinsumOp einsum) {
        if (auto it = roles.products.find(einsum); it != roles.products.end())
          emitProduct(einsum, it->second);
        else if (einsum.getMonoid())
          emitReduction(einsum);
        else
          emitEinsum(einsum);
      })
      .Case([&](tile::YieldOp) {})
      .Default([&](Operation *scalar) { scalars.emit(scalar); });
}

/// The last warp's lanes may be more than the tile's.
Value WarpLowering::hasLane(int64_t lane) {
  if (roles.lanes % 16 == 0)
    return {};
  return b.ult(b.add(firstLane, b.i32(8 * lane)), b.i32(roles.lanes));
}

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

void WarpLowering::emitProduct(tile::EinsumOp op, const Contraction &p) {
  const RowsLoad *a = roles.rowsLoad(p.a), *right = roles.rowsLoad(p.b);
  Registers result{op.getResult().getType(), {}, {}};
  int64_t columns = roles.sizeOf(result.type, p.column);
  int64_t depth = op.getReducedSizes()[0];
  if (p.reduced == roles.divided)
    depth /= roles.keyWarps;
  Type element = right->element();
  if (op.getInit())
    result.values = tiles.find(op.getInit())->second.values;
  else
    result.values.assign(columns / 2, b.real(b.getF32Type(), 0));

  // Rows and columns of a load that this warp begins at, and the row of a
  // matrix that this thread gives the address of.
  auto addressOf = [&](const RowsLoad &load, Value row, Value column) {
    if (load.rank(load.rowRank) == roles.divided)
      row = b.add(row, firstDivided);
    if (load.rank(load.innerRank) == roles.divided)
      column = b.add(column, firstDivided);
    return b.add(address(load, stage), b.add(b.mul(row, b.i32(load.pitch())),
                                             b.mul(column, b.i32(2))));
  };
  Value inMatrix = b.bitAnd(lane, b.i32(7));
  auto eightIf = [&](int bit) {
    Value set = b.bitAnd(arith::ShRUIOp::create(b, lane, b.i32(bit)), b.i32(1));
    return b.mul(set, b.i32(8));
  };
  Value early = eightIf(3), late = eightIf(4);
  bool transposed = right->rank(right->rowRank) == p.reduced;
  Value rightAt = transposed ? addressOf(*right, b.add(inMatrix, early), late)
                             : addressOf(*right, b.add(inMatrix, late), early);
  Value leftAt;
  if (a) {
    Value row = b.add(inMatrix, early);
    if (roles.rowWarps > 1)
      row = b.add(row, b.mul(warp, b.i32(16)));
    leftAt = addressOf(*a, row, late);
  }
  auto factor = [&](int64_t i) {
    // An absent factor has no part in the sum.
    const Registers &r = tiles.find(p.a)->second;
    Value x = r.values[i];
    if (r.present.empty() || !r.present[i] || isZeroWhenAbsent(x, r.present[i]))
      return x;
    return b.select(r.present[i], x, b.real(x.getType(), 0));
  };
  for (int64_t k = 0; k < depth / 16; ++k) {
    Values left;
    if (a)
      left = loadMatrices(b, leftAt, k * 32, /*transposed=*/false);
    else
      for (int64_t r = 0; r < 4; ++r)
        left.push_back(packPair(b, element, factor(8 * k + 2 * r),
                                factor(8 * k + 2 * r + 1)));
    for (int64_t n = 0; n < columns / 16; ++n) {
      int64_t offset = transposed ? k * 16 * right->pitch() + n * 32
                                  : n * 16 * right->pitch() + k * 32;
      Values both = loadMatrices(b, rightAt, offset, transposed);
      for (int64_t half = 0; half < 2; ++half) {
        auto sum = MutableArrayRef(result.values).slice(8 * n + 4 * half, 4);
        llvm::copy(multiplyAdd(b, element, left,
                               ArrayRef(both).slice(2 * half, 2), sum),
                   sum.begin());
      }
    }
  }
  tiles[op.getResult()] = result;
}
