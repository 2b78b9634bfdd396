//===- Prefixes.cpp - reductions over every prefix of a rank ----*- C++ -*-===//
// PREFIX: what is reduced over the points up to t, for every t, is a recurrence
// that adds a point a step. Of the points from t on it runs backward:
//
//   P[t] = R[n](f[n] where n <= t):   P[t] = P[t-1] (+) f[t]
//
// Streams come first: there a prefix is a triangle of the tile.
#include "dialect/Affine.h"
#include "dialect/PrintExpr.h"
#include "passes/Expr.h"
#include "passes/cascade/Dependences.h"
#include "passes/derive/Laws.h"

using namespace mlir;
using namespace attn;

namespace {

/// Points `n` up to t + shift, or from there on if the steps descend.
struct Prefix {
  StringAttr n, t;
  int64_t shift;
  int64_t direction;
  Value condition;
};

} // namespace

/// Adds conditions without which `value` is absent.
static void conditionsOf(Value value, SmallVectorImpl<Value> &conditions) {
  Operation *def = value.getDefiningOp();
  if (auto where = dyn_cast_or_null<WhereOp>(def)) {
    SmallVector<Value> parts{where.getCondition()};
    while (!parts.empty()) {
      Value part = parts.pop_back_val();
      auto map = part.getDefiningOp<MapOp>();
      if (map && map.getFn() == Fn::and_)
        llvm::append_range(parts, map.getOperands());
      else
        conditions.push_back(part);
    }
    return conditionsOf(where.getValue(), conditions);
  }
  // Strict functions are present where all operands are.
  auto map = dyn_cast_or_null<MapOp>(def);
  if (isa_and_nonnull<CastOp>(def) ||
      (map && map.getFn() != Fn::and_ && map.getFn() != Fn::or_))
    for (Value operand : def->getOperands())
      conditionsOf(operand, conditions);
}

/// left - right >= 0 of a comparison of integers.
static std::optional<AffineForm> marginOf(IterationSpace &space, MapOp map) {
  if (map.getNumOperands() != 2 ||
      !isa<IntegerType>(map.getOperand(0).getType()))
    return std::nullopt;
  AffineForm left = space.formOf(map.getOperand(0)),
             right = space.formOf(map.getOperand(1));
  switch (map.getFn()) {
  case Fn::ge:
    return left - right;
  case Fn::gt:
    return left - right - 1;
  case Fn::le:
    return right - left;
  case Fn::lt:
    return right - left - 1;
  default:
    return std::nullopt;
  }
}

/// Does `value`, under a condition that holds, depend on `coordinate`?
static bool dependsOn(Value value, Value coordinate, Value condition) {
  SmallVector<Value> work{value};
  DenseSet<Value> seen{condition};
  while (!work.empty()) {
    Value current = work.pop_back_val();
    if (!seen.insert(current).second)
      continue;
    if (current == coordinate)
      return true;
    if (Operation *def = current.getDefiningOp();
        def && !isa<NamedTensorType>(current.getType()))
      llvm::append_range(work, def->getOperands());
  }
  return false;
}

/// No relation determines a coordinate of `op` by this one and others.
static bool isFree(CascadeOp cascade, EinsumOp op, StringAttr rank) {
  return llvm::none_of(cascade.getRelations(), [&](Attribute relation) {
    auto [whole, parts] = partsOf(relation);
    Ranks all(parts);
    all.push_back(whole);
    return llvm::is_contained(all, rank) &&
           llvm::count_if(op.mapRanks(), [&](StringAttr other) {
             return llvm::is_contained(all, other);
           }) > 1;
  });
}

static std::optional<Prefix> prefixOf(CascadeOp cascade, EinsumOp op) {
  IterationSpace space(cascade);
  space.addRegion(op.getMap());
  Value summand = op.getMapYield().getOperand(0);
  SmallVector<Value> conditions;
  conditionsOf(summand, conditions);
  for (Value condition : conditions) {
    auto map = condition.getDefiningOp<MapOp>();
    auto margin = map ? marginOf(space, map) : std::nullopt;
    if (!margin)
      continue;
    for (StringAttr n : strings(op.getReduced()))
      for (StringAttr t : strings(op.getSpace())) {
        Value end = op.coordinate(t);
        AffineForm distance =
            space.formOf(end) - space.formOf(op.coordinate(n));
        for (int64_t direction : {1, -1}) {
          auto rest = (*margin - distance * direction).getConstant();
          // Steps that add more than a point, or start with some, do not pay.
          if (rest && *rest <= 0 && space.extentOf(n) == space.extentOf(t) &&
              isFree(cascade, op, n) && isFree(cascade, op, t) &&
              !dependsOn(summand, end, condition))
            return Prefix{n, t, *rest * direction, direction, condition};
        }
      }
  }
  return std::nullopt;
}

/// The map behind a read of it alone: a part of this summand, made over the
/// rank that is going to be gone.
static EinsumOp partOf(Operation *def) {
  auto read = dyn_cast<ReadOp>(def);
  auto map = read ? read.getTensor().getDefiningOp<EinsumOp>() : EinsumOp();
  bool isPart = map && !map.isReduction() && map.getNumResults() == 1 &&
                map->hasOneUse() && !map.getRounded() &&
                !map->hasAttr("attn.scc") && map.getGuard().empty() &&
                read.getBounds() == Bounds::inside;
  return isPart ? map : EinsumOp();
}

/// Worth a tensor of its own: steps run one after the other.
static bool isComputed(EinsumOp op) {
  bool isReal = false;
  op.getMap().walk([&](Operation *def) {
    isReal |= partOf(def) ||
              (isa<MapOp>(def) && isa<FloatType>(def->getResult(0).getType()));
  });
  return isReal || op.getReduced().size() > 1;
}

/// What step t adds.
static Value addend(ExprBuilder &e, EinsumOp op, const Prefix &prefix,
                    Coordinates &at) {
  Value n = at[prefix.t];
  if (prefix.shift != 0)
    n = e.map(Fn::add, {n, e.integer(prefix.shift)});
  IRMapping mapping = substitution(coordinatesOf(op), at);
  mapping.map(op.coordinate(prefix.n), n);
  mapping.map(prefix.condition, e.boolean(true));
  std::function<Value(Operation *)> inlined = [&](Operation *def) -> Value {
    EinsumOp part = partOf(def);
    if (!part)
      return {};
    IRMapping inside;
    for (auto [argument, index] : llvm::zip(part.getMap().getArguments(),
                                            cast<ReadOp>(def).getIndices()))
      inside.map(argument, cloneExpr(e.b, index, mapping));
    return cloneExpr(e.b, part.getMapYield().getOperand(0), inside);
  };
  Value value =
      cloneExpr(e.b, op.getMapYield().getOperand(0), mapping, inlined);
  if (prefix.shift < 0)
    value = e.where(value, e.map(Fn::ge, {n, e.integer(0)}));
  if (prefix.shift > 0)
    value = e.where(value, e.map(Fn::lt, {n, e.extent(prefix.n)}));
  return value;
}

static Value always(ExprBuilder &e, Coordinates &) { return e.boolean(true); }

static void scan(EinsumOp op, const Prefix &prefix) {
  OpBuilder b(op);
  Reduce kind = *op.builtinReduce();
  std::string own = tensorName(op.getResult(0)).str();
  Type element = computeType(op), scalar = scalarTypeOf(element);
  Ranks space = strings(op.getSpace()), others = strings(op.getReduced());
  llvm::erase(others, prefix.n);
  Value point;
  if (isComputed(op)) {
    std::string name = own + ".point";
    EinsumSpec spec{name, space, others, {}, element};
    if (!others.empty())
      spec.monoid = op.getMonoidAttr();
    auto map = [&](ExprBuilder &e, Coordinates &at) {
      Value value = addend(e, op, prefix, at);
      return others.empty()
                 ? e.otherwise(value, e.constant(identityOf(kind, scalar)))
                 : value;
    };
    point = buildEinsum(b, op.getLoc(), spec, map, ExprFn(always)).getResult(0);
  }
  // The recurrence reads itself: built on a placeholder, then closed.
  auto type = NamedTensorType::get(b.getContext(), space, element);
  auto placeholder =
      UnrealizedConversionCastOp::create(b, op.getLoc(), type, ValueRange{});
  bool isWhole = !isGuarded(op) && type == op.getResultTypes()[0];
  std::string name = isWhole ? own : own + ".prefix";
  EinsumOp steps = buildEinsum(
      b, op.getLoc(), {name, space, {}, {}, element},
      [&](ExprBuilder &e, Coordinates &at) {
        Value identity = e.constant(identityOf(kind, scalar));
        SmallVector<Value> earlier;
        for (StringAttr rank : space)
          earlier.push_back(
              rank == prefix.t
                  ? e.map(Fn::sub, {at[rank], e.integer(prefix.direction)})
                  : at[rank]);
        Value before = e.otherwise(
            e.read(placeholder.getResult(0), earlier, Bounds::absent),
            identity);
        Value added = point ? e.read(point, at)
                            : e.otherwise(addend(e, op, prefix, at), identity);
        return e.map(*combinerOf(kind), {before, added});
      },
      ExprFn(always));
  Value result = steps.getResult(0);
  placeholder.getResult(0).replaceAllUsesWith(result);
  placeholder.erase();
  if (!isWhole)
    result = buildEinsum(b, op.getLoc(), mapLike(op, own),
                         [&](ExprBuilder &e, Coordinates &at) {
                           Value value = e.read(steps.getResult(0), at);
                           return isGuarded(op)
                                      ? e.where(value, guardAt(e, op, at))
                                      : value;
                         })
                 .getResult(0);
  op.getResult(0).replaceAllUsesWith(result);
  op.erase();
}

void attn::scanPrefixes(CascadeOp cascade) {
  if (cascade->hasAttr(kKeepPrefixesName))
    return;
  // Members of streams that nothing else reads are gone.
  eraseDead(cascade);
  bool changed = false;
  SmallVector<EinsumOp> all(cascade.getBody().front().getOps<EinsumOp>());
  for (EinsumOp op : all) {
    auto kind = op.builtinReduce();
    // A count asks for presence, not for values.
    if (!kind || !combinerOf(*kind) || *kind == Reduce::count ||
        op.getNumResults() != 1 || op.getGuard().empty() ||
        op->hasAttr("attn.scc"))
      continue;
    std::optional<Prefix> prefix = prefixOf(cascade, op);
    if (!prefix)
      continue;
    noteLaw(cascade, Law::Prefix, tensorName(op.getResult(0)));
    scan(op, *prefix);
    changed = true;
  }
  if (!changed)
    return;
  eraseDead(cascade);
  (void)markRecurrences(cascade, /*diagnose=*/false);
}
