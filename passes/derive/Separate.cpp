//===- Separate.cpp - a sum of terms that move apart ------------*- C++ -*-===//
// SEPARATE: where statistics of the row scale the terms of a summand
// differently, no factor repairs the sum, but each term's own sum is repaired
// or scaled at the end:
//
//   sum[n](c1 g1 + c2 g2) = c1 sum[n](g1) + c2 sum[n](g2)
//
// Products of sums are multiplied out. A term is present where the whole
// summand is.
#include "dialect/PrintExpr.h"
#include "mlir/IR/Matchers.h"
#include "passes/cascade/Normalise.h"
#include "passes/derive/Laws.h"
#include "passes/derive/Streams.h"

using namespace mlir;
using namespace attn;

namespace {

constexpr size_t kMaxTerms = 8;

struct Term {
  Value value;
  bool isNegative = false;
  /// What the whole has and this term lacks: the term needs it present.
  SmallVector<Value, 4> without;
};
using Terms = SmallVector<Term, 2>;

class Separator {
public:
  explicit Separator(EinsumOp op)
      : op(op), rank(cast<StringAttr>(op.getReduced()[0])), b(op.getMapYield()),
        forms(tensors()) {}

  /// True if the sum was replaced.
  bool run(CascadeOp cascade);

private:
  StreamTensors tensors();
  bool isLate(Value tensor);
  bool hasRank(Value tensor) {
    return cast<NamedTensorType>(tensor.getType()).rankIndex(rank) >= 0;
  }

  Terms expand(Value value);
  Terms product(const Terms &left, const Terms &right);
  bool collectPresence(Value value, SmallVectorImpl<Value> &conditions);
  Value indicator(OpBuilder &outer, StringRef name, ArrayRef<Value> conditions);
  void replace(CascadeOp cascade, const Terms &terms);

  EinsumOp op;
  StringAttr rank;
  OpBuilder b;
  DenseMap<Value, bool> late;
  FormAnalysis forms;
  llvm::SetVector<Value> statistics; // that the whole needs present
};

} // namespace

StreamTensors Separator::tensors() {
  return {[this](Value v) { return isLate(v); },
          [this](Value v) -> EinsumOp {
            auto def = v.getDefiningOp<EinsumOp>();
            return def && def.getNumResults() == 1 && hasRank(v) ? def
                                                                 : EinsumOp();
          }};
}

/// A value of the row that needs a reduction over the rank.
bool Separator::isLate(Value tensor) {
  auto def = tensor.getDefiningOp<EinsumOp>();
  if (!def || def.getNumResults() != 1 || hasRank(tensor))
    return false;
  auto [it, isNew] = late.try_emplace(tensor, false);
  if (!isNew)
    return it->second;
  bool result = llvm::is_contained(strings(def.getReduced()), rank);
  if (!result && !def.isReduction())
    def.getMap().walk([&](ReadOp read) { result |= isLate(read.getTensor()); });
  return late[tensor] = result;
}

Terms Separator::product(const Terms &left, const Terms &right) {
  Terms terms;
  for (const Term &x : left)
    for (const Term &y : right) {
      Term term{
          MapOp::create(b, op.getLoc(), Fn::mul, ValueRange{x.value, y.value}),
          x.isNegative != y.isNegative, x.without};
      llvm::append_range(term.without, y.without);
      terms.push_back(std::move(term));
    }
  return terms;
}

/// The value as a sum; one term where it cannot be split.
Terms Separator::expand(Value value) {
  Terms whole;
  whole.push_back({value, false, {}});
  if (forms.of(value).kind != Form::Other)
    return whole;
  Operation *def = value.getDefiningOp();
  if (auto read = dyn_cast<ReadOp>(def)) {
    auto point = read.getTensor().getDefiningOp<EinsumOp>();
    if (!point || point.isReduction() || point.getRounded() ||
        read.getBounds() != Bounds::inside || !isPlainRead(read, op))
      return whole;
    IRMapping mapping;
    mapping.map(point.getMap().getArguments(), read.getIndices());
    return expand(cloneExpr(b, point.getMapYield().getOperand(0), mapping));
  }
  if (auto where = dyn_cast<WhereOp>(def)) {
    if (forms.of(where.getCondition()).hasLate())
      return whole;
    Terms terms = expand(where.getValue());
    for (Term &term : terms)
      term.value =
          WhereOp::create(b, op.getLoc(), term.value, where.getCondition());
    return terms;
  }
  auto map = dyn_cast<MapOp>(def);
  if (!map)
    return whole;
  Value x = map.getOperand(0), y = map.getOperands().back();
  Terms terms;
  switch (map.getFn()) {
  case Fn::add:
  case Fn::sub:
    for (Term &term : expand(x)) {
      term.without.push_back(y);
      terms.push_back(term);
    }
    for (Term &term : expand(y)) {
      term.without.push_back(x);
      term.isNegative ^= map.getFn() == Fn::sub;
      terms.push_back(term);
    }
    return terms;
  case Fn::neg:
    terms = expand(x);
    for (Term &term : terms)
      term.isNegative = !term.isNegative;
    return terms;
  case Fn::mul: {
    Terms left = expand(x), right = expand(y);
    if (left.size() * right.size() > kMaxTerms)
      return whole;
    return product(left, right);
  }
  case Fn::pow: {
    FloatAttr power;
    if (!matchPattern(y, m_Constant(&power)) || power.getValueAsDouble() != 2.0)
      return whole;
    Terms root = expand(x);
    return root.size() > 2 ? whole : product(root, root);
  }
  case Fn::div:
    terms = expand(x);
    for (Term &term : terms)
      term.value =
          MapOp::create(b, op.getLoc(), Fn::div, ValueRange{term.value, y});
    return terms;
  default:
    return whole;
  }
}

/// Conditions under which `value` is present; false if statistics decide.
bool Separator::collectPresence(Value value,
                                SmallVectorImpl<Value> &conditions) {
  Operation *def = value.getDefiningOp();
  if (!def || def->getBlock() != &op.getMap().front())
    return true;
  auto present = [&](Value x) {
    ExprBuilder e(b, op.getLoc());
    conditions.push_back(
        e.map(Fn::or_, {e.map(Fn::eq, {x, x}), e.map(Fn::ne, {x, x})}));
    return true;
  };
  if (auto read = dyn_cast<ReadOp>(def)) {
    if (isLate(read.getTensor())) {
      statistics.insert(value);
      return isPlainRead(read, op);
    }
    bool isThere = isa<BlockArgument>(read.getTensor()) &&
                   read.getBounds() == Bounds::inside;
    if (isThere)
      return true;
    if (!forms.of(value).hasLate())
      return present(value);
    auto point = read.getTensor().getDefiningOp<EinsumOp>();
    if (!point || point.isReduction() || read.getBounds() != Bounds::inside)
      return false;
    IRMapping mapping;
    mapping.map(point.getMap().getArguments(), read.getIndices());
    return collectPresence(
        cloneExpr(b, point.getMapYield().getOperand(0), mapping), conditions);
  }
  if (auto where = dyn_cast<WhereOp>(def)) {
    if (forms.of(where.getCondition()).hasLate())
      return false;
    conditions.push_back(where.getCondition());
    return collectPresence(where.getValue(), conditions);
  }
  if (isa<ElseOp>(def))
    return !forms.of(value).hasLate() && present(value);
  return llvm::all_of(def->getOperands(), [&](Value operand) {
    return collectPresence(operand, conditions);
  });
}

/// 1 where the conditions hold, over the ranks that they have: as a factor it
/// leaves the term a product. Null: always.
Value Separator::indicator(OpBuilder &outer, StringRef name,
                           ArrayRef<Value> conditions) {
  if (conditions.empty())
    return {};
  Ranks all = op.mapRanks();
  Dependence dependence(op.getMap().front());
  llvm::SmallBitVector used(all.size());
  for (Value condition : conditions)
    used |= dependence.of(condition);
  EinsumSpec spec{name, {}, {}, {}, computeReal(op)};
  for (int i : used.set_bits())
    spec.space.push_back(all[i]);
  return buildEinsum(outer, op.getLoc(), spec,
                     [&](ExprBuilder &e, Coordinates &at) {
                       IRMapping mapping = substitution(coordinatesOf(op), at);
                       Value one = e.real(1);
                       for (Value condition : conditions)
                         one = e.where(one, cloneExpr(e.b, condition, mapping));
                       return one;
                     })
      .getResult(0);
}

void Separator::replace(CascadeOp cascade, const Terms &terms) {
  std::string own = tensorName(op.getResult(0)).str();
  OpBuilder outer(op);
  auto copyOf = [&](ExprBuilder &e, Coordinates &at, Value value,
                    IRMapping &mapping) {
    for (auto &[name, argument] : coordinatesOf(op))
      if (Value here = at.lookup(name))
        mapping.map(argument, here);
    return cloneExpr(e.b, value, mapping);
  };
  auto guard = [&](ExprBuilder &e, Coordinates &at) {
    return guardAt(e, op, at);
  };
  SmallVector<Value> sums;
  for (auto [i, term] : llvm::enumerate(terms)) {
    SmallVector<Value> conditions;
    for (Value other : term.without)
      (void)collectPresence(other, conditions);
    std::string name = own + ".term" + std::to_string(i);
    Value one = indicator(outer, name + ".present", conditions);
    EinsumSpec spec{name, strings(op.getSpace()), strings(op.getReduced()),
                    op.getMonoidAttr(), computeReal(op)};
    sums.push_back(buildEinsum(
                       outer, op.getLoc(), spec,
                       [&](ExprBuilder &e, Coordinates &at) {
                         IRMapping mapping;
                         Value value = copyOf(e, at, term.value, mapping);
                         if (one)
                           value = e.map(Fn::mul, {value, e.read(one, at)});
                         return value;
                       },
                       guard)
                       .getResult(0));
  }
  EinsumOp whole = buildEinsum(
      outer, op.getLoc(), mapLike(op, own),
      [&](ExprBuilder &e, Coordinates &at) {
        Value sum;
        for (auto [term, tensor] : llvm::zip(terms, sums)) {
          Value value = e.read(tensor, at);
          if (!sum)
            sum = term.isNegative ? e.map(Fn::neg, {value}) : value;
          else
            sum = e.map(term.isNegative ? Fn::sub : Fn::add, {sum, value});
        }
        // No point is present where a statistic of the row is not.
        IRMapping mapping;
        for (Value statistic : statistics) {
          Value x = copyOf(e, at, statistic, mapping);
          sum = e.where(sum, e.map(Fn::or_, {e.map(Fn::eq, {x, x}),
                                             e.map(Fn::ne, {x, x})}));
        }
        if (!statistics.empty())
          sum = e.otherwise(sum, e.real(0));
        return e.where(sum, guard(e, at));
      });
  op.getResult(0).replaceAllUsesWith(whole.getResult(0));
  noteLaw(cascade, Law::Separate, own);
  op.erase();
}

bool Separator::run(CascadeOp cascade) {
  Value summand = op.getMapYield().getOperand(0);
  if (forms.ofSummand(summand).kind != Form::Other)
    return false;
  Terms terms = expand(summand);
  std::string failed;
  for (const Term &term : terms) {
    Form form = forms.ofSummand(term.value);
    if (form.kind == Form::Other)
      failed = form.why;
    SmallVector<Value> conditions;
    for (Value other : term.without)
      if (!collectPresence(other, conditions))
        failed = "presence by unfinished statistics";
  }
  // A statistic is one of this row.
  for (ReadOp read : op.getMap().getOps<ReadOp>())
    if (isLate(read.getTensor()) && !isPlainRead(read, op))
      failed = tensorName(read.getTensor()).str() +
               " is read elsewhere than at its own point";
  if (failed.empty() && terms.size() > 1) {
    replace(cascade, terms);
    return true;
  }
  if (terms.size() > 1)
    noteRefusal(cascade, Law::Separate, tensorName(op.getResult(0)), failed);
  for (Operation &inner :
       llvm::make_early_inc_range(llvm::reverse(op.getMap().front())))
    if (!isa<YieldOp>(inner) && inner.use_empty())
      inner.erase();
  return false;
}

void attn::separateSums(CascadeOp cascade) {
  SmallVector<EinsumOp> sums;
  for (auto op : cascade.getBody().front().getOps<EinsumOp>())
    if (op.getNumResults() == 1 && op.builtinReduce() == Reduce::sum &&
        op.getReduced().size() == 1 && !op.getSpace().empty() &&
        !op.getGuard().empty() && !op->hasAttr("attn.scc"))
      sums.push_back(op);
  bool changed = false;
  for (EinsumOp op : sums)
    changed |= Separator(op).run(cascade);
  if (!changed)
    return;
  splitRanks(cascade);
  shareEinsums(cascade.getBody().front());
}
