//===- Facts.cpp - what is known of tensors before code exists --*- C++ -*-===//
// One forward analysis over the definitions, repeated to its greatest fixed
// point: a recurrence is assumed present and exact until shown otherwise.
//===----------------------------------------------------------------------===//
#include "passes/cpu/Facts.h"
#include "dialect/tile/Tile.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace attn;
using namespace attn::cpu;

Value cpu::definitionOf(Value tensor) {
  while (auto kernel = tensor.getDefiningOp<KernelOp>())
    tensor =
        kernel.getReturn().getOperand(cast<OpResult>(tensor).getResultNumber());
  return tensor;
}

SmallVector<ReadOp> cpu::readsOf(Operation *op) {
  SmallVector<ReadOp> reads;
  op->walk([&](ReadOp read) { reads.push_back(read); });
  return reads;
}

Facts::Facts(CascadeOp cascade) : cascade(cascade) {
  for (Value argument : cascade.getBody().getArguments())
    facts[argument] = {true, false};
  SmallVector<Operation *> definitions;
  cascade.getBody().walk([&](Operation *op) {
    if (isa<EinsumOp, EquationsOp, OrderOp>(op))
      definitions.push_back(op);
  });
  cascade.getBody().walk([&](tile::StoreOp store) {
    auto kernel = store->getParentOfType<tile::KernelOp>();
    bool present = !store.getTile().getType().getMasked();
    facts[kernel->getResult(store.getResult())] = {present, false};
  });
  bool changed = true;
  while (changed) {
    changed = false;
    for (Operation *op : definitions)
      changed |= update(op);
  }
}

Facts::Fact Facts::lookup(Value tensor) const {
  auto it = facts.find(definitionOf(tensor));
  return it == facts.end() ? Fact{} : it->second;
}

bool Facts::mayBeAbsent(Value tensor) const { return !lookup(tensor).present; }
bool Facts::isExact(Value tensor) const { return lookup(tensor).exact; }

Type Facts::storedElement(Value tensor) const {
  Type element = cast<NamedTensorType>(tensor.getType()).getElementType();
  return isExact(tensor) && isa<FloatType>(element)
             ? Float64Type::get(tensor.getContext())
             : element;
}

Type Facts::computeType(Operation *op) const {
  Type f64 = Float64Type::get(op->getContext());
  auto isDouble = [&](Value tensor) {
    return cast<NamedTensorType>(tensor.getType()).getElementType() == f64;
  };
  bool wide = llvm::any_of(op->getResults(), isDouble);
  op->walk([&](Operation *inner) {
    if (auto read = dyn_cast<ReadOp>(inner))
      wide |= isDouble(read.getTensor());
    if (auto cast = dyn_cast<CastOp>(inner))
      wide |= cast.getType() == f64;
  });
  return wide ? f64 : Float32Type::get(op->getContext());
}

bool Facts::isInside(ReadOp read, unsigned axis) const {
  auto index = dyn_cast<BlockArgument>(read.getIndices()[axis]);
  if (!index)
    return false;
  Operation *op = index.getOwner()->getParentOp();
  SmallVector<StringAttr> coordinates;
  if (auto einsum = dyn_cast<EinsumOp>(op)) {
    coordinates = strings(einsum.getSpace());
    llvm::append_range(coordinates, strings(einsum.getReduced()));
  } else if (auto order = dyn_cast<OrderOp>(op)) {
    coordinates = strings(order.getSpace());
    coordinates.back() = order.getFromAttr();
  } else {
    return false;
  }
  StringAttr rank = coordinates[index.getArgNumber()];
  StringAttr own =
      cast<NamedTensorType>(read.getTensor().getType()).getRanks()[axis];
  if (rank == own)
    return true;
  CascadeOp owner = cascade;
  ExtentAttr a = owner.findRank(rank).getExtent();
  ExtentAttr b = owner.findRank(own).getExtent();
  return (a && a == b) || (a && a.getRank() == own) ||
         (b && b.getRank() == rank);
}

bool Facts::isNonZero(Value divisor) const {
  APInt value;
  if (matchPattern(divisor, m_ConstantInt(&value)))
    return !value.isZero();
  auto extent = divisor.getDefiningOp<ExtentOp>();
  if (!extent)
    return false;
  CascadeOp owner = cascade;
  if (auto known = owner.staticExtent(extent.getRankAttr()))
    return *known != 0;
  // A part of a product is empty only where the whole is.
  return llvm::any_of(owner.getRelations(), [&](Attribute relation) {
    auto product = dyn_cast<ProductAttr>(relation);
    return product &&
           llvm::is_contained(product.getParts(), extent.getRankAttr());
  });
}

Facts::Fact Facts::scalar(Operation *op, const Scalars &known) const {
  Fact fact;
  for (Value operand : op->getOperands())
    if (auto it = known.find(operand); it != known.end()) {
      fact.present &= it->second.present;
      fact.exact &= it->second.exact;
    }
  if (auto read = dyn_cast<ReadOp>(op)) {
    Fact tensor = lookup(read.getTensor());
    fact.present &= tensor.present;
    fact.exact &= tensor.exact;
    if (read.getBounds() != Bounds::inside)
      for (unsigned axis = 0; axis < read.getIndices().size(); ++axis)
        fact.present &= isInside(read, axis);
  } else if (auto map = dyn_cast<MapOp>(op)) {
    if (map.getFn() == Fn::floordiv || map.getFn() == Fn::mod)
      fact.present &= isNonZero(map.getOperand(1));
  } else if (auto where = dyn_cast<WhereOp>(op)) {
    if (!matchPattern(where.getCondition(), m_One()))
      fact.present = false;
  } else if (auto other = dyn_cast<ElseOp>(op)) {
    auto present = [&](Value v) {
      auto it = known.find(v);
      return it == known.end() || it->second.present;
    };
    fact.present = present(other.getValue()) || present(other.getOtherwise());
  } else if (auto cast = dyn_cast<CastOp>(op)) {
    fact.exact &= !isa<FloatType>(cast.getType());
  }
  return fact;
}

SmallVector<Facts::Fact> Facts::region(Region &region) const {
  Scalars known;
  Block &block = region.front();
  for (Operation &op : block.without_terminator())
    for (Value result : op.getResults())
      known[result] = scalar(&op, known);
  return llvm::map_to_vector(block.back().getOperands(), [&](Value v) {
    auto it = known.find(v);
    return it == known.end() ? Fact{} : it->second;
  });
}

bool Facts::coversBox(EquationsOp op) const {
  // One equation for the whole box; the others extend one axis by its next
  // point, or lie inside.
  StringAttr extended;
  bool whole = false;
  for (auto pattern : op.getPatterns().getAsRange<ArrayAttr>()) {
    unsigned constants = 0;
    for (auto [index, rank] :
         llvm::zip(pattern, op.getResult().getType().getRanks())) {
      auto extent = dyn_cast<ExtentAttr>(index);
      if (!extent)
        continue;
      ++constants;
      bool neighbour = extent.getConstant() == -1 || extent.getRank() == rank;
      if (!neighbour || (extended && extended != rank))
        return false;
      extended = rank;
    }
    if (constants > 1)
      return false;
    whole |= constants == 0;
  }
  return whole;
}

bool Facts::set(Value tensor, Fact fact) {
  auto [it, added] = facts.try_emplace(tensor, fact);
  if (added)
    return true;
  bool changed = !(it->second == fact);
  it->second = fact;
  return changed;
}

bool Facts::update(Operation *op) {
  if (auto order = dyn_cast<OrderOp>(op))
    return set(order.getResult(), {false, false});
  if (auto equations = dyn_cast<EquationsOp>(op)) {
    Fact fact;
    for (Value operand : equations.getEquations()) {
      Fact other = lookup(operand);
      fact.present &= other.present;
      fact.exact &= other.exact;
    }
    fact.present &= coversBox(equations);
    return set(equations.getResult(), fact);
  }
  auto einsum = cast<EinsumOp>(op);
  SmallVector<Fact> yielded = region(einsum.getMap());
  bool guarded =
      !einsum.getGuard().empty() &&
      !matchPattern(einsum.getGuard().front().back().getOperand(0), m_One());
  auto kind = einsum.builtinReduce();
  bool needsPoint =
      kind && !identityOf(*kind, einsum.getMapYield().getOperand(0).getType());
  bool changed = false;
  for (auto [result, fact] : llvm::zip(einsum.getResults(), yielded)) {
    Fact own = fact;
    if (einsum.isReduction()) {
      own.present = !needsPoint;
      // A point that is skipped or kept by data decides the value.
      own.exact &= llvm::all_of(yielded, [](Fact f) { return f.exact; });
    }
    own.present &= !guarded;
    own.exact &= !einsum.getRounded();
    changed |= set(result, own);
  }
  return changed;
}
