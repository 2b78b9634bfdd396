//===- FreeShift.cpp - a bound stands for a running maximum -----*- C++ -*-===//
// FREE-SHIFT: where everything that leaves a row is the same whatever finite
// value is subtracted from its exponents, the maximum that is subtracted may be
// any value. If what it is the maximum of is bounded, that is a constant: the
// middle of the bounds, so that exp neither overflows nor vanishes, and neither
// a maximum nor a repair is left.
//
// What a value becomes when the maximum M of its row moves by delta:
//
//   Scales k   multiplied by exp(k delta)   exp(x - M): -1, sums of it: -1
//   Shifts k   k delta is added             M: 1, log of what scales by k: k
//
// A quotient of two that scale alike, a log s + M and the like are free of it.
#include "dialect/Functions.h"
#include "dialect/PrintExpr.h"
#include "mlir/IR/Matchers.h"
#include "passes/Expr.h"
#include "passes/derive/Interval.h"
#include "passes/derive/Laws.h"
#include "llvm/ADT/SetVector.h"
#include <cmath>

using namespace mlir;
using namespace attn;

namespace {

/// How far from 0 exponents may be, by the narrowest real that is met on the
/// way: exp of it times 2^31 points times values up to 10^6 is finite, exp of
/// minus it is no subnormal.
struct Reach {
  unsigned bits;
  double exponent;
};
constexpr Reach reaches[] = {{64, 600}, {32, 50}};

/// Operands of contractions may be rounded to the type of the other one. The
/// largest weight of a row is 1 if it was shifted by the maximum, which no type
/// rounds; shifted by something else it may err as much as any other, and the
/// sum below the quotient does not err with it.
constexpr llvm::StringLiteral kRounded =
    "weights are rounded to 16 bits, exactly at the largest of a row alone";

struct Effect {
  enum Kind { Scales, Shifts, Unknown } kind = Scales;
  double by = 0;
  bool isFree() const { return kind != Unknown && by == 0; }
};

class Invariance {
public:
  explicit Invariance(EinsumOp maximum) : maximum(maximum) {}
  /// All that leaves the row is free of the maximum; else `why` not.
  bool holds();
  std::string why;
  llvm::SetVector<Operation *> affected;

private:
  Effect of(Value value);
  Effect ofMap(MapOp map);
  Effect ofTensor(EinsumOp op);
  bool keepsRow(EinsumOp op);
  Effect unknown(const Twine &reason) {
    if (why.empty())
      why = reason.str();
    return {Effect::Unknown, 0};
  }

  EinsumOp maximum;
  DenseMap<Value, Effect> tensors;
};

} // namespace

/// All ranks of the maximum are ranks of the result, and at its own point.
bool Invariance::keepsRow(EinsumOp op) {
  return llvm::all_of(strings(maximum.getSpace()), [&](StringAttr rank) {
    return llvm::is_contained(strings(op.getSpace()), rank);
  });
}

static std::string nameOf(EinsumOp op) {
  return tensorName(op.getResult(0)).str();
}

Effect Invariance::of(Value value) {
  Operation *def = value.getDefiningOp();
  if (!def)
    return {};
  if (auto read = dyn_cast<ReadOp>(def)) {
    for (Value index : read.getIndices())
      if (!of(index).isFree())
        return unknown("an index depends on it");
    auto it = tensors.find(read.getTensor());
    if (it == tensors.end())
      return {};
    auto op = read->getParentOfType<EinsumOp>();
    if (it->second.by != 0 &&
        (read->getParentRegion() != &op.getMap() || !isPlainRead(read, op)))
      return unknown(tensorName(read.getTensor()) +
                     " is read elsewhere than at its own point");
    return it->second;
  }
  if (auto where = dyn_cast<WhereOp>(def))
    return of(where.getCondition()).isFree()
               ? of(where.getValue())
               : unknown("a condition depends on it");
  if (auto otherwise = dyn_cast<ElseOp>(def)) {
    Effect x = of(otherwise.getValue()), y = of(otherwise.getOtherwise());
    FloatAttr zero;
    bool isZero = matchPattern(otherwise.getOtherwise(), m_Constant(&zero)) &&
                  zero.getValue().isZero();
    if (x.kind == y.kind && x.by == y.by)
      return x;
    return x.kind == Effect::Scales && isZero
               ? x
               : unknown("a choice between what moves and what does not");
  }
  if (auto map = dyn_cast<MapOp>(def))
    return ofMap(map);
  for (Value operand : def->getOperands())
    if (!of(operand).isFree())
      return unknown("a conversion of what moves with it");
  return {};
}

Effect Invariance::ofMap(MapOp map) {
  SmallVector<Effect, 2> x;
  for (Value operand : map.getOperands()) {
    x.push_back(of(operand));
    if (x.back().kind == Effect::Unknown)
      return x.back();
  }
  if (llvm::all_of(x, [](Effect e) { return e.isFree(); }))
    return {};
  Effect a = x.front(), b = x.back();
  auto constant = [&](unsigned i) -> std::optional<double> {
    FloatAttr value;
    if (matchPattern(map.getOperand(i), m_Constant(&value)))
      return value.getValueAsDouble();
    return std::nullopt;
  };
  auto refuse = [&] {
    return unknown(stringifyFn(map.getFn()).str() + " of what moves with it");
  };
  auto isShift = [](Effect e) {
    return e.kind == Effect::Shifts || e.isFree();
  };
  auto isScale = [](Effect e) {
    return e.kind == Effect::Scales || e.isFree();
  };
  auto isZero = [&](unsigned i) { return constant(i) == 0.0; };
  Homomorphism homomorphism = info(map.getFn()).homomorphism;
  double base =
      map.getFn() == Fn::exp2 || map.getFn() == Fn::log2 ? std::log(2.0) : 1.0;
  switch (map.getFn()) {
  case Fn::add:
  case Fn::sub:
    if (isShift(a) && isShift(b))
      return {Effect::Shifts,
              map.getFn() == Fn::add ? a.by + b.by : a.by - b.by};
    return isScale(a) && isScale(b) && a.by == b.by ? a : refuse();
  case Fn::neg:
    return a.kind == Effect::Shifts ? Effect{Effect::Shifts, -a.by} : a;
  case Fn::abs:
    return isScale(a) ? a : refuse();
  case Fn::mul:
    if (isScale(a) && isScale(b))
      return {Effect::Scales, a.by + b.by};
    for (unsigned i : {0u, 1u})
      if (auto c = constant(i); c && isShift(x[1 - i]))
        return {Effect::Shifts, x[1 - i].by * *c};
    return refuse();
  case Fn::div:
    if (isScale(a) && isScale(b))
      return {Effect::Scales, a.by - b.by};
    if (auto c = constant(1); c && isShift(a))
      return {Effect::Shifts, a.by / *c};
    return refuse();
  case Fn::sqrt:
  case Fn::rsqrt:
    return isScale(a) ? Effect{Effect::Scales,
                               a.by * (map.getFn() == Fn::sqrt ? 0.5 : -0.5)}
                      : refuse();
  case Fn::pow:
    if (auto power = constant(1); power && isScale(a))
      return {Effect::Scales, a.by * *power};
    if (auto c = constant(0); c && *c > 0 && isShift(b))
      return {Effect::Scales, b.by * std::log(*c)};
    return refuse();
  case Fn::max:
  case Fn::min:
    if (a.kind == b.kind && a.by == b.by)
      return a;
    return (isScale(a) && isZero(1)) || (isScale(b) && isZero(0))
               ? Effect{Effect::Scales, a.by + b.by}
               : refuse();
  default:
    break;
  }
  if (info(map.getFn()).typing == FnTyping::Compare) {
    bool isAlike = a.kind == b.kind && a.by == b.by;
    bool isSign = (isScale(a) && isZero(1)) || (isScale(b) && isZero(0));
    return isAlike || isSign ? Effect{} : refuse();
  }
  if (homomorphism == Homomorphism::AddToMul && isShift(a))
    return {Effect::Scales, a.by * base};
  if (homomorphism == Homomorphism::MulToAdd && isScale(a))
    return {Effect::Shifts, a.by / base};
  return refuse();
}

Effect Invariance::ofTensor(EinsumOp op) {
  if (op == maximum)
    return {Effect::Shifts, 1};
  if (Value exists = op.guardCondition(); exists && !of(exists).isFree())
    return unknown("where " + nameOf(op) + " is present depends on it");
  if (op.getNumResults() != 1)
    return unknown(nameOf(op) + " is a declared reduction");
  Effect x = of(op.getMapYield().getOperand(0));
  if (x.isFree() || x.kind == Effect::Unknown)
    return x;
  if (!keepsRow(op))
    return unknown(nameOf(op) + " mixes rows");
  if (!op.isReduction())
    return x;
  switch (op.builtinReduce().value_or(Reduce::prod)) {
  case Reduce::sum:
    return x.kind == Effect::Scales
               ? x
               : unknown(nameOf(op) + " sums what is shifted");
  case Reduce::max:
  case Reduce::min:
    return x;
  case Reduce::argmax:
  case Reduce::argmin:
    return {};
  default:
    return unknown(nameOf(op) + " is no sum and no maximum");
  }
}

bool Invariance::holds() {
  auto cascade = maximum->getParentOfType<CascadeOp>();
  // Definitions that need the maximum, each after those that it needs.
  SmallVector<EinsumOp> order{maximum};
  DenseSet<Operation *> seen{maximum};
  tensors[maximum.getResult(0)] = {Effect::Shifts, 1};
  affected.insert(maximum);
  SmallVector<Operation *> work{maximum};
  while (!work.empty()) {
    Operation *next = work.pop_back_val();
    for (Operation *user : next->getUsers()) {
      auto reader =
          isa<ReadOp>(user) ? user->getParentOfType<EinsumOp>() : EinsumOp();
      if (isa<ReturnOp>(user))
        continue;
      if (!reader || reader->getParentOp() != cascade ||
          reader->hasAttr("attn.scc")) {
        why = "a recurrence or a selection reads " +
              tensorName(next->getResult(0)).str();
        return false;
      }
      if (affected.insert(reader))
        work.push_back(reader);
    }
  }
  // As long as something is new: an effect needs those of what it reads.
  llvm::SetVector<Operation *> open(affected.begin(), affected.end());
  open.remove(maximum);
  while (!open.empty()) {
    Operation *ready = nullptr;
    for (Operation *op : open) {
      bool waits = false;
      op->walk([&](ReadOp read) {
        waits |= open.contains(read.getTensor().getDefiningOp());
      });
      if (!waits) {
        ready = op;
        break;
      }
    }
    if (!ready) {
      why = "a recurrence reads it";
      return false;
    }
    open.remove(ready);
    Effect effect = ofTensor(cast<EinsumOp>(ready));
    if (effect.kind == Effect::Unknown)
      return false;
    tensors[ready->getResult(0)] = effect;
  }
  for (Value output : cascade.getReturn().getOperands())
    if (auto it = tensors.find(output);
        it != tensors.end() && !it->second.isFree()) {
      why = tensorName(output).str() + " is not free of it";
      return false;
    }
  return true;
}

/// The exponent that all tensors on the way bear; none if one is too narrow.
static std::optional<double>
reachOf(const llvm::SetVector<Operation *> &affected) {
  double least = std::numeric_limits<double>::infinity();
  bool isNarrow = false;
  auto meet = [&](Type type) {
    auto real = dyn_cast<FloatType>(type);
    if (!real)
      return;
    auto row = llvm::find_if(
        reaches, [&](const Reach &r) { return r.bits == real.getWidth(); });
    if (row == std::end(reaches))
      isNarrow = true;
    else
      least = std::min(least, row->exponent);
  };
  for (Operation *op : affected) {
    meet(computeReal(cast<EinsumOp>(op)));
    op->walk([&](ReadOp read) {
      meet(read.getTensor().getType().getElementType());
    });
  }
  return isNarrow ? std::nullopt : std::optional(least);
}

void attn::freeShifts(CascadeOp cascade) {
  SmallVector<EinsumOp> maxima;
  for (auto op : cascade.getBody().front().getOps<EinsumOp>())
    if ((op.builtinReduce() == Reduce::max ||
         op.builtinReduce() == Reduce::min) &&
        isa<FloatType>(op.getMapYield().getOperand(0).getType()) &&
        !op.getSpace().empty() && !op.getRounded() && !op->hasAttr("attn.scc"))
      maxima.push_back(op);
  for (EinsumOp op : maxima) {
    Interval x = Intervals(cascade).of(op.getMapYield().getOperand(0));
    if (!x.isBounded())
      continue;
    Invariance invariance(op);
    // A maximum of something else than exponents moves nothing.
    if (!invariance.holds() || invariance.affected.size() < 2) {
      if (!invariance.why.empty())
        noteRefusal(cascade, Law::FreeShift, nameOf(op), invariance.why);
      continue;
    }
    double middle = (x.low + x.high) / 2, half = (x.high - x.low) / 2;
    std::optional<double> reach = reachOf(invariance.affected);
    if (!reach) {
      noteRefusal(cascade, Law::FreeShift, nameOf(op), kRounded);
      continue;
    }
    if (half > *reach) {
      std::string condition;
      llvm::raw_string_ostream(condition)
          << "exponents up to " << half << " from the middle of its bounds, "
          << *reach << " are safe";
      noteRefusal(cascade, Law::FreeShift, nameOf(op), condition);
      continue;
    }
    // A row that does not exist stays absent.
    SmallVector<ReadOp> reads;
    for (Operation *user : op->getUsers())
      if (auto read = dyn_cast<ReadOp>(user))
        reads.push_back(read);
    for (ReadOp read : reads) {
      OpBuilder b(read);
      ExprBuilder e(b, read.getLoc());
      Value value = e.real(middle);
      if (Value exists = op.guardCondition()) {
        IRMapping mapping;
        mapping.map(op.getGuard().getArguments(), read.getIndices());
        value = e.where(value, cloneExpr(b, exists, mapping));
      }
      read.getResult().replaceAllUsesWith(value);
      read.erase();
    }
    noteLaw(cascade, Law::FreeShift, nameOf(op));
  }
  eraseDead(cascade);
}
