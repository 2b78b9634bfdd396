//===- ContractionWriter.cpp - contractions as einsums ----------*- C++ -*-===//
#include "passes/derive/ContractionWriter.h"
#include "dialect/PrintExpr.h"
#include "passes/derive/Laws.h"

using namespace mlir;
using namespace attn;

namespace {

class ContractionWriter {
public:
  ContractionWriter(TensorNetwork &network, const ContractionPlan &plan)
      : network(network), plan(plan), root(network.root),
        cascade(root->getParentOfType<CascadeOp>()), b(root),
        name(tensorName(root.getResult(0)).str()) {}

  Value run();

private:
  void declareCopies();
  EinsumSpec specOf(const ContractionStep &step, bool isResult);
  Value product(ExprBuilder &e, Coordinates &at, const ContractionStep &step);
  EinsumOp write(const ContractionStep &step, StringRef stepName,
                 bool isResult);
  Value writeOuter(Value sum);
  Value anyCondition(const RankSet &asked);
  Value hasPoint(ExprBuilder &e, const Coordinates &at);

  TensorNetwork &network;
  const ContractionPlan &plan;
  EinsumOp root;
  CascadeOp cascade;
  OpBuilder b;
  std::string name;
  SmallVector<Value> leaves; // of the body, those that are left
  SmallVector<Value> made;   // tensors, one a step
};

} // namespace

/// A copy of a rank is a rank of the same extent.
void ContractionWriter::declareCopies() {
  MLIRContext *ctx = root.getContext();
  for (auto [copy, source] : network.products.copies) {
    ExtentAttr extent = cascade.findRank(source.getValue()).getExtent();
    if (!extent)
      extent = ExtentAttr::get(
          ctx, AffineMap::get(0, 1, getAffineSymbolExpr(0, ctx)), {source});
    declareRank(cascade, copy, extent);
  }
}

//===----------------------------------------------------------------------===//
// Steps
//===----------------------------------------------------------------------===//

/// The einsum of a step, but for its name.
EinsumSpec ContractionWriter::specOf(const ContractionStep &step,
                                     bool isResult) {
  EinsumSpec spec{"", {}, {}, root.getMonoidAttr(), computeReal(root)};
  Ranks space = strings(root.getSpace());
  if (&step == &plan.steps.back()) {
    spec.space = space;
  } else {
    // What the result has innermost stays innermost.
    bool hasInnermost = false;
    for (int i : step.kept.set_bits())
      if (network.ranks[i] == space.back())
        hasInnermost = true;
      else
        spec.space.push_back(network.ranks[i]);
    if (hasInnermost)
      spec.space.push_back(space.back());
  }
  for (int i : step.summed.set_bits())
    spec.reduced.push_back(network.ranks[i]);
  if (isResult) {
    spec.element =
        cast<NamedTensorType>(root.getResultTypes()[0]).getElementType();
    spec.rounded = root.getRounded();
  }
  if (spec.reduced.empty())
    spec.monoid = {};
  return spec;
}

/// The product of a step's operands.
Value ContractionWriter::product(ExprBuilder &e, Coordinates &at,
                                 const ContractionStep &step) {
  auto operand = [&](unsigned number) {
    return number < leaves.size() ? network.valueAt(e, at, leaves[number])
                                  : e.read(made[number - leaves.size()], at);
  };
  Value left = operand(step.left);
  return step.left == step.right ? left
                                 : e.map(Fn::mul, {left, operand(step.right)});
}

EinsumOp ContractionWriter::write(const ContractionStep &step,
                                  StringRef stepName, bool isResult) {
  EinsumSpec spec = specOf(step, isResult);
  spec.name = stepName;
  if (spec.monoid)
    return buildEinsum(
        b, root.getLoc(), spec,
        [&](ExprBuilder &e, Coordinates &at) { return product(e, at, step); },
        [&](ExprBuilder &e, Coordinates &at) {
          return isResult ? guardAt(e, root, at) : e.boolean(true);
        });
  // A point that is not there adds nothing.
  return buildEinsum(
      b, root.getLoc(), spec, [&](ExprBuilder &e, Coordinates &at) {
        Value value = e.otherwise(product(e, at, step), e.real(0));
        return isResult ? e.where(value, guardAt(e, root, at)) : value;
      });
}

//===----------------------------------------------------------------------===//
// Factors of the result
//===----------------------------------------------------------------------===//

/// Whether some point of the sum fulfils all conditions, over the ranks in
/// `asked`; null: none of them is reduced, the result's own presence says it.
Value ContractionWriter::anyCondition(const RankSet &asked) {
  if (!asked.anyCommon(network.reduced))
    return {};
  std::string anyName = name + ".any";
  EinsumSpec spec{anyName,
                  {},
                  {},
                  ReduceAttr::get(b.getContext(), Reduce::any),
                  b.getI1Type()};
  for (int i : asked.set_bits())
    (network.reduced.test(i) ? spec.reduced : spec.space)
        .push_back(network.ranks[i]);
  OpBuilder outer(root); // the result is being written
  return buildEinsum(
             outer, root.getLoc(), spec,
             [&](ExprBuilder &e, Coordinates &at) {
               Value one = e.boolean(true);
               for (Value condition : network.conditions)
                 one = e.where(one, network.valueAt(e, at, condition));
               return one;
             },
             [&](ExprBuilder &e, Coordinates &) { return e.boolean(true); })
      .getResult(0);
}

/// True where the sum has a point; null: always.
Value ContractionWriter::hasPoint(ExprBuilder &e, const Coordinates &at) {
  RankSet asked(network.ranks.size());
  for (Value condition : network.conditions)
    asked |= network.ranksOf(condition);
  Value any = anyCondition(asked);
  Value points = any ? e.read(any, at) : Value();
  for (int i : network.reduced.set_bits()) {
    StringAttr rank = network.ranks[i];
    if (asked.test(i) || cascade.staticExtent(rank).value_or(0) > 0)
      continue;
    Value some = e.map(Fn::gt, {e.extent(rank), e.integer(0)});
    points = points ? e.map(Fn::and_, {points, some}) : some;
  }
  return points;
}

/// The result: `sum` times the outer factors.
Value ContractionWriter::writeOuter(Value sum) {
  auto whole = buildEinsum(
      b, root.getLoc(), mapLike(root, name),
      [&](ExprBuilder &e, Coordinates &at) {
        Value value = e.read(sum, at);
        for (const Leaf &factor : network.outer)
          value = e.map(factor.divides ? Fn::div : Fn::mul,
                        {value, network.valueAt(e, at, factor.value)});
        bool areConstant = llvm::all_of(
            network.outer, [](auto &factor) { return factor.isConstant(); });
        Value points = areConstant ? Value() : hasPoint(e, at);
        if (points)
          value = e.otherwise(e.where(value, points), e.real(0));
        return e.where(value, guardAt(e, root, at));
      });
  return whole.getResult(0);
}

Value ContractionWriter::run() {
  declareCopies();
  for (const Leaf &leaf : network.leaves)
    if (leaf.value)
      leaves.push_back(leaf.value);
  for (auto [number, step] : llvm::enumerate(plan.steps)) {
    bool isResult = network.outer.empty() && number + 1 == plan.steps.size();
    std::string stepName =
        isResult ? name : name + ".assoc" + std::to_string(number);
    EinsumOp sum = write(step, stepName, isResult);
    if (!isResult)
      sum->setAttr(kOnceName, b.getUnitAttr());
    made.push_back(sum.getResult(0));
  }
  return network.outer.empty() ? made.back() : writeOuter(made.back());
}

Value attn::writeContractions(TensorNetwork &network,
                              const ContractionPlan &plan) {
  return ContractionWriter(network, plan).run();
}
