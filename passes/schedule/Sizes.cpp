//===- Sizes.cpp - how tensors grow with the extents ------------*- C++ -*-===//
#include "passes/schedule/Sizes.h"

using namespace mlir;
using namespace attn;

// A static extent up to this size is a constant factor.
constexpr int64_t smallExtent = 256;

Sizes::Sizes(CascadeOp cascade) : cascade(cascade) {
  auto add = [&](Type type) {
    for (Product &product : ofRanks(cast<NamedTensorType>(type).getRanks()))
      ports.push_back(std::move(product));
  };
  for (Value input : cascade.getBody().getArguments())
    add(input.getType());
  for (Value output : cascade.getReturn().getOperands())
    add(output.getType());
}

Sizes::Sum Sizes::multiply(const Sum &x, const Sum &y) {
  Sum result;
  for (const Product &a : x)
    for (const Product &b : y) {
      Product product = a;
      product.insert(product.end(), b.begin(), b.end());
      llvm::sort(product);
      result.push_back(std::move(product));
    }
  return result;
}

Sizes::Sum Sizes::ofExpr(AffineExpr expr, ExtentAttr extent) {
  if (auto constant = dyn_cast<AffineConstantExpr>(expr))
    return {{}};
  if (auto symbol = dyn_cast<AffineSymbolExpr>(expr))
    return ofRank(extent.getRanks()[symbol.getPosition()]);
  auto binary = cast<AffineBinaryOpExpr>(expr);
  Sum left = ofExpr(binary.getLHS(), extent);
  if (expr.getKind() != AffineExprKind::Add &&
      expr.getKind() != AffineExprKind::Mul)
    return left; // a quotient is no larger, nor is a remainder
  Sum right = ofExpr(binary.getRHS(), extent);
  if (expr.getKind() == AffineExprKind::Mul)
    return multiply(left, right);
  for (Product &product : right)
    if (!product.empty() && !llvm::is_contained(left, product))
      left.push_back(std::move(product));
  return left;
}

/// A free rank; of a relation, as large as its parts are.
Sizes::Sum Sizes::ofWhole(StringAttr rank) {
  Sum self = {{rank.str()}};
  known[rank.str()] = self; // what parts computed from the whole refer to
  for (Attribute relation : cascade.getRelations()) {
    if (auto product = dyn_cast<ProductAttr>(relation))
      if (product.getWhole() == rank)
        return ofRanks(product.getParts());
    auto parts = dyn_cast<SumAttr>(relation);
    if (!parts || parts.getWhole() != rank)
      continue;
    Sum all;
    for (StringAttr part : parts.getParts())
      for (const Product &product : ofRank(part))
        if (!llvm::is_contained(all, product))
          all.push_back(product);
    return all;
  }
  return self;
}

Sizes::Sum Sizes::ofRank(StringAttr rank) {
  auto it = known.find(rank.str());
  if (it != known.end())
    return it->second;
  Sum &sum = known[rank.str()];
  ExtentAttr extent = cascade.findRank(rank.getValue()).getExtent();
  auto constant = cascade.staticExtent(rank);
  if (constant)
    sum = *constant <= smallExtent ? Sum{{}}
                                   : Sum{{"=" + std::to_string(*constant)}};
  else if (!extent)
    sum = ofWhole(rank);
  else
    sum = ofExpr(extent.getMap().getResult(0), extent);
  return sum;
}

Sizes::Sum Sizes::ofRanks(ArrayRef<StringAttr> ranks) {
  Sum sum = {{}};
  for (StringAttr rank : ranks)
    sum = multiply(sum, ofRank(rank));
  return sum;
}

bool Sizes::fitsPort(const Product &product) {
  return llvm::any_of(ports, [&](const Product &port) {
    return std::includes(port.begin(), port.end(), product.begin(),
                         product.end());
  });
}

bool Sizes::fitsPort(ArrayRef<StringAttr> ranks) {
  return llvm::all_of(ofRanks(ranks), [&](const Product &product) {
    return fitsPort(product);
  });
}

std::pair<size_t, size_t> Sizes::degree(ArrayRef<StringAttr> ranks) {
  size_t factors = 0, beyond = 0;
  for (const Product &product : ofRanks(ranks)) {
    factors = std::max(factors, product.size());
    beyond += !fitsPort(product);
  }
  return {factors, beyond};
}

bool Sizes::isSmall(ArrayRef<StringAttr> ranks) {
  if (fitsPort(ranks))
    return true;
  Sum sum = ofRanks(ranks);
  return llvm::all_of(
      sum, [](const Product &product) { return product.size() <= 1; });
}
