//===- Affine.cpp - integers of a region as linear forms --------*- C++ -*-===//
// Their arithmetic is in AffineVariables.cpp, extents are in AffineExtents.cpp,
// conditions in AffineConditions.cpp, bounds and demand in AffineDomains.cpp.
#include "dialect/Affine.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace attn;

bool attn::isSubexpression(StringRef name) {
  return llvm::any_of(
      name, [](char c) { return !llvm::isAlnum(c) && c != '_' && c != '\''; });
}

//===----------------------------------------------------------------------===//
// Coordinates
//===----------------------------------------------------------------------===//

/// Ranks of the coordinates of a region.
static SmallVector<StringAttr> ranksOf(Region &region) {
  if (auto einsum = dyn_cast<EinsumOp>(region.getParentOp()))
    return &region == &einsum.getMap() ? einsum.mapRanks()
                                       : strings(einsum.getSpace());
  SmallVector<StringAttr> ranks;
  if (auto order = dyn_cast<OrderOp>(region.getParentOp())) {
    ranks = strings(order.getSpace());
    ranks.back() = order.getFromAttr();
  }
  return ranks;
}

void IterationSpace::addRegion(Region &region) {
  for (auto [argument, rank] :
       llvm::zip(region.getArguments(), ranksOf(region)))
    if (!scope->forms.contains(argument))
      scope->forms[argument] =
          variables.addCoordinate(argument, rank, extentOf(rank));
}

void IterationSpace::bind(Value argument, AffineForm form) {
  scope->forms[argument] = std::move(form);
}

std::optional<AffineForm> IterationSpace::determined(StringAttr rank,
                                                     Region &region) {
  addRegion(region);
  AffineExtents::Coordinates known;
  for (auto [argument, name] :
       llvm::zip(region.getArguments(), ranksOf(region)))
    known[name] = scope->forms[argument];
  extents.determine(rank, known);
  auto it = known.find(rank);
  return it == known.end() ? std::nullopt : std::optional(it->second);
}

//===----------------------------------------------------------------------===//
// Values
//===----------------------------------------------------------------------===//

AffineForm IterationSpace::formOf(Value value) {
  if (auto it = scope->forms.find(value); it != scope->forms.end())
    return it->second;
  if (auto argument = dyn_cast<BlockArgument>(value)) {
    addRegion(*argument.getOwner()->getParent());
    if (auto it = scope->forms.find(value); it != scope->forms.end())
      return it->second;
  }
  AffineForm form = compute(value);
  scope->forms[value] = form;
  return form;
}

AffineForm IterationSpace::opaque(Value value) {
  if (auto map = value.getDefiningOp<MapOp>();
      map && llvm::all_of(map->getOperandTypes(),
                          [](Type t) { return t.isSignlessInteger(); })) {
    // Equal operands give equal values.
    SmallVector<AffineForm> operands;
    for (Value operand : map.getOperands())
      operands.push_back(formOf(operand));
    auto [number, isNew] = variables.derived(
        AffineVariables::Function + int(map.getFn()), operands);
    if (isNew) {
      variables[number].kind = SpaceVariable::Opaque;
      variables[number].value = value;
      if (map.getFn() == Fn::msb)
        variables[number].lower = 0;
    }
    return AffineForm::variable(number);
  }
  return AffineForm::variable(variables.add(SpaceVariable::Opaque, value));
}

AffineForm IterationSpace::mapForm(MapOp op) {
  auto operand = [&](unsigned i) { return formOf(op.getOperand(i)); };
  switch (op.getFn()) {
  case Fn::add:
    return operand(0) + operand(1);
  case Fn::sub:
    return operand(0) - operand(1);
  case Fn::neg:
    return -operand(0);
  case Fn::mul:
    return variables.product(operand(0), operand(1));
  case Fn::floordiv:
    return variables.quotient(operand(0), operand(1));
  case Fn::mod:
    return variables.remainder(operand(0), operand(1));
  case Fn::min:
    return variables.minimum(operand(0), operand(1));
  case Fn::max:
    return variables.maximum(operand(0), operand(1));
  case Fn::abs:
    return variables.maximum(operand(0), -operand(0));
  case Fn::shl:
    if (auto by = operand(1).getConstant(); by && *by >= 0 && *by < 32)
      return operand(0) * (int64_t(1) << *by);
    return opaque(op);
  case Fn::shr:
    if (auto by = operand(1).getConstant(); by && *by >= 0 && *by < 32)
      return quotientOf(operand(0), int64_t(1) << *by);
    return opaque(op);
  default:
    return opaque(op);
  }
}

IterationSpace::Scope *IterationSpace::enterDefinition(ReadOp read,
                                                       EinsumOp einsum) {
  if (!einsum || einsum.isReduction() || !einsum.getGuard().empty() ||
      unfolding.size() > 8 || !unfolding.insert(einsum).second)
    return nullptr;
  SmallVector<AffineForm> indices;
  for (Value index : read.getIndices())
    indices.push_back(formOf(index));
  Scope *outer = scope;
  std::unique_ptr<Scope> &inner = outer->definitions[read];
  if (!inner)
    inner = std::make_unique<Scope>();
  scope = inner.get();
  for (auto [argument, form] :
       llvm::zip(einsum.getMap().getArguments(), indices))
    scope->forms[argument] = form;
  return outer;
}

void IterationSpace::leave(Scope *outer, EinsumOp einsum) {
  scope = outer;
  unfolding.erase(einsum);
  if (depth == 0)
    scope->definitions.clear();
}

/// The form of a tensor that is a map of coordinates alone, at the indices.
std::optional<AffineForm> IterationSpace::unfold(ReadOp read) {
  auto einsum = read.getTensor().getDefiningOp<EinsumOp>();
  if (!einsum || einsum.getNumResults() != 1 ||
      !einsum.getMap().getOps<WhereOp>().empty() ||
      !einsum.getMap().getOps<ElseOp>().empty())
    return std::nullopt;
  Value yielded = einsum.getMapYield().getOperand(0);
  if (classify(yielded) != IndexKind::Affine)
    return std::nullopt;
  Scope *outer = enterDefinition(read, einsum);
  if (!outer)
    return std::nullopt;
  AffineForm form = formOf(yielded);
  leave(outer, einsum);
  return form;
}

AffineForm IterationSpace::readForm(ReadOp read) {
  if (auto form = unfold(read))
    return *form;
  if (!read.getIndices().empty())
    return elementForm(read);
  Value tensor = read.getTensor();
  auto [it, isNew] = scalars.try_emplace(tensor, variables.size());
  if (isNew)
    variables.add(SpaceVariable::Scalar, tensor);
  return AffineForm::variable(it->second);
}

/// An element of a tensor, equal at equal indices. Selections and counts say
/// where their values lie.
AffineForm IterationSpace::elementForm(ReadOp read) {
  Value tensor = read.getTensor();
  SmallVector<AffineForm> indices;
  for (Value index : read.getIndices())
    indices.push_back(formOf(index));
  auto [number, isNew] = variables.derived(AffineVariables::Element, indices,
                                           tensor.getAsOpaquePointer());
  AffineForm x = AffineForm::variable(number);
  if (!isNew)
    return x;
  variables[number].kind = SpaceVariable::Data;
  variables[number].value = read.getResult();
  StringAttr range;
  bool isCount = false;
  if (auto order = tensor.getDefiningOp<OrderOp>())
    range = order.getFromAttr();
  else if (auto einsum = tensor.getDefiningOp<EinsumOp>())
    if (auto kind = einsum.builtinReduce()) {
      isCount = *kind == Reduce::count;
      if (*kind == Reduce::argmax || *kind == Reduce::argmin)
        range = cast<StringAttr>(einsum.getReduced()[0]);
    }
  if (!range && !isCount)
    return x;
  PointSet facts = PointSet::nonNegative(x);
  if (range)
    facts = facts.intersect(PointSet::nonNegative(extentOf(range) - x - 1));
  variables[number].lower = 0;
  variables[number].definition = facts;
  return x;
}

/// `a else b`: the one where it is present, the other where it is not.
AffineForm IterationSpace::choice(ElseOp op) {
  AffineForm a = formOf(op.getValue()), b = formOf(op.getOtherwise());
  if (a == b)
    return a;
  PointSet first = presence(op.getValue(), Approximation::Over);
  PointSet second =
      presence(op.getValue(), Approximation::Under).complement(true);
  unsigned number = variables.add(SpaceVariable::Derived, op);
  AffineForm x = AffineForm::variable(number);
  variables[number].definition =
      first.intersect(PointSet::zero(x - a))
          .unite(second.intersect(PointSet::zero(x - b)));
  auto ia = variables.intervalOf(a), ib = variables.intervalOf(b);
  if (ia.lower && ib.lower)
    variables[number].lower = std::min(*ia.lower, *ib.lower);
  if (ia.upper && ib.upper)
    variables[number].upper = std::max(*ia.upper, *ib.upper);
  return x;
}

AffineForm IterationSpace::compute(Value value) {
  Operation *op = value.getDefiningOp();
  if (!op || !value.getType().isSignlessInteger())
    return opaque(value);
  if (auto constant = dyn_cast<arith::ConstantOp>(op))
    return AffineForm::of(cast<IntegerAttr>(constant.getValue()).getInt());
  if (auto extent = dyn_cast<ExtentOp>(op))
    return extentOf(extent.getRankAttr());
  if (auto read = dyn_cast<ReadOp>(op))
    return readForm(read);
  if (auto map = dyn_cast<MapOp>(op))
    return mapForm(map);
  if (auto where = dyn_cast<WhereOp>(op))
    return formOf(where.getValue());
  if (auto otherwise = dyn_cast<ElseOp>(op))
    return choice(otherwise);
  if (auto castOp = dyn_cast<CastOp>(op);
      castOp && castOp.getOperand().getType().isSignlessInteger() &&
      (castOp.getType().isInteger(32) || castOp.getType().isInteger(64)))
    return formOf(castOp.getOperand());
  return opaque(value);
}

/// The same at all points: of numbers, extents and run-time scalars.
static bool isFixed(Value value) {
  Operation *op = value.getDefiningOp();
  if (!op)
    return false;
  if (isa<arith::ConstantOp, ExtentOp>(op))
    return true;
  if (auto read = dyn_cast<ReadOp>(op))
    return read.getIndices().empty();
  return isa<MapOp>(op) && llvm::all_of(op->getOperands(), isFixed);
}

/// Affine in what is affine. Extents times coordinates are the determined
/// coordinates of relations.
static bool isAffine(MapOp map) {
  static constexpr Fn linear[] = {Fn::add, Fn::sub, Fn::neg,
                                  Fn::min, Fn::max, Fn::abs};
  static constexpr Fn scaled[] = {Fn::mul, Fn::floordiv, Fn::mod, Fn::shl,
                                  Fn::shr};
  if (llvm::is_contained(linear, map.getFn()))
    return true;
  return llvm::is_contained(scaled, map.getFn()) &&
         (isFixed(map.getOperand(1)) ||
          (map.getFn() == Fn::mul && isFixed(map.getOperand(0))));
}

IndexKind IterationSpace::classify(Value index) {
  SmallVector<Value> stack{index};
  llvm::DenseSet<Value> seen;
  auto kind = IndexKind::Affine;
  while (!stack.empty()) {
    Value value = stack.pop_back_val();
    Operation *op = value.getDefiningOp();
    if (!op || !seen.insert(value).second)
      continue;
    if (auto read = dyn_cast<ReadOp>(op)) {
      if (!read.getIndices().empty())
        return IndexKind::Data;
    } else if (auto where = dyn_cast<WhereOp>(op)) {
      // Conditions select, they do not enter the value.
      stack.push_back(where.getValue());
    } else if (auto map = dyn_cast<MapOp>(op)) {
      if (!isAffine(map) && !isFixed(value))
        kind = IndexKind::Opaque;
      llvm::append_range(stack, map.getOperands());
    } else if (isa<ElseOp>(op)) {
      llvm::append_range(stack, op->getOperands());
    } else if (auto castOp = dyn_cast<CastOp>(op)) {
      if (!castOp.getOperand().getType().isSignlessInteger())
        kind = IndexKind::Opaque;
      stack.push_back(castOp.getOperand());
    }
  }
  return kind;
}

std::optional<AffineForm> IterationSpace::affineOf(Value value) {
  if (classify(value) != IndexKind::Affine)
    return std::nullopt;
  return formOf(value);
}
