//===- Shift.cpp - what a shift of a running maximum changes ----*- C++ -*-===//
#include "passes/cpu/matrix/Shift.h"
#include "passes/cpu/tile/Absence.h"
#include <cmath>

using namespace mlir;
using namespace attn;
using namespace attn::cpu;

namespace {

/// With the state moved by s and the next one by t, a value x is x, or
/// x + old * s + now * t, or x * exp(old * s + now * t).
struct Form {
  enum Kind { Fixed, Sum, Product, Unknown } kind = Fixed;
  double old = 0, now = 0;

  static Form make(Kind kind, double old, double now) {
    bool stays = std::abs(old) < 1e-9 && std::abs(now) < 1e-9;
    return stays ? Form() : Form{kind, old, now};
  }
  static Form unknown() { return {Unknown}; }
  bool is(Kind k) const { return kind == k; }
  bool operator==(const Form &o) const {
    return kind == o.kind && kind != Unknown && std::abs(old - o.old) < 1e-6 &&
           std::abs(now - o.now) < 1e-6;
  }
};

class Shift {
public:
  llvm::DenseMap<Value, Form> tiles;

  Form tile(Value value) const {
    auto it = tiles.find(value);
    return it == tiles.end() ? Form() : it->second;
  }
  /// Of the points of `op`, and of its result.
  Form points(tile::EinsumOp op);
  Form result(tile::EinsumOp op);

private:
  Form scalar(Value value) const {
    auto it = scalars.find(value);
    return it == scalars.end() ? Form() : it->second;
  }
  Form evaluate(Operation &op);
  Form map(MapOp op);
  Form choice(ElseOp op);
  Form meet(Value x, Value y) const;

  llvm::DenseMap<Value, Form> scalars;
};

} // namespace

static bool isZero(Value value) {
  auto real = constantReal(value);
  return real && *real == 0;
}

static bool isInfinite(Value value) {
  auto real = constantReal(value);
  return real && std::isinf(*real);
}

/// One of the two; a zero may be scaled.
Form Shift::meet(Value x, Value y) const {
  Form a = scalar(x), b = scalar(y);
  if (isZero(x) && b.is(Form::Product))
    return b;
  if (a == b || (isZero(y) && a.is(Form::Product)))
    return a;
  return Form::unknown();
}

Form Shift::map(MapOp op) {
  SmallVector<Form> in;
  for (Value operand : op.getOperands())
    in.push_back(scalar(operand));
  using Kind = Form::Kind;
  auto all = [&](Kind kind) {
    return llvm::all_of(in, [&](Form f) { return f.is(kind); });
  };
  if (all(Form::Fixed))
    return {};
  if (llvm::any_of(in, [](Form f) { return f.is(Form::Unknown); }))
    return Form::unknown();
  auto additive = [](Form f) { return f.is(Form::Fixed) || f.is(Form::Sum); };
  auto scaling = [](Form f) {
    return f.is(Form::Fixed) || f.is(Form::Product);
  };
  auto linear = [&](Kind kind, double x, double y) {
    return Form::make(kind, x * in[0].old + y * in[1].old,
                      x * in[0].now + y * in[1].now);
  };
  auto scaled = [](Kind kind, Form f, double c) {
    return Form::make(kind, c * f.old, c * f.now);
  };
  constexpr double ln2 = 0.693147180559945309417;
  Fn fn = op.getFn();
  switch (fn) {
  case Fn::add:
  case Fn::sub:
    if (llvm::all_of(in, additive))
      return linear(Form::Sum, 1, fn == Fn::add ? 1 : -1);
    return meet(op.getOperand(0), op.getOperand(1));
  case Fn::mul:
  case Fn::div: {
    double sign = fn == Fn::mul ? 1 : -1;
    if (llvm::all_of(in, scaling))
      return linear(Form::Product, 1, sign);
    auto factor = constantReal(op.getOperand(1));
    if (in[0].is(Form::Sum) && factor)
      return scaled(Form::Sum, in[0], std::pow(*factor, sign));
    return Form::unknown();
  }
  case Fn::neg:
    return scaled(in[0].kind, in[0], in[0].is(Form::Sum) ? -1 : 1);
  case Fn::exp:
  case Fn::exp2:
    return in[0].is(Form::Sum)
               ? scaled(Form::Product, in[0], fn == Fn::exp ? 1 : ln2)
               : Form::unknown();
  case Fn::log:
  case Fn::log2:
    return in[0].is(Form::Product)
               ? scaled(Form::Sum, in[0], fn == Fn::log ? 1 : 1 / ln2)
               : Form::unknown();
  case Fn::max:
  case Fn::min:
    return meet(op.getOperand(0), op.getOperand(1));
  case Fn::lt:
  case Fn::le:
  case Fn::gt:
  case Fn::ge:
  case Fn::eq:
  case Fn::ne:
    // A number that moves stays on its side of an infinity.
    if (isInfinite(op.getOperand(1)) && in[0].is(Form::Sum))
      return {};
    // Both sides move alike.
    return meet(op.getOperand(0), op.getOperand(1)).is(Form::Unknown)
               ? Form::unknown()
               : Form();
  default:
    return Form::unknown();
  }
}

/// `x == y ? 0 : y - x` and `x == -inf ? c : x` are y - x and x, for numbers.
Form Shift::choice(ElseOp op) {
  auto where = op.getValue().getDefiningOp<WhereOp>();
  auto test = where ? where.getCondition().getDefiningOp<MapOp>() : MapOp();
  if (test && test.getFn() == Fn::eq) {
    Value x = test.getOperand(0), y = test.getOperand(1);
    if (isInfinite(y) && scalar(x).is(Form::Sum))
      return scalar(op.getOtherwise());
    auto other = op.getOtherwise().getDefiningOp<MapOp>();
    bool isDifference =
        other && other.getFn() == Fn::sub && isZero(where.getValue()) &&
        ((other.getOperand(0) == x && other.getOperand(1) == y) ||
         (other.getOperand(0) == y && other.getOperand(1) == x));
    if (isDifference)
      return scalar(other);
    if (scalar(test).is(Form::Unknown))
      return Form::unknown();
  }
  return meet(op.getValue(), op.getOtherwise());
}

Form Shift::evaluate(Operation &op) {
  if (auto map = dyn_cast<MapOp>(op))
    return this->map(map);
  if (auto choice = dyn_cast<ElseOp>(op))
    return this->choice(choice);
  if (auto where = dyn_cast<WhereOp>(op))
    return scalar(where.getCondition()).is(Form::Fixed)
               ? scalar(where.getValue())
               : Form::unknown();
  if (auto cast = dyn_cast<CastOp>(op); cast && isa<FloatType>(cast.getType()))
    return scalar(cast.getOperand());
  bool stays = llvm::all_of(op.getOperands(), [&](Value operand) {
    return scalar(operand).is(Form::Fixed);
  });
  return stays ? Form() : Form::unknown();
}

Form Shift::points(tile::EinsumOp op) {
  Block &block = op.getMap().front();
  size_t first = block.getNumArguments() - op.getTiles().size();
  for (auto [argument, operand] :
       llvm::zip(block.getArguments().drop_front(first), op.getTiles()))
    scalars[argument] = tile(operand);
  for (Operation &inner : block.without_terminator())
    for (Value value : inner.getResults())
      scalars[value] = evaluate(inner);
  return scalar(block.back().getOperand(0));
}

Form Shift::result(tile::EinsumOp op) {
  Form form = points(op);
  if (op.getInit() && !(tile(op.getInit()) == form))
    return Form::unknown();
  if (!op.getMonoid() || form.is(Form::Fixed))
    return form;
  Reduce kind = *op.getMonoid();
  bool follows = kind == Reduce::max || kind == Reduce::min ||
                 (kind == Reduce::sum && form.is(Form::Product));
  return follows ? form : Form::unknown();
}

bool cpu::isFreeOfShift(const MatrixRoles &roles, unsigned state,
                        tile::EinsumOp maximum) {
  tile::StreamOp stream = roles.stream;
  Block &body = stream.getBody().front();
  Operation *yield = body.getTerminator();
  auto run = [&](Shift &shift) {
    shift.tiles[body.getArgument(1 + state)] = Form::make(Form::Sum, 1, 0);
    for (auto op : body.getOps<tile::EinsumOp>()) {
      if (op != maximum)
        shift.tiles[op.getResult()] = shift.result(op);
      else if (!shift.points(op).is(Form::Fixed))
        return false;
      else
        shift.tiles[op.getResult()] = Form::make(Form::Sum, 0, 1);
    }
    return true;
  };
  // The states move as the points that a step adds to them.
  Shift trial, proof;
  if (!run(trial))
    return false;
  for (auto [i, next] : llvm::enumerate(yield->getOperands()))
    if (auto op = next.getDefiningOp<tile::EinsumOp>(); op && op.getMonoid()) {
      Form form = trial.points(op);
      proof.tiles[body.getArgument(1 + i)] = Form::make(form.kind, form.now, 0);
    }
  if (!run(proof))
    return false;
  for (auto [i, next] : llvm::enumerate(yield->getOperands())) {
    Form old = proof.tile(body.getArgument(1 + i)), now = proof.tile(next);
    if (!(Form::make(old.kind, 0, old.old) == now))
      return false;
    proof.tiles[stream.getResult(i)] = now;
  }
  for (Operation &op : *stream->getBlock()) {
    if (auto einsum = dyn_cast<tile::EinsumOp>(op))
      proof.tiles[einsum.getResult()] = proof.result(einsum);
    if (auto store = dyn_cast<tile::StoreOp>(op))
      if (!proof.tile(store.getTile()).is(Form::Fixed))
        return false;
  }
  return true;
}
