//===- Ring.cpp - where the rows of an early product wait -------*- C++ -*-===//
#include "passes/cpu/matrix/Ring.h"
#include "passes/cpu/matrix/Amx.h"

using namespace mlir;
using namespace attn;
using namespace attn::cpu;
using arith::CmpIPredicate;

int64_t cpu::quadsOf(const MatrixProduct &p) {
  return p.columns / 32 * (p.depth / amx::tileDepth);
}

int64_t cpu::pairsOfQuad(const MatrixRoles &roles) {
  int64_t quads = 0;
  for (const MatrixProduct &p : roles.products)
    quads += quadsOf(p);
  return roles.rows / 2 / quads;
}

Ring::Ring(const MatrixRoles &roles, const MatrixProduct &product)
    : blockBytes(rows * roles.lanes * 4), blocks(roles.rows / rows),
      slots(blocks) {
  int64_t quads = 0;
  for (const MatrixProduct &p : roles.products) {
    if (&p != &product) {
      quads += quadsOf(p);
      continue;
    }
    // After each block of the next step: those, and what is not read yet.
    for (int64_t made = 1; made <= blocks; ++made) {
      int64_t read = (quads + made * (p.depth / amx::tileDepth)) *
                     pairsOfQuad(roles) * 2 / rows;
      slots = std::max(slots, made + blocks - std::min(read, blocks));
    }
    return;
  }
}

Value Ring::first(CodeBuilder &b, Value step) const {
  return arith::RemUIOp::create(b, b.mul(step, b.i64(blocks)), b.i64(slots));
}

Value Ring::offset(CodeBuilder &b, Value first, Value number) const {
  Value slot = b.add(first, number);
  Value turned = b.select(b.compare(CmpIPredicate::sge, slot, b.i64(slots)),
                          b.sub(slot, b.i64(slots)), slot);
  return b.mul(turned, b.i64(blockBytes));
}
