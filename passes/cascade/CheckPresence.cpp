//===- CheckPresence.cpp - warn where absence probably surprises -*- C++
//-*-===//
// The warnings of LANGUAGE section 14 about presence (rulings 14, 15, 25). Best
// effort: masks are compared by their text, and a filled value has none.
#include "dialect/Affine.h"
#include "dialect/PrintExpr.h"
#include "passes/Passes.h"
#include <cmath>
#include <set>

namespace attn {
#define GEN_PASS_DEF_ATTNCHECKPRESENCE
#include "passes/Passes.h.inc"
} // namespace attn

using namespace mlir;
using namespace attn;

namespace {
/// Conditions that make a value absent, as text.
using Masks = std::set<std::string>;

class Checker {
public:
  explicit Checker(CascadeOp cascade) : cascade(cascade) {}
  void check(EinsumOp op);

private:
  void addMasks(Value value, Masks &masks, unsigned depth,
                llvm::DenseSet<Value> &seen);
  void addCondition(Value condition, Masks &masks);
  Masks masksOf(Value value);
  Masks masksInside(EinsumOp reduction);
  void checkSum(MapOp op);
  void checkProduct(MapOp op, IterationSpace &space);
  void checkMean(MapOp op);
  void warn(Operation *at, const Twine &text, const Twine &hint);

  CascadeOp cascade;
  std::set<std::pair<const void *, std::string>> said;
};
} // namespace

void Checker::warn(Operation *at, const Twine &text, const Twine &hint) {
  // A definition that was inlined twice is one place in the source.
  if (!said.insert({at->getLoc().getAsOpaquePointer(), text.str()}).second)
    return;
  InFlightDiagnostic warning = at->emitWarning() << text;
  warning.attachNote() << "hint: " << hint;
}

//===----------------------------------------------------------------------===//
// Masks
//===----------------------------------------------------------------------===//

/// Those of a map's masks that may leave a fibre of its reduction empty: they
/// name a reduced rank.
static Masks namingReduced(const Masks &masks, EinsumOp reduction) {
  SmallVector<StringAttr> names = strings(reduction.getReduced());
  auto isReduced = [&](StringRef word) {
    return llvm::any_of(
        names, [&](StringAttr name) { return name.getValue() == word; });
  };
  Masks inside;
  for (const std::string &mask : masks) {
    StringRef rest = mask;
    while (!rest.empty()) {
      StringRef word = rest.take_while(
          [](char c) { return llvm::isAlnum(c) || c == '_' || c == '\''; });
      if (isReduced(word))
        inside.insert(mask);
      rest = rest.drop_front(std::max<size_t>(word.size(), 1));
    }
  }
  return inside;
}

/// The conjuncts of a condition that the program wrote for its own sake: not
/// the prelude's tests for -inf and for empty counts, nor ends of ragged
/// blocks.
void Checker::addCondition(Value condition, Masks &masks) {
  auto map = condition.getDefiningOp<MapOp>();
  if (map && map.getFn() == Fn::and_) {
    addCondition(map.getOperand(0), masks);
    addCondition(map.getOperand(1), masks);
    return;
  }
  if (map && map.getOperands().size() == 2) {
    Value bound = map.getOperand(1);
    if (auto constant = bound.getDefiningOp<arith::ConstantOp>())
      if (auto real = dyn_cast<FloatAttr>(constant.getValue());
          real && std::isinf(real.getValueAsDouble()))
        return;
    if (bound.getDefiningOp<ExtentOp>())
      return;
    auto read = map.getOperand(0).getDefiningOp<ReadOp>();
    if (read && isSubexpression(tensorName(read.getTensor())))
      return;
  }
  masks.insert(printExpr(condition));
}

void Checker::addMasks(Value value, Masks &masks, unsigned depth,
                       llvm::DenseSet<Value> &seen) {
  Operation *op = value.getDefiningOp();
  if (!op || depth == 0 || isa<ElseOp>(op) || !seen.insert(value).second)
    return;
  if (auto where = dyn_cast<WhereOp>(op)) {
    addCondition(where.getCondition(), masks);
    return addMasks(where.getValue(), masks, depth, seen);
  }
  auto read = dyn_cast<ReadOp>(op);
  if (!read) {
    for (Value operand : op->getOperands())
      addMasks(operand, masks, depth, seen);
    return;
  }
  auto einsum = read.getTensor().getDefiningOp<EinsumOp>();
  if (!einsum || einsum.getNumResults() != 1)
    return;
  Value yielded = einsum.getMapYield().getOperand(0);
  if (!einsum.isReduction())
    return addMasks(yielded, masks, depth - 1, seen);
  // Of a reduction's masks those free of its ranks are the result's.
  Masks inside;
  addMasks(yielded, inside, depth - 1, seen);
  Masks bound = namingReduced(inside, einsum);
  for (const std::string &mask : inside)
    if (!bound.contains(mask))
      masks.insert(mask);
}

Masks Checker::masksOf(Value value) {
  Masks masks;
  llvm::DenseSet<Value> seen;
  addMasks(value, masks, 8, seen);
  return masks;
}

Masks Checker::masksInside(EinsumOp reduction) {
  return namingReduced(masksOf(reduction.getMapYield().getOperand(0)),
                       reduction);
}

//===----------------------------------------------------------------------===//
// The warnings
//===----------------------------------------------------------------------===//

/// An operand for a message: bare where it can be.
static std::string nameOf(Value value) {
  if (auto read = value.getDefiningOp<ReadOp>())
    if (llvm::all_of(read.getIndices(),
                     [](Value index) { return isa<BlockArgument>(index); }))
      return tensorName(read.getTensor()).str();
  std::string text = printExpr(value);
  return text.size() <= 40 ? text : "..";
}

/// A sum of differently masked tensors lives on the intersection. A statistic
/// whose masks its operand has too is meant: x - max(x).
void Checker::checkSum(MapOp op) {
  Masks a = masksOf(op.getOperand(0)), b = masksOf(op.getOperand(1));
  if (a.empty() || b.empty() || a == b)
    return;
  for (Value operand : op.getOperands()) {
    auto read = operand.getDefiningOp<ReadOp>();
    auto einsum =
        read ? read.getTensor().getDefiningOp<EinsumOp>() : EinsumOp();
    if (einsum && einsum.isReduction() &&
        (std::includes(a.begin(), a.end(), b.begin(), b.end()) ||
         std::includes(b.begin(), b.end(), a.begin(), a.end())))
      return;
  }
  std::string left = nameOf(op.getOperand(0));
  warn(op,
       left + (op.getFn() == Fn::add ? " + " : " - ") +
           nameOf(op.getOperand(1)) + " is present only where both are",
       "`" + left + " else 0`");
}

/// The identity of an empty maximum is infinite.
void Checker::checkProduct(MapOp op, IterationSpace &space) {
  for (Value operand : op.getOperands()) {
    auto read = operand.getDefiningOp<ReadOp>();
    auto einsum =
        read ? read.getTensor().getDefiningOp<EinsumOp>() : EinsumOp();
    auto kind = einsum ? einsum.builtinReduce() : std::nullopt;
    bool isMax = kind == Reduce::max;
    if ((!isMax && kind != Reduce::min) || !isa<FloatType>(read.getType()) ||
        masksInside(einsum).empty() || !space.demand(read).isAll())
      continue;
    SmallVector<std::string> ranks;
    for (StringAttr rank : strings(einsum.getReduced()))
      ranks.push_back(rank.str());
    warn(op,
         stringifyReduce(*kind) + "[" + llvm::join(ranks, ",") +
             "](..) may be " + (isMax ? "-inf" : "inf") +
             " over an empty fibre and enters `*`",
         "guard with `where`");
  }
}

/// sum(x) / count(x) of a masked tensor x.
void Checker::checkMean(MapOp op) {
  auto reduction = [](Value value, Reduce kind) {
    if (auto real = value.getDefiningOp<MapOp>();
        real && real.getFn() == Fn::real)
      value = real.getOperand(0);
    auto read = value.getDefiningOp<ReadOp>();
    auto einsum =
        read ? read.getTensor().getDefiningOp<EinsumOp>() : EinsumOp();
    return einsum && einsum.builtinReduce() == kind ? einsum : EinsumOp();
  };
  EinsumOp sum = reduction(op.getOperand(0), Reduce::sum);
  EinsumOp count = reduction(op.getOperand(1), Reduce::count);
  if (!sum || !count || sum.getReduced() != count.getReduced())
    return;
  auto read = sum.getMapYield().getOperand(0).getDefiningOp<ReadOp>();
  auto counted = count.getMapYield().getOperand(0).getDefiningOp<ReadOp>();
  if (!read || !counted || read.getTensor() != counted.getTensor() ||
      masksInside(sum).empty())
    return;
  StringRef name = tensorName(read.getTensor());
  warn(op, "mean counts the present points of " + name,
       "`" + name + " else 0` counts all");
}

void Checker::check(EinsumOp einsum) {
  IterationSpace space(cascade);
  for (MapOp op : einsum.getMap().getOps<MapOp>()) {
    if (!isa<FloatType>(op.getType()))
      continue;
    if (op.getFn() == Fn::add || op.getFn() == Fn::sub)
      checkSum(op);
    else if (op.getFn() == Fn::mul)
      checkProduct(op, space);
    else if (op.getFn() == Fn::div)
      checkMean(op);
  }
}

namespace {
struct CheckPresence : attn::impl::AttnCheckPresenceBase<CheckPresence> {
  void runOnOperation() override {
    Checker checker(getOperation());
    getOperation().walk([&](EinsumOp op) { checker.check(op); });
  }
};
} // namespace
