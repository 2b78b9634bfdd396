//===- TypicalExtents.cpp - how large ranks are likely to be ----*- C++ -*-===//
#include "passes/derive/TypicalExtents.h"
#include "mlir/IR/AffineExpr.h"
#include "passes/derive/PassCount.h"

using namespace mlir;
using namespace attn;

constexpr double sequenceExtent = 4096, featureExtent = 64, otherExtent = 8;

TypicalExtents::TypicalExtents(CascadeOp cascade) : cascade(cascade) {
  cascade.walk([&](EinsumOp op) {
    for (StringAttr rank : strings(op.getReduced()))
      reduced.insert(rank);
  });
  findSequences();
}

/// Of the ports that have the outermost rank of the first output (the others
/// are weights), the last axis is a feature, the one before it a sequence; what
/// is both is a sequence if it is walked in order or more than once (a score is
/// given, not a state), and so is what is neither. Ranks of weights are
/// features.
void TypicalExtents::findSequences() {
  SmallVector<StringAttr> evident;
  for (const RankPasses &rank : countPasses(cascade))
    if (rank.count > 1)
      evident.push_back(rank.rank);
  cascade.walk([&](EquationsOp equations) {
    auto ranks =
        cast<NamedTensorType>(equations.getResult().getType()).getRanks();
    for (auto pattern : equations.getPatterns().getAsRange<ArrayAttr>())
      for (auto [rank, index] : llvm::zip(ranks, pattern))
        if (isa<ExtentAttr>(index))
          evident.push_back(rank);
  });
  SmallVector<Type> ports(cascade.getBody().getArgumentTypes());
  llvm::append_range(ports, cascade.getReturn().getOperandTypes());
  auto outermost =
      cast<NamedTensorType>(cascade.getReturn().getOperandTypes().front())
          .getRanks();
  for (Type type : ports) {
    auto tensor = cast<NamedTensorType>(type);
    auto ranks = tensor.getRanks();
    if (!isa<FloatType>(tensor.getElementType()) || ranks.size() < 2)
      continue;
    bool isData = outermost.size() < 3
                      ? ranks.size() == 2
                      : llvm::is_contained(ranks, outermost.front());
    if (!isData)
      continue;
    inData.insert(ranks.begin(), ranks.end());
    features.insert(ranks.back());
    sequences.insert(ranks[ranks.size() - 2]);
  }
  llvm::DenseSet<StringAttr> walked(evident.begin(), evident.end()), both;
  for (StringAttr rank : features)
    if (sequences.contains(rank))
      both.insert(rank);
  for (StringAttr rank : both)
    (walked.contains(rank) ? features : sequences).erase(rank);
  for (StringAttr rank : evident)
    if (inData.contains(rank) && !features.contains(rank))
      sequences.insert(rank);
}

double TypicalExtents::evaluate(AffineExpr expr, ExtentAttr extent) {
  if (auto constant = dyn_cast<AffineConstantExpr>(expr))
    return constant.getValue();
  if (auto symbol = dyn_cast<AffineSymbolExpr>(expr))
    return of(extent.getRanks()[symbol.getPosition()]);
  auto binary = dyn_cast<AffineBinaryOpExpr>(expr);
  if (!binary)
    return otherExtent;
  double x = evaluate(binary.getLHS(), extent),
         y = evaluate(binary.getRHS(), extent);
  switch (expr.getKind()) {
  case AffineExprKind::Add:
    return x + y;
  case AffineExprKind::Mul:
    return x * y;
  case AffineExprKind::FloorDiv:
  case AffineExprKind::CeilDiv:
    return y > 0 ? x / y : x;
  default:
    return std::min(x, y);
  }
}

double TypicalExtents::guess(StringAttr rank) {
  if (sequences.contains(rank))
    return sequenceExtent;
  if (features.contains(rank))
    return featureExtent;
  return reduced.contains(rank) && !inData.contains(rank) ? featureExtent
                                                          : otherExtent;
}

SmallVector<SmallVector<StringAttr>> TypicalExtents::doubtful() {
  SmallVector<SmallVector<StringAttr>> sets;
  SmallVector<StringAttr> ofData;
  for (auto attribute : cascade.getRanks().getAsRange<RankAttr>()) {
    StringAttr rank = attribute.getName();
    if (attribute.getExtent() || guess(rank) != featureExtent)
      continue;
    sets.push_back({rank});
    if (inData.contains(rank))
      ofData.push_back(rank);
  }
  sets.push_back(ofData);
  return sets;
}

double TypicalExtents::of(StringAttr rank) {
  auto it = known.find(rank);
  if (it != known.end())
    return it->second;
  known[rank] = 1; // what refers to itself
  double value;
  RankAttr attribute = cascade.findRank(rank.getValue());
  if (auto constant = cascade.staticExtent(rank))
    value = *constant;
  else if (attribute && attribute.getExtent())
    value = evaluate(attribute.getExtent().getMap().getResult(0),
                     attribute.getExtent());
  else
    value = guess(rank) * (supposed.contains(rank) ? supposed[rank] : 1);
  return known[rank] = std::max(value, 1.0);
}
