//===- AffineExtents.cpp - extents and relations as forms -------*- C++ -*-===//
#include "dialect/AffineExtents.h"

using namespace mlir;
using namespace attn;

//===----------------------------------------------------------------------===//
// Extents
//===----------------------------------------------------------------------===//

AffineForm AffineExtents::of(AffineExpr expr, ExtentAttr extent) {
  if (auto constant = dyn_cast<AffineConstantExpr>(expr))
    return AffineForm::of(constant.getValue());
  if (auto symbol = dyn_cast<AffineSymbolExpr>(expr))
    return of(extent.getRanks()[symbol.getPosition()]);
  auto binary = cast<AffineBinaryOpExpr>(expr);
  AffineForm a = of(binary.getLHS(), extent), b = of(binary.getRHS(), extent);
  switch (expr.getKind()) {
  case AffineExprKind::Add:
    return a + b;
  case AffineExprKind::Mul:
    return variables.product(a, b);
  case AffineExprKind::FloorDiv:
    return variables.quotient(a, b);
  case AffineExprKind::CeilDiv:
    return variables.quotient(a + b - 1, b);
  case AffineExprKind::Mod:
    return variables.remainder(a, b);
  default:
    llvm_unreachable("no other binary expression");
  }
}

AffineForm AffineExtents::of(ExtentAttr extent) {
  std::optional<AffineForm> least;
  for (AffineExpr result : extent.getMap().getResults()) {
    AffineForm form = of(result, extent);
    least = least ? variables.minimum(*least, form) : form;
  }
  return *least;
}

AffineForm AffineExtents::of(StringAttr rank) {
  if (auto value = cascade.staticExtent(rank))
    return AffineForm::of(*value);
  if (auto it = numbers.find(rank); it != numbers.end())
    return AffineForm::variable(it->second);
  RankAttr attribute = cascade.findRank(rank);
  std::optional<AffineForm> derived;
  if (attribute && attribute.getExtent()) {
    derived = of(attribute.getExtent());
    if (variables.isNatural(*derived))
      return *derived;
  }
  unsigned number = variables.add(SpaceVariable::Extent, {}, rank);
  numbers[rank] = number;
  AffineForm form = AffineForm::variable(number);
  variables[number].lower = 0;
  PointSet facts = PointSet::nonNegative(form);
  if (derived) {
    PointSet equal = PointSet::zero(form - *derived);
    PointSet clamped = PointSet::zero(form).intersect(
        PointSet::nonNegative(AffineForm::of(-1) - *derived));
    facts = facts.intersect(equal).unite(clamped);
  }
  variables[number].definition = facts;
  facts = facts.intersect(relationsOf(rank, form, derived.has_value()));
  variables[number].definition = facts;
  return form;
}

/// The extent of consecutive parts.
AffineForm AffineExtents::volume(ArrayRef<StringAttr> ranks) {
  AffineForm extent = AffineForm::of(1);
  for (StringAttr rank : ranks)
    extent = variables.product(extent, of(rank));
  return extent;
}

/// At entry a whole is at most the product, or exactly the sum, of its parts.
PointSet AffineExtents::relationsOf(StringAttr whole, const AffineForm &extent,
                                    bool isDerived) {
  PointSet facts = PointSet::all();
  for (Attribute relation : cascade.getRelations()) {
    auto product = dyn_cast<ProductAttr>(relation);
    auto sum = dyn_cast<SumAttr>(relation);
    if (product && product.getWhole() == whole) {
      facts = facts.intersect(
          PointSet::nonNegative(volume(product.getParts()) - extent));
    } else if (sum && sum.getWhole() == whole && !isDerived) {
      AffineForm parts;
      for (StringAttr part : sum.getParts())
        parts = parts + of(part);
      facts = facts.intersect(PointSet::zero(parts - extent));
    }
  }
  return facts;
}

//===----------------------------------------------------------------------===//
// Coordinates
//===----------------------------------------------------------------------===//

/// The whole is p1 * |p2| * .. + p2 * .. + .., each part a digit of it.
bool AffineExtents::determine(ProductAttr product, Coordinates &known) {
  ArrayRef<StringAttr> parts = product.getParts();
  size_t before = known.size();
  auto stride = [&](size_t i) { return volume(parts.drop_front(i + 1)); };
  if (llvm::all_of(parts, [&](auto part) { return known.contains(part); })) {
    AffineForm whole;
    for (auto [i, part] : llvm::enumerate(parts))
      whole = whole + variables.product(known[part], stride(i));
    known.try_emplace(product.getWhole(), whole);
  }
  auto it = known.find(product.getWhole());
  if (it == known.end())
    return known.size() > before;
  AffineForm whole = it->second;
  for (auto [i, part] : llvm::enumerate(parts)) {
    AffineForm digits = variables.quotient(whole, stride(i));
    AffineForm extent = of(part);
    known.try_emplace(part,
                      i == 0 ? digits : variables.remainder(digits, extent));
  }
  return known.size() > before;
}

/// A part begins where the one before it ends.
bool AffineExtents::determine(SumAttr sum, Coordinates &known) {
  size_t before = known.size();
  AffineForm offset;
  for (StringAttr part : sum.getParts()) {
    auto whole = known.find(sum.getWhole());
    if (whole != known.end())
      known.try_emplace(part, whole->second - offset);
    else if (auto it = known.find(part); it != known.end())
      known.try_emplace(sum.getWhole(), it->second + offset);
    offset = offset + of(part);
  }
  return known.size() > before;
}

void AffineExtents::determine(StringAttr rank, Coordinates &known) {
  for (bool changed = true; changed && !known.contains(rank);) {
    changed = false;
    for (Attribute relation : cascade.getRelations())
      if (auto product = dyn_cast<ProductAttr>(relation))
        changed |= determine(product, known);
      else if (auto sum = dyn_cast<SumAttr>(relation))
        changed |= determine(sum, known);
  }
}
