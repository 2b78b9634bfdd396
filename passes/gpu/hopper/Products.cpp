//===- Products.cpp - matrix products of warpgroups -------------*- C++ -*-===//
// A product's operand A lies in shared memory or, rounded, in registers; B lies
// in shared memory, of the grid point or of a stage of the stream's rings. Its
// columns, or its depth, may be one half of a step's points.
//===----------------------------------------------------------------------===//
#include "passes/gpu/hopper/Reduce.h"
#include "passes/gpu/hopper/Warpgroups.h"

using namespace mlir;
using namespace attn;
using namespace attn::cpu;
using namespace attn::gpu;
using arith::CmpIPredicate;

/// Operand A in registers, rounded and in pairs.
gpu::Values WarpgroupLowering::fragmentsOf(tile::EinsumOp op) {
  const Contraction &c = roles.contractions.find(op)->second;
  const Registers &r = tiles.find(c.a)->second;
  auto value = [&](int64_t i) {
    // An absent factor has no part in the sum.
    Value x = r.values[i];
    if (r.present.empty() || !r.present[i] || isZeroWhenAbsent(x, r.present[i]))
      return x;
    return b.select(r.present[i], x, b.real(x.getType(), 0));
  };
  Type element = roles.sharedLoad(c.b)->element();
  Values fragments;
  int64_t count = op.getReducedSizes()[0] / 2 / partsOf(c.reduced);
  for (int64_t i = 0; i < count; i += 2)
    fragments.push_back(packPair(b, element, value(i), value(i + 1)));
  return fragments;
}

/// A product whose operands are there, or come in use `count` of the stream.
gpu::Values WarpgroupLowering::start(tile::EinsumOp op, Value count,
                                     ArrayRef<Value> fragments,
                                     ArrayRef<Value> sum, Value halves) {
  const Contraction &c = roles.contractions.find(op)->second;
  auto matrix = [&](const SharedLoad &load) {
    if (!load.inStream)
      awaitPoint();
    else if (!halves)
      waitFull(layout.loads[numberOf(load)], count);
    else // where nothing came before: what is there
      waitEither(isNothing(halves), {layout.point, points},
                 {layout.loads[numberOf(load)], count});
    ArrayRef<StringAttr> ranks = load.type().getRanks();
    bool transposed = ranks[load.rowRank] == c.reduced;
    Value at = boxes(load, load.inStream ? count : points);
    // Half of the rows of each panel, or of the panels.
    Value number = half;
    if (halves)
      number = b.select(b.compare(CmpIPredicate::eq, halves, b.i32(2)),
                        b.i32(1), b.i32(0));
    if (number && llvm::is_contained(ranks, roles.halved)) {
      int64_t rows = load.rows;
      if (ranks[load.rowRank] == roles.halved)
        rows /= 2;
      at = b.add(at, b.mul(number, b.i32(rows * 128)));
    }
    return SharedMatrix{at, load.rows, transposed};
  };
  const SharedLoad *a = roles.sharedLoad(c.a), *right = roles.sharedLoad(c.b);
  SharedMatrix am;
  if (a)
    am = matrix(*a);
  SharedMatrix bm = matrix(*right);
  int64_t columns = sizeOf(op.getResult().getType(), c.column);
  std::optional<SomeDepth> some;
  if (halves)
    some = {halves, address(layout.zeros)};
  return startProduct(b, right->element(), columns / partsOf(c.column),
                      op.getReducedSizes()[0], a ? &am : nullptr, groupLane,
                      fragments, bm, sum, some);
}

bool WarpgroupLowering::isLastUser(const SharedLoad &load,
                                   Operation *op) const {
  tile::LoadOp source = load.op;
  auto users = source.getResult().getUsers();
  return llvm::is_contained(users, op) &&
         llvm::all_of(users, [&](Operation *other) {
           return other == op || other->isBeforeInBlock(op);
         });
}

bool WarpgroupLowering::reads(ArrayRef<tile::EinsumOp> products,
                              const SharedLoad &load) {
  tile::LoadOp source = load.op;
  return llvm::any_of(source.getResult().getUsers(), [&](Operation *user) {
    return llvm::is_contained(products, user);
  });
}

void WarpgroupLowering::release(const SharedLoad &load, Value count,
                                Value unless) {
  if (!load.inStream)
    return;
  Value mine = isFirst;
  if (unless)
    mine = b.select(unless, b.boolean(false), mine);
  barrierArrive(b, emptyBarrier(layout.loads[numberOf(load)], count), mine);
}

/// One by itself.
void WarpgroupLowering::emitContraction(tile::EinsumOp op) {
  const Contraction &c = roles.contractions.find(op)->second;
  Values fragments, sum;
  if (!roles.sharedLoad(c.a))
    fragments = fragmentsOf(op);
  if (op.getInit())
    sum = tiles.find(op.getInit())->second.values;
  Values running = start(op, steps, fragments, sum);
  tiles[op.getResult()] = {
      op.getResult().getType(), waitProducts(b, 0, running), {}};
  for (const SharedLoad &load : roles.loads)
    if (isLastUser(load, op))
      release(load, steps);
}
