//===- KernelEnds.cpp - what a row needs before and after a stream -*- C++
//-*-===//
// A kernel has its rows at hand before the stream and its sums after it. What
// only this kernel reads of its rows, and what alone reads a sum of it, row by
// row, runs there instead of going through memory: an operand that weights were
// absorbed into, the contraction of the sum with further weights, maps on it.
#include "mlir/IR/Matchers.h"
#include "passes/Expr.h"
#include "passes/derive/Laws.h"
#include "passes/derive/TypicalExtents.h"

using namespace mlir;
using namespace attn;

/// A map or a sum that has all rows, guarded by nothing that is read, computed
/// in the type of the kernel.
static bool fits(EinsumOp op, KernelOp kernel, TypicalExtents &extents) {
  auto rows = kernel.getScheduleAttr().getParallel();
  if (op.getNumResults() != 1 || op->hasAttr("attn.scc") ||
      (op.isReduction() && op.builtinReduce() != Reduce::sum) || isGuarded(op))
    return false;
  for (StringAttr rank : rows)
    if (!llvm::is_contained(strings(op.getSpace()), rank))
      return false;
  // What a row has of it is small, and so is what it is made of.
  for (ArrayAttr ranks : {op.getSpace(), op.getReduced()})
    for (StringAttr rank : strings(ranks))
      if (!llvm::is_contained(rows, rank) && extents.isSequence(rank))
        return false;
  for (auto other : kernel.getBody().getOps<EinsumOp>())
    if (isa<FloatType>(
            cast<NamedTensorType>(other.getResultTypes()[0]).getElementType()))
      return computeReal(op) == computeReal(other);
  return true;
}

/// All reads of `tensor` are at their readers' own coordinates, in maps.
static bool isReadPlainly(Value tensor) {
  return llvm::all_of(tensor.getUsers(), [&](Operation *user) {
    auto read = dyn_cast<ReadOp>(user);
    auto op = read ? read->getParentOfType<EinsumOp>() : EinsumOp();
    return op && read->getParentRegion() == &op.getMap() &&
           isPlainRead(read, op) && read.getBounds() == Bounds::inside;
  });
}

/// What `op` reads from outside of the kernel does not need the kernel.
static bool needsOtherwise(EinsumOp op, KernelOp kernel, Value except) {
  SmallVector<Operation *> work{op};
  DenseSet<Operation *> seen;
  bool found = false;
  while (!work.empty() && !found) {
    Operation *current = work.pop_back_val();
    if (!seen.insert(current).second)
      continue;
    current->walk([&](Operation *inner) {
      for (Value operand : inner->getOperands()) {
        Operation *def = operand.getDefiningOp();
        if (!def || !isa<NamedTensorType>(operand.getType()) ||
            (current == op && operand == except))
          continue;
        found |= def == kernel;
        work.push_back(def);
      }
    });
  }
  return found;
}

/// A sum over rows that this kernel alone reads moves in.
static bool absorbOperand(KernelOp kernel, TypicalExtents &extents) {
  SmallVector<EinsumOp> operands;
  kernel.walk([&](ReadOp read) {
    auto op = read.getTensor().getDefiningOp<EinsumOp>();
    if (op && op->getBlock() == kernel->getBlock() &&
        !llvm::is_contained(operands, op))
      operands.push_back(op);
  });
  for (EinsumOp op : operands) {
    bool isOwn = llvm::all_of(op->getUsers(), [&](Operation *user) {
      return kernel->isProperAncestor(user);
    });
    if (!isOwn || !op.isReduction() || !fits(op, kernel, extents) ||
        !isReadPlainly(op.getResult(0)))
      continue;
    op->moveBefore(kernel.getReturn());
    return true;
  }
  return false;
}

/// What alone reads a result, point by point of the rows, becomes the result.
static bool absorbReader(KernelOp &kernel, TypicalExtents &extents) {
  for (auto [i, result] : llvm::enumerate(kernel.getResults())) {
    EinsumOp reader;
    bool isOne = true;
    for (Operation *user : result.getUsers()) {
      auto op =
          isa<ReadOp>(user) ? user->getParentOfType<EinsumOp>() : EinsumOp();
      isOne &= op && (!reader || reader == op);
      reader = op;
    }
    if (!isOne || !reader || reader->getBlock() != kernel->getBlock() ||
        !fits(reader, kernel, extents) || !isReadPlainly(result) ||
        needsOtherwise(reader, kernel, result))
      continue;
    Value inner = kernel.getReturn().getOperand(i);
    reader->moveBefore(kernel.getReturn());
    result.replaceAllUsesWith(inner);
    kernel.getReturn()->setOperand(i, reader.getResult(0));
    SmallVector<Type> types(kernel.getReturn().getOperandTypes());
    OpBuilder b(kernel);
    auto made =
        KernelOp::create(b, kernel.getLoc(), types, kernel.getScheduleAttr());
    made.getBody().takeBody(kernel.getBody());
    for (auto [before, now] : llvm::zip(kernel.getResults(), made.getResults()))
      before.replaceAllUsesWith(now);
    reader.getResult(0).replaceUsesWithIf(
        made.getResult(i),
        [&](OpOperand &use) { return !made->isAncestor(use.getOwner()); });
    kernel.erase();
    kernel = made;
    return true;
  }
  return false;
}

void attn::absorbEnds(CascadeOp cascade) {
  SmallVector<KernelOp> kernels(cascade.getBody().front().getOps<KernelOp>());
  TypicalExtents extents(cascade);
  for (KernelOp kernel : kernels)
    while (absorbOperand(kernel, extents) || absorbReader(kernel, extents)) {
    }
}
