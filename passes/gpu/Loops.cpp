//===- Loops.cpp - loops of kernels -----------------------------*- C++ -*-===//
#include "passes/gpu/Loops.h"

using namespace mlir;
using namespace attn::cpu;

attn::gpu::Values
attn::gpu::forLoop(CodeBuilder &b, Value low, Value high, int64_t step,
                   ValueRange init,
                   llvm::function_ref<Values(Value, ValueRange)> body) {
  auto op = scf::ForOp::create(b, low, high, b.i32(step), init);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(op.getBody());
  Values next = body(op.getInductionVar(), op.getRegionIterArgs());
  if (!next.empty())
    scf::YieldOp::create(b, next);
  return Values(op.getResults());
}

attn::gpu::Values
attn::gpu::whileLoop(CodeBuilder &b, ValueRange init,
                     llvm::function_ref<Value(ValueRange, Values &)> test,
                     llvm::function_ref<Values(ValueRange, ValueRange)> body) {
  SmallVector<Type> types(init.getTypes());
  SmallVector<Location> locs(init.size(), b.getLoc());
  // What the test learns is known once it is emitted.
  auto untyped = scf::WhileOp::create(b, TypeRange{}, init);
  OpBuilder::InsertionGuard guard(b);
  Block *before = b.createBlock(&untyped.getBefore(), {}, types, locs);
  Values all(before->getArguments()), found;
  Value go = test(before->getArguments(), found);
  llvm::append_range(all, found);
  scf::ConditionOp::create(b, go, all);
  SmallVector<Type> allTypes =
      llvm::map_to_vector(all, [](Value value) { return value.getType(); });
  locs.resize(all.size(), b.getLoc());
  b.setInsertionPointAfter(untyped);
  auto op = scf::WhileOp::create(b, allTypes, init);
  op.getBefore().takeBody(untyped.getBefore());
  untyped.erase();
  Block *after = b.createBlock(&op.getAfter(), {}, allTypes, locs);
  ValueRange arguments = after->getArguments();
  scf::YieldOp::create(b, body(arguments.take_front(init.size()),
                               arguments.drop_front(init.size())));
  return Values(op.getResults().take_front(init.size()));
}
