//===- SplitRanks.cpp - every einsum does what needs its ranks --*- C++ -*-===//
// INVARIANCE: a subexpression that needs fewer ranks than its einsum becomes a
// map of its own, computed once a point of those ranks. Factors of a summed
// product are grouped first, so that a contraction is a product of two tensors
// however it was associated.
#include "dialect/Functions.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "passes/Expr.h"
#include "passes/cascade/Normalise.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace attn;

namespace {

class Splitter {
public:
  explicit Splitter(EinsumOp op)
      : op(op), block(op.getMap().front()), dependence(block) {}

  /// Returns the maps it made.
  SmallVector<EinsumOp> run() {
    for (Operation &inner : block) {
      auto map = dyn_cast<MapOp>(inner);
      hasConditions |= isa<WhereOp, ElseOp>(inner) ||
                       (map && info(map.getFn()).typing == FnTyping::Logic);
    }
    YieldOp yield = op.getMapYield();
    if (op.builtinReduce() == Reduce::sum)
      yield.setOperand(0, groupFactors(yield.getOperand(0)));
    for (OpOperand &operand : yield->getOpOperands())
      visit(operand, allRanks());
    return parts;
  }

private:
  llvm::SmallBitVector allRanks() {
    return llvm::SmallBitVector(block.getNumArguments(), true);
  }

  /// a * (b * c) with b, c over fewer ranks than the whole: factors whose ranks
  /// nest are multiplied together first.
  Value groupFactors(Value product) {
    SmallVector<Value> factors;
    collectFactors(product, factors);
    if (factors.size() < 3)
      return product;
    llvm::stable_sort(factors, [&](Value a, Value b) {
      return dependence.of(a).count() > dependence.of(b).count();
    });
    SmallVector<std::pair<llvm::SmallBitVector, SmallVector<Value>>> groups;
    for (Value factor : factors) {
      const llvm::SmallBitVector &ranks = dependence.of(factor);
      auto it = llvm::find_if(groups, [&](auto &group) {
        llvm::SmallBitVector rest = ranks;
        return !rest.test(group.first) && group.first != allRanks();
      });
      if (it == groups.end())
        groups.push_back({ranks, {factor}});
      else
        it->second.push_back(factor);
    }
    // Where none share their ranks, what was written together stays so: a
    // scale with the codes that it belongs to.
    if (groups.size() == factors.size())
      return product;
    OpBuilder b(product.getDefiningOp());
    Value result;
    for (auto &[ranks, members] : groups) {
      Value value = members.front();
      for (Value factor : llvm::drop_begin(members))
        value = MapOp::create(b, product.getLoc(), Fn::mul,
                              ValueRange{value, factor});
      result = result ? MapOp::create(b, product.getLoc(), Fn::mul,
                                      ValueRange{result, value})
                      : value;
    }
    return result;
  }

  void collectFactors(Value value, SmallVectorImpl<Value> &factors) {
    auto map = value.getDefiningOp<MapOp>();
    if (map && map.getFn() == Fn::mul && isa<FloatType>(map.getType()) &&
        (factors.empty() || value.hasOneUse())) {
      collectFactors(map.getOperand(0), factors);
      collectFactors(map.getOperand(1), factors);
    } else {
      factors.push_back(value);
    }
  }

  /// `operand` is needed by something that needs `ranks`.
  void visit(OpOperand &operand, llvm::SmallBitVector ranks) {
    Operation *def = operand.get().getDefiningOp();
    if (!def || def->getBlock() != &block)
      return;
    llvm::SmallBitVector own = dependence.of(operand.get());
    if (own != ranks && isWorthNaming(operand.get())) {
      operand.set(outline(operand.get(), own));
      return;
    }
    if (!visited.insert(def).second)
      return;
    for (OpOperand &inner : def->getOpOperands())
      visit(inner, own);
  }

  /// Real or bool values that compute something from tensors. Indices stay:
  /// accesses must remain visible where they are. So do conditions on integers:
  /// they are cheap, and say where points are.
  bool isWorthNaming(Value value) {
    if (isa<ReadOp>(value.getDefiningOp()) || value.getType().isInteger(32) ||
        value.getType().isInteger(64))
      return false;
    bool isCondition = value.getType().isInteger(1);
    bool real = false;
    SmallVector<Value> work{value};
    SmallPtrSet<Operation *, 16> seen;
    bool reads = false;
    while (!work.empty()) {
      Operation *def = work.pop_back_val().getDefiningOp();
      if (!def || def->getBlock() != &block || !seen.insert(def).second)
        continue;
      if (auto read = dyn_cast<ReadOp>(def)) {
        // A run-time scalar is no work to share.
        reads |= !read.getIndices().empty();
        real |= isa<FloatType>(read.getType());
        continue;
      }
      llvm::append_range(work, def->getOperands());
    }
    return reads && (real || !isCondition);
  }

  Value outline(Value value, const llvm::SmallBitVector &ranks) {
    auto known = outlined.find(value);
    if (known != outlined.end())
      return known->second;
    Ranks all = op.mapRanks();
    EinsumSpec spec;
    std::string name =
        (cast<StringAttr>(op.getNames()[0]).getValue() + ".part").str();
    spec.name = name;
    for (int i : ranks.set_bits())
      spec.space.push_back(all[i]);
    spec.element = computeType(value.getType());
    OpBuilder b(op);
    EinsumOp part = buildEinsum(
        b, value.getLoc(), spec, [&](ExprBuilder &e, Coordinates &at) {
          IRMapping mapping;
          for (int i : ranks.set_bits())
            mapping.map(block.getArgument(i), at[all[i]]);
          return cloneExpr(e.b, value, mapping, [&](Operation *def) -> Value {
            return relaxed(e.b, def, mapping);
          });
        });
    parts.push_back(part);
    b.setInsertionPoint(value.getDefiningOp());
    ExprBuilder e(b, value.getLoc());
    Value read = e.read(part.getResult(0), coordinatesOf(op));
    return outlined[value] = read;
  }

  /// Conditions that guarded a read may stay behind: a read that was proved
  /// inside by them is absent outside from now on. Nobody demands it there.
  Value relaxed(OpBuilder &b, Operation *def, IRMapping &mapping) {
    auto read = dyn_cast<ReadOp>(def);
    if (!read || read.getBounds() != Bounds::inside || !hasConditions ||
        isPlainRead(read, op))
      return {};
    SmallVector<Value> indices;
    for (Value index : read.getIndices())
      indices.push_back(cloneExpr(b, index, mapping));
    return ReadOp::create(b, read.getLoc(), read.getTensor(), indices,
                          Bounds::absent);
  }

  Type computeType(Type scalar) {
    if (!isa<FloatType>(scalar))
      return scalar;
    return computeReal(op);
  }

  EinsumOp op;
  Block &block;
  Dependence dependence;
  SmallPtrSet<Operation *, 16> visited;
  DenseMap<Value, Value> outlined;
  SmallVector<EinsumOp> parts;
  bool hasConditions = false;
};

} // namespace

void attn::splitRanks(CascadeOp cascade) {
  SmallVector<EinsumOp> work(cascade.getBody().front().getOps<EinsumOp>());
  for (size_t i = 0; i < work.size(); ++i) {
    EinsumOp op = work[i];
    // A tuple monoid keeps its map: its states travel together.
    if (op.getNumResults() == 1)
      llvm::append_range(work, Splitter(op).run());
    for (Operation &inner :
         llvm::make_early_inc_range(llvm::reverse(op.getMap().front())))
      if (!isa<YieldOp>(inner) && inner.use_empty())
        inner.erase();
  }
}
