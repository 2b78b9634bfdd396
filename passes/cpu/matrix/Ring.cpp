//===- Ring.cpp - where the rows of an early product wait -------*- C++ -*-===//
#include "passes/cpu/matrix/Ring.h"
#include "passes/cpu/matrix/Amx.h"
#include "passes/cpu/matrix/Pieces.h"
#include "passes/cpu/matrix/Reference.h"
#include <numeric>

using namespace mlir;
using namespace attn;
using namespace attn::cpu;
using arith::CmpIPredicate;

int64_t cpu::quadsOf(const MatrixProduct &p) {
  return p.columns / 32 * (p.depth / amx::tileDepth);
}

int64_t cpu::partsOf(const MatrixProduct &p) {
  return 2 * termsOf(p.pieces).size();
}

StepOrder::StepOrder(const MatrixRoles &roles) : rounds(0), quads(0) {
  for (const MatrixProduct &p : roles.products)
    rounds = std::gcd(rounds, p.columns / Ring::rows);
  if (roles.phases.size() > 1 && !findReference(roles))
    rounds = 1;
  ahead = roles.rows / Ring::rows / rounds;
  for (const MatrixProduct &p : roles.products)
    quads += quadsOf(p) / rounds;
  pairs = roles.rows / 2 / (quads * rounds);
}

Ring::Ring(const MatrixRoles &roles, const StepOrder &order,
           const MatrixProduct &product)
    : blockBytes(rows * roles.lanes * 4), blocks(roles.rows / rows),
      slots(order.ahead) {
  int64_t before = 0, each = blocks / order.rounds;
  for (const MatrixProduct &p : roles.products) {
    if (&p == &product)
      break;
    before += quadsOf(p) / order.rounds;
  }
  // When a block is made, there are those before it that are not read yet.
  for (int64_t made = 0; made < blocks; ++made) {
    int64_t quads = made / each * order.quads + before +
                    (made % each + 1) * (product.depth / amx::tileDepth);
    int64_t read = quads * order.pairs * 2 / rows;
    slots = std::max(slots, order.ahead + made + 1 - std::min(read, blocks));
  }
}

Value Ring::first(CodeBuilder &b, Value step) const {
  return arith::RemUIOp::create(b, b.mul(step, b.i64(blocks)), b.i64(slots));
}

Value Ring::offset(CodeBuilder &b, Value first, Value number) const {
  Value slot = arith::RemUIOp::create(b, b.add(first, number), b.i64(slots));
  return b.mul(slot, b.i64(blockBytes));
}
