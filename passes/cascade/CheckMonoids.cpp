//===- CheckMonoids.cpp - test the laws of declared monoids -----*- C++ -*-===//
// LANGUAGE section 8: identity, associativity and, unless ordered,
// commutativity, evaluated on random finite states and the identity. A state
// component differs if it is off by more than `tolerance` relative to the
// larger of 1 and both values; a NaN never decides.
#include "dialect/Functions.h"
#include "passes/Passes.h"
#include "llvm/Support/Format.h"
#include <cmath>
#include <random>

namespace attn {
#define GEN_PASS_DEF_ATTNCHECKMONOIDS
#include "passes/Passes.h.inc"
} // namespace attn

using namespace mlir;
using namespace attn;

static constexpr double tolerance = 1e-6;
static constexpr int samples = 200;

namespace {
/// Components of a state; an absent one has no value.
using State = SmallVector<std::optional<ScalarValue>>;

class Evaluator {
public:
  explicit Evaluator(MonoidOp op) : op(op) {}

  State combine(const State &a, const State &b);
  State identity();
  State random(std::mt19937 &generator);
  bool agree(const State &a, const State &b);
  std::string print(const State &state);

private:
  using Optional = std::optional<ScalarValue>;
  Optional evaluate(Operation &op);
  Optional kleene(MapOp op);
  static Optional constant(Attribute value);

  MonoidOp op;
  llvm::DenseMap<Value, Optional> values;
};
} // namespace

std::optional<ScalarValue> Evaluator::constant(Attribute value) {
  ScalarValue result;
  if (auto real = dyn_cast<FloatAttr>(value))
    result.real = real.getValueAsDouble();
  else if (auto integer = cast<IntegerAttr>(value);
           integer.getType().isInteger(1))
    result.integer = integer.getValue().getZExtValue();
  else
    result.integer = integer.getInt();
  return result;
}

/// One operand may decide although the other is absent.
std::optional<ScalarValue> Evaluator::kleene(MapOp map) {
  bool decides = map.getFn() == Fn::or_;
  bool isAbsent = false;
  for (Value operand : map.getOperands()) {
    Optional value = values[operand];
    isAbsent |= !value;
    if (value && (value->integer != 0) == decides)
      return value;
  }
  if (isAbsent)
    return std::nullopt;
  return values[map.getOperand(0)];
}

std::optional<ScalarValue> Evaluator::evaluate(Operation &operation) {
  if (auto constantOp = dyn_cast<arith::ConstantOp>(operation))
    return constant(constantOp.getValue());
  if (auto where = dyn_cast<WhereOp>(operation)) {
    Optional condition = values[where.getCondition()];
    return condition && condition->integer ? values[where.getValue()]
                                           : std::nullopt;
  }
  if (auto otherwise = dyn_cast<ElseOp>(operation)) {
    Optional first = values[otherwise.getValue()];
    return first ? first : values[otherwise.getOtherwise()];
  }
  SmallVector<ScalarValue> operands;
  auto map = dyn_cast<MapOp>(operation);
  if (map && (map.getFn() == Fn::and_ || map.getFn() == Fn::or_))
    return kleene(map);
  for (Value operand : operation.getOperands()) {
    if (!values[operand])
      return std::nullopt;
    operands.push_back(*values[operand]);
  }
  if (map)
    return evaluateFn(map.getFn(), map.getOperand(0).getType(), operands);
  auto castOp = cast<CastOp>(operation);
  bool isReal = isa<FloatType>(castOp.getOperand().getType());
  double real = isReal ? operands[0].real : double(operands[0].integer);
  ScalarValue result;
  if (isa<FloatType>(castOp.getType()))
    result.real = roundTo(castOp.getType(), real);
  else
    result.integer = isReal ? saturateTo(castOp.getType(), real)
                            : wrapTo(castOp.getType(), operands[0].integer);
  return result;
}

State Evaluator::combine(const State &a, const State &b) {
  Block &block = op.getCombine().front();
  values.clear();
  for (size_t i = 0; i < a.size(); ++i) {
    values[block.getArgument(i)] = a[i];
    values[block.getArgument(i + a.size())] = b[i];
  }
  for (Operation &operation : llvm::drop_end(block))
    values[operation.getResult(0)] = evaluate(operation);
  return llvm::map_to_vector(block.back().getOperands(),
                             [&](Value v) { return values[v]; });
}

State Evaluator::identity() {
  return llvm::map_to_vector(op.getIdentity(),
                             [](Attribute a) { return constant(a); });
}

State Evaluator::random(std::mt19937 &generator) {
  State state;
  for (Attribute component : op.getIdentity()) {
    Type type = cast<TypedAttr>(component).getType();
    ScalarValue value;
    if (isa<FloatType>(type))
      value.real = std::uniform_real_distribution<double>(-4, 4)(generator);
    else if (type.isInteger(1))
      value.integer = generator() & 1;
    else
      value.integer = std::uniform_int_distribution<int>(-50, 50)(generator);
    state.push_back(value);
  }
  return state;
}

bool Evaluator::agree(const State &a, const State &b) {
  for (auto [x, y, component] : llvm::zip(a, b, op.getIdentity())) {
    if (x.has_value() != y.has_value())
      return false;
    if (!x)
      continue;
    if (!isa<FloatType>(cast<TypedAttr>(component).getType())) {
      if (x->integer != y->integer)
        return false;
      continue;
    }
    double p = x->real, q = y->real;
    if (std::isnan(p) || std::isnan(q) || p == q)
      continue;
    double scale = std::max({1.0, std::abs(p), std::abs(q)});
    if (!(std::abs(p - q) <= tolerance * scale))
      return false;
  }
  return true;
}

std::string Evaluator::print(const State &state) {
  std::string text;
  llvm::raw_string_ostream os(text);
  os << "(";
  for (auto [i, value] : llvm::enumerate(state)) {
    os << (i ? ", " : "");
    if (!value)
      os << "absent";
    else if (isa<FloatType>(cast<TypedAttr>(op.getIdentity()[i]).getType()))
      os << llvm::format("%.4g", value->real);
    else
      os << value->integer;
  }
  os << ")";
  return text;
}

namespace {
struct CheckMonoids : attn::impl::AttnCheckMonoidsBase<CheckMonoids> {
  void runOnOperation() override {
    MonoidOp op = getOperation();
    Evaluator evaluator(op);
    std::mt19937 generator(20); // fixed: a compilation is reproducible
    State zero = evaluator.identity();
    auto fail = [&](StringRef law, ArrayRef<State> witness) {
      InFlightDiagnostic error = op.emitError() << op.getSymName() << " is not "
                                                << law << ": witness ";
      llvm::interleaveComma(witness, error, [&](const State &state) {
        error << evaluator.print(state);
      });
      error.attachNote() << "hint: `ordered` lifts commutativity only";
      signalPassFailure();
    };
    for (int i = 0; i < samples; ++i) {
      // The identity takes part as an ordinary state now and then.
      auto draw = [&] {
        return generator() % 8 == 0 ? zero : evaluator.random(generator);
      };
      State a = draw(), b = draw(), c = draw();
      if (!evaluator.agree(evaluator.combine(zero, a), a) ||
          !evaluator.agree(evaluator.combine(a, zero), a))
        return fail("neutral at its defaults", {a});
      State left = evaluator.combine(evaluator.combine(a, b), c);
      State right = evaluator.combine(a, evaluator.combine(b, c));
      if (!evaluator.agree(left, right))
        return fail("associative", {a, b, c});
      if (!op.getOrdered() &&
          !evaluator.agree(evaluator.combine(a, b), evaluator.combine(b, a)))
        return fail("commutative", {a, b});
    }
  }
};
} // namespace
