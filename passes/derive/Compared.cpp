//===- Compared.cpp - reductions that must be computed once -----*- C++ -*-===//
#include "passes/derive/Compared.h"
#include "dialect/Functions.h"
#include "passes/Expr.h"
#include "llvm/ADT/PointerIntPair.h"
#include "llvm/ADT/SmallPtrSet.h"

using namespace mlir;
using namespace attn;

namespace {

/// The results that one side of a comparison is made of, by whether they
/// are met at the comparison's own point.
struct Side {
  llvm::SmallPtrSet<Operation *, 4> own, moved;
};

class Walk {
public:
  explicit Walk(EinsumOp reader) : reader(reader) {}

  Side of(Value value) {
    follow(value, reader, /*isOwn=*/true);
    return std::move(side);
  }

private:
  /// Its reals may be rounded in one place and not in another.
  static bool computes(EinsumOp op) {
    return llvm::any_of(op.getMap().getOps<MapOp>(), [](MapOp map) {
      return isa<FloatType>(map.getType()) && map.getNumOperands() > 0;
    });
  }

  /// `value` is of a region of `op`.
  void follow(Value value, EinsumOp op, bool isOwn) {
    Operation *def = value.getDefiningOp();
    if (!def || !seen.insert({def, isOwn}).second)
      return;
    auto read = dyn_cast<ReadOp>(def);
    if (!read) {
      for (Value operand : def->getOperands())
        follow(operand, op, isOwn);
      return;
    }
    auto tensor = read.getTensor().getDefiningOp<EinsumOp>();
    if (!tensor)
      return;
    isOwn &= isPlainRead(read, op);
    if (tensor.isReduction() || computes(tensor))
      (isOwn ? side.own : side.moved).insert(tensor);
    if (!tensor.isReduction())
      for (Value yielded : tensor.getMapYield().getOperands())
        follow(yielded, tensor, isOwn);
  }

  EinsumOp reader;
  Side side;
  DenseSet<llvm::PointerIntPair<Operation *, 1, bool>> seen;
};

bool comparesReals(MapOp op) {
  return info(op.getFn()).typing == FnTyping::Compare &&
         isa<FloatType>(op.getOperand(0).getType());
}

} // namespace

DenseSet<Operation *> attn::comparedWithThemselves(CascadeOp cascade) {
  DenseSet<Operation *> result;
  cascade.walk([&](EinsumOp reader) {
    reader.getMap().walk([&](MapOp op) {
      if (!comparesReals(op))
        return;
      Side left = Walk(reader).of(op.getOperand(0));
      Side right = Walk(reader).of(op.getOperand(1));
      for (auto [own, moved] : {std::pair(&left.own, &right.moved),
                                std::pair(&right.own, &left.moved)})
        for (Operation *reduction : *own)
          if (moved->contains(reduction))
            result.insert(reduction);
    });
  });
  return result;
}
