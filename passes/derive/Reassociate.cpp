//===- Reassociate.cpp - the order of nested contractions -------*- C++ -*-===//
// REASSOC: a sum of products whose factors are sums of products is one product
// of many tensors, and any order of pairwise contractions computes it:
//
//   sum[n](sum[f](a b) v) = sum[f](a sum[n](b v))
//
// The cheapest order is taken from the extents. A condition stays with a factor
// that has its ranks; where none has, nothing moves across it. Weights that
// expand the keys of a stream are absorbed into its rows for the same reason:
// what only the stream's points need is computed again for each block of rows.
#include "dialect/PrintExpr.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Matchers.h"
#include "passes/Expr.h"
#include "passes/cascade/Normalise.h"
#include "passes/derive/Contraction.h"
#include "passes/derive/Laws.h"
#include "passes/derive/TypicalExtents.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace attn;

namespace {

constexpr size_t kMaxLeaves = 8;
constexpr double kRowsOfBlock = 64; // rows that a stream serves at a time
constexpr double kGain = 1.25;      // below it the text's order stands
constexpr double kWide = 8;         // a width of the model, a head's is one

struct Leaf {
  Value value; // of the flat einsum's region
  bool divides = false;
  RankSet ranks;
  bool mayBeAbsent = false;
  bool isRead() const { return value.getDefiningOp<ReadOp>() && !divides; }
};

/// A sum of products as written: leaves, and nested sums.
struct Node {
  EinsumOp op;
  RankSet ranks; // that its result has
  SmallVector<unsigned> leaves;
  SmallVector<unsigned> nested;
};

class Reassociator {
public:
  Reassociator(CascadeOp cascade, TypicalExtents &extents, EinsumOp op)
      : cascade(cascade), extents(extents), op(op) {}

  /// True if the sum was replaced.
  bool run();

private:
  EinsumOp nestedSum(ReadOp read);
  EinsumOp nestedMap(ReadOp read);
  bool hasNestedSum(Value value);
  void findNested(EinsumOp reader, Value value);
  void flatten();
  void collect(ExprBuilder &e, Coordinates &at, EinsumOp reader, Value value,
               IRMapping &mapping, bool divides, unsigned node);
  RankSet ranksOf(Value value);
  std::optional<unsigned> coverOf(const RankSet &ranks, bool opaque,
                                  std::optional<unsigned> self = {});
  bool placeConditions();
  void placeFactors();
  Contraction contraction();
  double writtenCost(const Contraction &c, unsigned node);
  std::optional<ContractionPlan> choose();
  bool keepsStream(const ContractionPlan &plan);
  bool mayHoist();
  void replace(const ContractionPlan &plan);
  Value leafAt(ExprBuilder &e, const Coordinates &at, const Leaf &leaf);
  Value hasPoint(ExprBuilder &e, const Coordinates &at);
  bool attempt(bool &gains);

  CascadeOp cascade;
  TypicalExtents &extents;
  EinsumOp op;
  DenseSet<Operation *> kept;                    // reads that stay leaves
  llvm::MapVector<Operation *, EinsumOp> nested; // by read
  // The flat einsum.
  EinsumOp flat;
  Ranks all;                                            // of its coordinates
  SmallVector<std::pair<StringAttr, StringAttr>> fresh; // rank, copy of
  DenseMap<Operation *, Ranks> own; // of a nested sum: its reduced ranks
  bool isSquare = false;
  std::optional<Dependence> dependence;
  RankSet result, reduced;
  std::vector<Node> nodes;
  std::vector<Leaf> leaves;
  SmallVector<Value> conditions;
  std::vector<Leaf> factors; // of the result: free of what is reduced
  std::optional<unsigned> streamLeaf;
  std::string blocked; // the condition that no factor has the ranks of
  RankSet blockedRanks;
};

} // namespace

static bool isTrivial(Region &guard) {
  return guard.empty() ||
         matchPattern(cast<YieldOp>(guard.front().back()).getOperand(0),
                      m_One());
}

static bool isRealSum(EinsumOp op) {
  return op.getNumResults() == 1 && op.builtinReduce() == Reduce::sum &&
         isa<FloatType>(op.getMapYield().getOperand(0).getType()) &&
         !op.getGuard().empty() && !op->hasAttr("attn.scc");
}

static bool isProduct(Value value) {
  auto map = value.getDefiningOp<MapOp>();
  return map && (map.getFn() == Fn::mul || map.getFn() == Fn::div) &&
         isa<FloatType>(map.getType());
}

/// Some operation of the expression is such a one.
static bool any(Value value, function_ref<bool(Operation *)> test) {
  Operation *def = value.getDefiningOp();
  if (!def || isa<NamedTensorType>(value.getType()))
    return false;
  return test(def) || llvm::any_of(def->getOperands(), [&](Value operand) {
           return any(operand, test);
         });
}

static bool mayBeAbsent(Operation *def) {
  auto read = dyn_cast<ReadOp>(def);
  if (!read)
    return isa<WhereOp, ElseOp>(def);
  if (read.getBounds() != Bounds::inside)
    return true;
  if (isa<BlockArgument>(read.getTensor()))
    return false;
  auto einsum = read.getTensor().getDefiningOp<EinsumOp>();
  if (!einsum || einsum.getNumResults() != 1 || !isTrivial(einsum.getGuard()))
    return true;
  return einsum.isReduction()
             ? einsum.builtinReduce() != Reduce::sum
             : any(einsum.getMapYield().getOperand(0), mayBeAbsent);
}

/// Made of extents and numbers alone.
static bool isConstant(Value value) {
  return isa_and_nonnull<arith::ConstantOp, ExtentOp>(value.getDefiningOp()) ||
         (value.getDefiningOp<MapOp>() &&
          llvm::all_of(value.getDefiningOp()->getOperands(), isConstant));
}

/// Reductions that read a tensor, themselves or through maps, each once; null
/// among them: an output, or a definition that is no einsum.
static void addReaders(Value tensor, llvm::SetVector<Operation *> &readers) {
  for (Operation *user : tensor.getUsers()) {
    auto reader =
        isa<ReadOp>(user) ? user->getParentOfType<EinsumOp>() : EinsumOp();
    if (reader && !reader.isReduction())
      addReaders(reader.getResult(0), readers);
    else
      readers.insert(reader);
  }
}

/// The value is a product that has the tensor as a factor, in maps too.
static bool isFactor(Value tensor, Value value) {
  if (auto where = value.getDefiningOp<WhereOp>())
    return isFactor(tensor, where.getValue());
  if (isProduct(value)) {
    auto map = value.getDefiningOp<MapOp>();
    return isFactor(tensor, map.getOperand(0)) ||
           (map.getFn() == Fn::mul && isFactor(tensor, map.getOperand(1)));
  }
  auto read = value.getDefiningOp<ReadOp>();
  if (!read || read.getTensor() == tensor)
    return read != nullptr;
  auto map = read.getTensor().getDefiningOp<EinsumOp>();
  return map && !map.isReduction() && map.getNumResults() == 1 &&
         isFactor(tensor, map.getMapYield().getOperand(0));
}

static llvm::SetVector<Operation *> readersOf(Value tensor) {
  llvm::SetVector<Operation *> readers;
  addReaders(tensor, readers);
  return readers;
}

//===----------------------------------------------------------------------===//
// One product of many factors
//===----------------------------------------------------------------------===//

/// The sum that `read` reads, if it can be multiplied out.
EinsumOp Reassociator::nestedSum(ReadOp read) {
  auto sum = read.getTensor().getDefiningOp<EinsumOp>();
  if (!sum || read.getBounds() != Bounds::inside || kept.contains(read) ||
      !isRealSum(sum))
    return {};
  // Where others need its points, they are there for this sum too.
  for (Operation *reader : readersOf(sum.getResult(0)))
    if (!reader || !isRealSum(cast<EinsumOp>(reader)) ||
        !isFactor(sum.getResult(0),
                  cast<EinsumOp>(reader).getMapYield().getOperand(0)))
      return {};
  if (sum.getRounded() || computeReal(sum) != computeReal(op)) {
    noteRefusal(cascade, Law::Reassoc, tensorName(op.getResult(0)),
                tensorName(sum.getResult(0)) +
                    (sum.getRounded() ? " is rounded" : " has another type"));
    return {};
  }
  // What a stream computes point by point stays the summand of its own sum.
  Dependence inner(sum.getMap().front());
  Ranks ranks = strings(sum.getSpace());
  llvm::append_range(ranks, strings(sum.getReduced()));
  SmallVector<Value> work{sum.getMapYield().getOperand(0)};
  while (!work.empty()) {
    Value value = work.pop_back_val();
    if (auto where = value.getDefiningOp<WhereOp>()) {
      work.push_back(where.getValue());
      continue;
    }
    if (isProduct(value)) {
      llvm::append_range(work, value.getDefiningOp()->getOperands());
      continue;
    }
    auto own = value.getDefiningOp<ReadOp>();
    if (own && isa<BlockArgument>(own.getTensor()))
      continue;
    unsigned sequences = 0;
    for (int i : inner.of(value).set_bits())
      sequences += extents.isSequence(ranks[i]);
    if (sequences > 1)
      return {};
  }
  return sum;
}

/// The map that `read` reads, if sums can be multiplied out of it.
EinsumOp Reassociator::nestedMap(ReadOp read) {
  auto map = read.getTensor().getDefiningOp<EinsumOp>();
  if (!map || read.getBounds() != Bounds::inside || map.isReduction() ||
      map.getNumResults() != 1 || map.getRounded() || !map.getGuard().empty() ||
      !hasNestedSum(map.getMapYield().getOperand(0)))
    return {};
  return map;
}

bool Reassociator::hasNestedSum(Value value) {
  if (auto where = value.getDefiningOp<WhereOp>())
    return hasNestedSum(where.getValue());
  if (isProduct(value)) {
    auto map = value.getDefiningOp<MapOp>();
    return hasNestedSum(map.getOperand(0)) ||
           (map.getFn() == Fn::mul && hasNestedSum(map.getOperand(1)));
  }
  auto read = value.getDefiningOp<ReadOp>();
  return read && (nestedSum(read) || nestedMap(read));
}

/// Nested sums among the factors of `value`, each at most once.
void Reassociator::findNested(EinsumOp reader, Value value) {
  if (auto where = value.getDefiningOp<WhereOp>())
    return findNested(reader, where.getValue());
  if (isProduct(value)) {
    auto map = value.getDefiningOp<MapOp>();
    findNested(reader, map.getOperand(0));
    if (map.getFn() == Fn::mul)
      findNested(reader, map.getOperand(1));
    return;
  }
  auto read = value.getDefiningOp<ReadOp>();
  EinsumOp sum = read ? nestedSum(read) : EinsumOp();
  if (read && !sum)
    sum = nestedMap(read);
  if (!sum)
    return;
  if (own.count(sum)) { // a square: two sums, not one
    for (auto &[other, known] : nested)
      if (known == sum)
        isSquare |= kept.insert(other).second;
    return;
  }
  nested[read] = sum;
  Ranks &reducedRanks = own[sum];
  for (StringAttr rank : strings(sum.getReduced())) {
    // A name of its own where others reduce the rank: of two sums in a row, one
    // may keep it while the other is on its way.
    StringAttr name = rank;
    bool isFree =
        !llvm::is_contained(all, rank) &&
        llvm::none_of(
            cascade.getBody().front().getOps<EinsumOp>(), [&](EinsumOp other) {
              return other != sum && other != op &&
                     llvm::is_contained(strings(other.getReduced()), rank);
            });
    for (int i = 1; !isFree; ++i) {
      name = StringAttr::get(op.getContext(), rank.getValue() + "." + Twine(i));
      isFree = !llvm::is_contained(all, name) && !cascade.findRank(name);
    }
    if (name != rank)
      fresh.push_back({name, rank});
    reducedRanks.push_back(name);
    all.push_back(name);
  }
  findNested(sum, sum.getMapYield().getOperand(0));
}

void Reassociator::collect(ExprBuilder &e, Coordinates &at, EinsumOp reader,
                           Value value, IRMapping &mapping, bool divides,
                           unsigned node) {
  auto addConditions = [&](Value condition, IRMapping &from) {
    SmallVector<Value> work{condition};
    while (!work.empty()) {
      Value next = work.pop_back_val();
      auto map = next.getDefiningOp<MapOp>();
      if (map && map.getFn() == Fn::and_)
        llvm::append_range(work, map.getOperands());
      else if (!matchPattern(next, m_One()))
        conditions.push_back(cloneExpr(e.b, next, from));
    }
  };
  if (auto where = value.getDefiningOp<WhereOp>(); where && !divides) {
    addConditions(where.getCondition(), mapping);
    return collect(e, at, reader, where.getValue(), mapping, divides, node);
  }
  if (isProduct(value)) {
    auto map = value.getDefiningOp<MapOp>();
    bool isQuotient = map.getFn() == Fn::div;
    if (!isQuotient || !divides) {
      collect(e, at, reader, map.getOperand(0), mapping, divides, node);
      return collect(e, at, reader, map.getOperand(1), mapping,
                     divides || isQuotient, node);
    }
  }
  auto read = value.getDefiningOp<ReadOp>();
  EinsumOp sum = read && !divides ? nested.lookup(read) : EinsumOp();
  if (!sum) {
    nodes[node].leaves.push_back(leaves.size());
    leaves.push_back({cloneExpr(e.b, value, mapping), divides, {}, false});
    return;
  }
  IRMapping inner, guard;
  SmallVector<Value> indices;
  for (Value index : read.getIndices())
    indices.push_back(cloneExpr(e.b, index, mapping));
  for (auto [i, index] : llvm::enumerate(indices)) {
    inner.map(sum.getMap().getArgument(i), index);
    if (sum.isReduction())
      guard.map(sum.getGuard().getArgument(i), index);
  }
  for (auto [i, rank] : llvm::enumerate(own[sum]))
    inner.map(sum.getMap().getArgument(indices.size() + i), at[rank]);
  if (!isTrivial(sum.getGuard()))
    addConditions(cast<YieldOp>(sum.getGuard().front().back()).getOperand(0),
                  guard);
  if (!sum.isReduction()) // its factors are the reader's
    return collect(e, at, sum, sum.getMapYield().getOperand(0), inner, false,
                   node);
  unsigned child = nodes.size();
  nodes[node].nested.push_back(child);
  nodes.push_back({sum, RankSet(all.size()), {}, {}});
  for (Value index : indices) {
    // Coordinates of the flat einsum alone: its block is known.
    Dependence here(*index.getParentBlock());
    nodes[child].ranks |= here.of(index);
  }
  collect(e, at, sum, sum.getMapYield().getOperand(0), inner, false, child);
}

RankSet Reassociator::ranksOf(Value value) { return dependence->of(value); }

void Reassociator::flatten() {
  nodes.clear();
  leaves.clear();
  conditions.clear();
  factors.clear();
  streamLeaf.reset();
  blocked.clear();
  blockedRanks.clear();
  Value summand = op.getMapYield().getOperand(0);
  do {
    nested.clear();
    fresh.clear();
    own.clear();
    isSquare = false;
    all = strings(op.getSpace());
    llvm::append_range(all, strings(op.getReduced()));
    findNested(op, summand);
  } while (isSquare);

  size_t kept = op.getSpace().size();
  result = RankSet(all.size());
  result.set(0, kept);
  reduced = RankSet(all.size());
  reduced.set(kept, all.size());
  EinsumSpec spec{tensorName(op.getResult(0)),
                  Ranks(all.begin(), all.begin() + kept),
                  Ranks(all.begin() + kept, all.end()), op.getMonoidAttr(),
                  computeReal(op)};
  std::string name = spec.name.str();
  spec.name = name;
  OpBuilder outer(op);
  nodes.push_back({op, result, {}, {}});
  flat = buildEinsum(outer, op.getLoc(), spec,
                     [&](ExprBuilder &e, Coordinates &at) {
                       IRMapping mapping;
                       for (auto &[rank, argument] : coordinatesOf(op))
                         mapping.map(argument, at[rank]);
                       collect(e, at, op, summand, mapping, false, 0);
                       return leaves.front().value;
                     });
  dependence.emplace(flat.getMap().front());
  for (Leaf &leaf : leaves) {
    leaf.ranks = ranksOf(leaf.value);
    leaf.mayBeAbsent = any(leaf.value, mayBeAbsent);
  }
  for (unsigned i : nodes[0].leaves) {
    const Leaf &leaf = leaves[i];
    auto read = leaf.value.getDefiningOp<ReadOp>();
    unsigned sequences = 0;
    for (int rank : leaf.ranks.set_bits())
      sequences += extents.isSequence(all[rank]);
    bool isStored = read && isa<BlockArgument>(read.getTensor());
    if (!leaf.divides && !isStored && sequences > 1 &&
        leaf.ranks.anyCommon(reduced))
      streamLeaf = i;
  }
}

//===----------------------------------------------------------------------===//
// What stands where
//===----------------------------------------------------------------------===//

/// The smallest factor with all of `ranks`.
std::optional<unsigned> Reassociator::coverOf(const RankSet &ranks, bool opaque,
                                              std::optional<unsigned> self) {
  std::optional<unsigned> best;
  double least = 0;
  for (auto [i, leaf] : llvm::enumerate(leaves)) {
    if (leaf.divides || !leaf.value || i == self || (opaque && leaf.isRead()))
      continue;
    RankSet missing = ranks;
    missing.reset(leaf.ranks);
    if (missing.any())
      continue;
    double size = 1;
    for (int rank : leaf.ranks.set_bits())
      size *= extents.of(all[rank]);
    if (!best || size < least) {
      best = i;
      least = size;
    }
  }
  return best;
}

/// Each condition goes to a factor; false if some fits none.
bool Reassociator::placeConditions() {
  for (Value condition : conditions) {
    RankSet ranks = ranksOf(condition);
    auto cover = coverOf(ranks, /*opaque=*/false);
    if (!cover) {
      blocked = printExpr(condition);
      blockedRanks = ranks;
      return false;
    }
    OpBuilder b(flat.getMapYield());
    Leaf &leaf = leaves[*cover];
    leaf.value = WhereOp::create(b, op.getLoc(), leaf.value, condition);
  }
  return true;
}

/// Factors whose ranks another one has are multiplied into it; those that lack
/// all reduced ranks leave the sum, unless a computed factor has them.
void Reassociator::placeFactors() {
  OpBuilder b(flat.getMapYield());
  auto into = [&](unsigned to, Leaf &leaf) {
    leaves[to].value =
        MapOp::create(b, op.getLoc(), leaf.divides ? Fn::div : Fn::mul,
                      ValueRange{leaves[to].value, leaf.value});
    leaf.value = {};
  };
  for (auto [i, leaf] : llvm::enumerate(leaves)) {
    bool isFree = !leaf.ranks.anyCommon(reduced);
    auto cover = coverOf(leaf.ranks, /*opaque=*/isFree, i);
    if (cover)
      into(*cover, leaf);
    else if (isFree) {
      factors.push_back(leaf);
      leaf.value = {};
    } else if (leaf.divides) {
      ExprBuilder e(b, op.getLoc());
      leaf.value = e.map(Fn::div, {e.real(1), leaf.value});
      leaf.divides = false;
    }
  }
}

/// A factor of the result that may be no number must not meet the sum of
/// nothing: whether there is a point has to be plain.
bool Reassociator::mayHoist() {
  bool areNumbers = llvm::all_of(factors, [](const Leaf &factor) {
    auto read = factor.value.getDefiningOp<ReadOp>();
    return read ? !factor.divides && isa<BlockArgument>(read.getTensor())
                : isConstant(factor.value);
  });
  return areNumbers || llvm::none_of(leaves, [](const Leaf &leaf) {
           return leaf.mayBeAbsent;
         });
}

//===----------------------------------------------------------------------===//
// Costs
//===----------------------------------------------------------------------===//

Contraction Reassociator::contraction() {
  std::vector<double> sizes;
  for (StringAttr rank : all) {
    auto copy = llvm::find_if(fresh, [&](auto &f) { return f.first == rank; });
    sizes.push_back(extents.of(copy == fresh.end() ? rank : copy->second));
  }
  Contraction c(sizes, result);
  for (const Leaf &leaf : leaves)
    if (leaf.value)
      c.add(leaf.ranks);
  // The stream that this sum is, or that its result is a point of.
  RankSet streamed(all.size()), rows(all.size());
  RankSet box = result;
  if (streamLeaf) {
    box = leaves[*streamLeaf].ranks;
    streamed = box;
    streamed &= reduced;
  } else {
    for (Operation *reader : readersOf(op.getResult(0)))
      if (auto einsum = dyn_cast_or_null<EinsumOp>(reader))
        for (auto [i, rank] : llvm::enumerate(strings(op.getSpace())))
          if (llvm::is_contained(strings(einsum.getReduced()), rank) &&
              extents.isSequence(rank))
            streamed.set(i);
  }
  for (int i : box.set_bits())
    if (!streamed.test(i) && extents.isSequence(all[i]))
      rows.set(i);
  if (streamed.any() && rows.any())
    c.stream(streamed, rows, kRowsOfBlock);
  return c;
}

double Reassociator::writtenCost(const Contraction &c, unsigned number) {
  const Node &node = nodes[number];
  RankSet box = node.ranks;
  double cost = 0;
  for (unsigned child : node.nested) {
    box |= nodes[child].ranks;
    cost +=
        writtenCost(c, child) / readersOf(nodes[child].op.getResult(0)).size();
  }
  // Leaves, wherever they were multiplied in since.
  for (unsigned i : node.leaves)
    box |= leaves[i].ranks;
  return cost + c.volume(box) * c.times(node.ranks);
}

/// The cheapest order where a model is wider than its heads, if it pays there
/// and is no worse than the text whichever feature is the wide one.
std::optional<ContractionPlan> Reassociator::choose() {
  auto doubtful = extents.doubtful();
  extents.suppose(doubtful.back(), kWide);
  Contraction wide = contraction();
  ContractionPlan plan = wide.cheapest();
  bool pays = plan.cost * kGain < writtenCost(wide, 0) && keepsStream(plan);
  doubtful.back().clear(); // as guessed
  for (ArrayRef<StringAttr> ranks : doubtful) {
    extents.suppose(ranks, kWide);
    Contraction c = contraction();
    pays &= c.costOf(plan) <= writtenCost(c, 0);
  }
  extents.suppose({}, 1);
  return pays ? std::optional(plan) : std::nullopt;
}

/// The points of a stream are summed over the streamed rank and nothing else.
bool Reassociator::keepsStream(const ContractionPlan &plan) {
  if (!streamLeaf)
    return true;
  unsigned number = 0;
  for (unsigned i = 0; i < *streamLeaf; ++i)
    number += leaves[i].value ? 1 : 0;
  RankSet own(all.size());
  own.set(op.getSpace().size(), op.getSpace().size() + op.getReduced().size());
  for (const ContractionStep &step : plan.steps)
    if (step.left == number || step.right == number)
      return step.left != step.right && step.summed == own;
  return false;
}

//===----------------------------------------------------------------------===//
// The cheapest order
//===----------------------------------------------------------------------===//

Value Reassociator::leafAt(ExprBuilder &e, const Coordinates &at,
                           const Leaf &leaf) {
  IRMapping mapping;
  for (auto [rank, argument] :
       llvm::zip(all, flat.getMap().front().getArguments()))
    if (Value place = at.lookup(rank))
      mapping.map(argument, place);
  return cloneExpr(e.b, leaf.value, mapping);
}

/// True where the sum has a point; null: always.
Value Reassociator::hasPoint(ExprBuilder &e, const Coordinates &at) {
  Value points;
  RankSet asked(all.size());
  if (!conditions.empty()) {
    for (Value condition : conditions)
      asked |= ranksOf(condition);
    EinsumSpec spec{"",
                    {},
                    {},
                    ReduceAttr::get(op.getContext(), Reduce::any),
                    e.b.getI1Type()};
    std::string name = tensorName(op.getResult(0)).str() + ".any";
    spec.name = name;
    for (int i : asked.set_bits())
      (reduced.test(i) ? spec.reduced : spec.space).push_back(all[i]);
    // Without a reduced rank, the result's own presence says it.
    if (!spec.reduced.empty()) {
      OpBuilder outer(op);
      Value any =
          buildEinsum(
              outer, op.getLoc(), spec,
              [&](ExprBuilder &f, Coordinates &own) {
                Value one = f.boolean(true);
                for (Value condition : conditions)
                  one = f.where(one,
                                leafAt(f, own, {condition, false, {}, false}));
                return one;
              },
              [&](ExprBuilder &f, Coordinates &) { return f.boolean(true); })
              .getResult(0);
      points = e.read(any, at);
    }
  }
  for (int i : reduced.set_bits()) {
    if (asked.test(i) || cascade.staticExtent(all[i]).value_or(0) > 0)
      continue;
    Value some = e.map(Fn::gt, {e.extent(all[i]), e.integer(0)});
    points = points ? e.map(Fn::and_, {points, some}) : some;
  }
  return points;
}

void Reassociator::replace(const ContractionPlan &plan) {
  MLIRContext *ctx = op.getContext();
  for (auto [name, source] : fresh) {
    RankAttr rank = cascade.findRank(source.getValue());
    ExtentAttr extent = rank.getExtent();
    if (!extent)
      extent = ExtentAttr::get(
          ctx, AffineMap::get(0, 1, getAffineSymbolExpr(0, ctx)), {source});
    declareRank(cascade, name, extent);
  }
  std::string own = tensorName(op.getResult(0)).str();
  Ranks space = strings(op.getSpace());
  OpBuilder outer(op);
  auto guard = [&](ExprBuilder &e, Coordinates &at) {
    return guardAt(e, op, at);
  };
  auto always = [](ExprBuilder &e, Coordinates &) { return e.boolean(true); };
  std::vector<const Leaf *> operands;
  for (const Leaf &leaf : leaves)
    if (leaf.value)
      operands.push_back(&leaf);
  Type element = cast<NamedTensorType>(op.getResultTypes()[0]).getElementType();
  SmallVector<Value> made;
  for (auto [number, step] : llvm::enumerate(plan.steps)) {
    bool isLast = number + 1 == plan.steps.size();
    bool isResult = isLast && factors.empty();
    std::string name = isResult ? own : own + ".assoc" + std::to_string(number);
    EinsumSpec spec{name, {}, {}, op.getMonoidAttr(), computeReal(op)};
    if (isLast) {
      spec.space = space;
    } else {
      // What the result has innermost stays innermost.
      for (int i : step.kept.set_bits())
        if (all[i] != space.back())
          spec.space.push_back(all[i]);
      if (llvm::any_of(step.kept.set_bits(),
                       [&](int i) { return all[i] == space.back(); }))
        spec.space.push_back(space.back());
    }
    for (int i : step.summed.set_bits())
      spec.reduced.push_back(all[i]);
    if (isResult) {
      spec.element = element;
      spec.rounded = op.getRounded();
    }
    if (spec.reduced.empty())
      spec.monoid = {};
    auto product = [&](ExprBuilder &e, Coordinates &at) {
      Value value;
      SmallVector<unsigned, 2> sides{step.left};
      if (step.left != step.right)
        sides.push_back(step.right);
      for (unsigned side : sides) {
        Value factor = side < operands.size()
                           ? leafAt(e, at, *operands[side])
                           : e.read(made[side - operands.size()], at);
        value = value ? e.map(Fn::mul, {value, factor}) : factor;
      }
      return value;
    };
    EinsumOp sum;
    if (spec.monoid)
      sum = buildEinsum(outer, op.getLoc(), spec, product,
                        isResult ? ExprFn(guard) : ExprFn(always));
    else // a point that is not there adds nothing
      sum = buildEinsum(
          outer, op.getLoc(), spec, [&](ExprBuilder &e, Coordinates &at) {
            Value value = e.otherwise(product(e, at), e.real(0));
            return isResult ? e.where(value, guard(e, at)) : value;
          });
    if (!isResult)
      sum->setAttr(kOnceName, outer.getUnitAttr());
    made.push_back(sum.getResult(0));
  }
  if (!factors.empty()) {
    EinsumSpec spec{own, space, {}, {}, element, op.getRounded()};
    EinsumOp whole = buildEinsum(
        outer, op.getLoc(), spec, [&](ExprBuilder &e, Coordinates &at) {
          Value value = e.read(made.back(), at);
          for (const Leaf &factor : factors)
            value = e.map(factor.divides ? Fn::div : Fn::mul,
                          {value, leafAt(e, at, factor)});
          bool areConstant = llvm::all_of(factors, [](const Leaf &factor) {
            return isConstant(factor.value);
          });
          Value points = areConstant ? Value() : hasPoint(e, at);
          if (points)
            value = e.otherwise(e.where(value, points), e.real(0));
          return e.where(value, guard(e, at));
        });
    made.push_back(whole.getResult(0));
  }
  op.getResult(0).replaceAllUsesWith(made.back());
  noteLaw(cascade, Law::Reassoc, own);
}

/// With what `kept` leaves alone. `gains`: it would pay.
bool Reassociator::attempt(bool &gains) {
  gains = false;
  flatten();
  bool done = false;
  bool fits = !nested.empty() && placeConditions();
  if (!nested.empty()) {
    placeFactors();
    size_t size = contraction().size();
    auto plan = size > 1 && size <= kMaxLeaves ? choose() : std::nullopt;
    gains = plan.has_value();
    if (gains && fits && !mayHoist()) {
      fits = false;
      blocked = "a factor that may be no number would meet a sum of nothing";
    }
    if (gains && fits) {
      replace(*plan);
      done = true;
    }
  }
  flat.erase();
  return done;
}

bool Reassociator::run() {
  bool gains = false;
  while (!attempt(gains)) {
    if (nested.empty() || blocked.empty())
      return false;
    if (gains)
      noteRefusal(cascade, Law::Reassoc, tensorName(op.getResult(0)),
                  blockedRanks.any() ? blocked + " stands between" : blocked);
    // The nested sums that the condition is a mask of stay as they are.
    size_t before = kept.size();
    for (auto &[read, sum] : nested) {
      auto node = llvm::find_if(
          nodes, [&, s = sum](const Node &n) { return n.op == s; });
      if (node == nodes.end())
        continue; // a map
      RankSet missing = blockedRanks;
      missing.reset(node->ranks);
      if (missing.none())
        kept.insert(read);
    }
    if (kept.size() == before)
      for (auto &[read, sum] : nested)
        kept.insert(read);
  }
  op.erase();
  return true;
}

void attn::reassociate(CascadeOp cascade) {
  bool changed = false;
  // An order that is the best for one sum may undo that of another.
  size_t left = llvm::range_size(cascade.getBody().front());
  for (bool again = true; again && left--;) {
    again = false;
    TypicalExtents extents(cascade);
    SmallVector<EinsumOp> sums;
    for (auto op : cascade.getBody().front().getOps<EinsumOp>())
      if (isRealSum(op) && !op.getSpace().empty())
        sums.push_back(op);
    for (EinsumOp op : sums)
      if (Reassociator(cascade, extents, op).run()) {
        // Definitions that it read may be gone.
        eraseDead(cascade);
        again = changed = true;
        break;
      }
  }
  if (!changed)
    return;
  splitRanks(cascade);
  shareEinsums(cascade.getBody().front());
}
