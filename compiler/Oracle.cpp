//===- Oracle.cpp - how far a compiled program may be off -------*- C++ -*-===//
#include "compiler/Oracle.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Builders.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace attn;

namespace {

/// Does the value depend on a tensor? What depends on coordinates alone is
/// computed in f64 (LANGUAGE section 10).
bool readsTensor(Value value, llvm::DenseMap<Value, bool> &known) {
  Operation *op = value.getDefiningOp();
  if (!op)
    return false;
  auto found = known.find(value);
  if (found != known.end())
    return found->second;
  bool reads =
      isa<ReadOp>(op) || llvm::any_of(op->getOperands(), [&](Value operand) {
        return readsTensor(operand, known);
      });
  return known[value] = reads;
}

/// The 16-bit type a value is stored in, if it is read from one, through a
/// layout or not.
Type narrowType(Value value) {
  Operation *op = value.getDefiningOp();
  if (auto read = dyn_cast_or_null<ReadOp>(op)) {
    auto type = cast<NamedTensorType>(read.getTensor().getType());
    Type element = type.getElementType();
    if (auto stored = read.getTensor().getDefiningOp<EinsumOp>();
        stored && !stored.isReduction())
      return narrowType(stored.getMapYield().getOperand(0));
    bool isPort = isa<BlockArgument>(read.getTensor());
    return isPort && (element.isBF16() || element.isF16()) ? element : Type();
  }
  if (auto choice = dyn_cast_or_null<ElseOp>(op)) {
    Type left = narrowType(choice.getValue());
    return left == narrowType(choice.getOtherwise()) ? left : Type();
  }
  if (auto where = dyn_cast_or_null<WhereOp>(op))
    return narrowType(where.getValue());
  return {};
}

/// `value` as it is after rounding to `type`, for all its uses.
void roundValue(Value value, Type type) {
  OpBuilder builder(value.getContext());
  builder.setInsertionPointAfterValue(value);
  auto cast =
      CastOp::create(builder, value.getLoc(), value.getType(), value, type);
  value.replaceAllUsesExcept(cast.getResult(), cast);
}

/// Rounds one factor of a product of sum[r](x * y) to the other's type.
void roundFactors(EinsumOp einsum) {
  Value term = einsum.getMapYield().getValues()[0];
  while (auto where = term.getDefiningOp<WhereOp>())
    term = where.getValue();
  auto product = term.getDefiningOp<MapOp>();
  if (!product || product.getFn() != Fn::mul)
    return;
  for (unsigned side : {0u, 1u}) {
    Value other = product.getOperands()[1 - side];
    Type narrow = narrowType(product.getOperands()[side]);
    if (!narrow || narrowType(other))
      continue;
    OpBuilder builder(product);
    product->setOperand(1 - side,
                        CastOp::create(builder, product.getLoc(),
                                       other.getType(), other, narrow));
  }
}

/// Each term times 1 + 2^-22 (u - 1/2), u random per point.
void disturbTerms(EinsumOp einsum) {
  YieldOp yield = einsum.getMapYield();
  OpBuilder builder(yield);
  Location loc = yield.getLoc();
  auto real = [&](double value) -> Value {
    return arith::ConstantOp::create(builder, loc,
                                     builder.getF64FloatAttr(value));
  };
  auto map = [&](Fn fn, ValueRange operands) -> Value {
    return MapOp::create(builder, loc, fn, operands);
  };
  for (OpOperand &operand : yield->getOpOperands()) {
    if (!operand.get().getType().isF64())
      continue;
    SmallVector<Value> words = {
        arith::ConstantOp::create(builder, loc, builder.getI32IntegerAttr(17))};
    llvm::append_range(words, einsum.getMap().getArguments());
    if (words.size() == 1)
      words.push_back(words.front());
    Value noise = map(Fn::sub, {map(Fn::uniform, words), real(0.5)});
    Value factor =
        map(Fn::add, {real(1), map(Fn::mul, {real(0x1p-22), noise})});
    operand.set(map(Fn::mul, {operand.get(), factor}));
  }
}

double roundoff(Type type) {
  auto real = dyn_cast<FloatType>(type);
  return real ? std::ldexp(1.0, -int(real.getFPMantissaWidth())) : 0;
}

/// "[1, 0, 3]" of a flat index.
std::string indexText(ArrayRef<int64_t> shape, int64_t flat) {
  SmallVector<int64_t> index(shape.size());
  for (unsigned axis = shape.size(); axis-- > 0; flat /= shape[axis])
    index[axis] = flat % shape[axis];
  return llvm::formatv("[{0:$[, ]}]",
                       llvm::make_range(index.begin(), index.end()));
}

std::string shapeText(ArrayRef<int64_t> shape) {
  return llvm::formatv("[{0:$[, ]}]",
                       llvm::make_range(shape.begin(), shape.end()));
}

/// The same number, or both NaN.
bool same(double a, double b) {
  return a == b || (std::isnan(a) && std::isnan(b));
}

} // namespace

OwningOpRef<ModuleOp> attn::makeNaive(ModuleOp module) {
  OwningOpRef<ModuleOp> copy(cast<ModuleOp>(module->clone()));
  Type f32 = Float32Type::get(module.getContext());
  copy->walk([&](EinsumOp einsum) {
    auto type = cast<NamedTensorType>(einsum.getResult(0).getType());
    std::optional<Reduce> reduce = einsum.builtinReduce();
    if (type.getElementType().isF64())
      return;
    llvm::DenseMap<Value, bool> known;
    SmallVector<Value> values;
    einsum.getMap().walk([&](MapOp map) {
      if (map.getResult().getType().isF64() &&
          readsTensor(map.getResult(), known))
        values.push_back(map.getResult());
    });
    // Factors first: once its result is rounded a product is no product.
    if (reduce == Reduce::sum)
      roundFactors(einsum);
    for (Value value : values)
      roundValue(value, f32);
    if (reduce == Reduce::sum || reduce == Reduce::prod)
      disturbTerms(einsum);
  });
  return copy;
}

/// What a point may be off by whatever the program is.
struct Epsilon {
  double stored, computed, tiny;
  /// How much of the naive evaluation's error is allowed.
  double scaled;
};

static Epsilon epsilonOf(Precision precision, Type element) {
  // Conditioning is what the naive error shows; f64 meets it with its own
  // roundoff, of which some hundreds accumulate.
  if (precision == Precision::Exact)
    return {0x1p-53, 0x1p-46, 0x1p-900, 0x1p-20};
  double computed = precision == Precision::Double ? 0x1p-46 : 0x1p-24;
  return {roundoff(element), computed, element.isF16() ? 0x1p-24 : 0x1p-126, 2};
}

Comparison attn::compare(const Array &got, const Array &want,
                         Precision precision,
                         llvm::function_ref<const Array *()> naive,
                         double slack) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  Comparison result;
  if (got.shape != want.shape) {
    result.problem =
        "has shape " + shapeText(got.shape) + ", not " + shapeText(want.shape);
    result.ratio = infinity;
    return result;
  }
  if (got.isReal() != want.isReal()) {
    result.problem = want.isReal() ? "is no real" : "is real";
    result.ratio = infinity;
    return result;
  }
  int64_t count = want.size(), wrong = 0;
  auto report = [&](int64_t i, const std::string &text) {
    if (++wrong == 1)
      result.problem = indexText(want.shape, i) + text;
  };
  if (!want.isReal()) {
    for (int64_t i = 0; i < count; ++i)
      if (got.integers[i] != want.integers[i]) {
        result.ratio = infinity;
        report(i, llvm::formatv(" is {0}, not {1}", got.integers[i],
                                want.integers[i]));
      }
  } else {
    bool exact = precision == Precision::Exact;
    Epsilon epsilon = epsilonOf(precision, got.element);
    double largest = 0;
    for (double value : want.reals)
      if (std::isfinite(value))
        largest = std::max(largest, std::abs(value));
    const Array *rough = nullptr;
    bool asked = false;
    double error = 0;
    for (int64_t i = 0; i < count; ++i) {
      double g = got.reals[i], w = want.reals[i];
      double rounded = exact ? w : roundTo(got.element, w);
      if (same(g, w) || same(g, rounded))
        continue;
      double off = std::abs(g - w);
      double allowed = epsilon.stored * std::abs(w) +
                       (32 * epsilon.computed + slack) * largest +
                       epsilon.tiny + epsilon.scaled * error;
      bool finite = std::isfinite(g) && std::isfinite(w);
      if (finite)
        result.worst = std::max(result.worst, off);
      if (!asked && !(finite && off <= allowed)) {
        asked = true;
        if ((rough = naive()))
          for (int64_t k = 0; k < count; ++k) {
            double e = std::abs(rough->reals[k] - want.reals[k]);
            if (std::isfinite(e))
              error = std::max(error, e);
          }
        allowed += epsilon.scaled * error;
      }
      if (finite && off <= allowed) {
        result.ratio = std::max(result.ratio, off / allowed);
        continue;
      }
      if (rough) {
        double r = rough->reals[i];
        if (!finite && (same(r, g) || std::isfinite(r) != std::isfinite(w)))
          continue;
        // At the edge of the storage type's range.
        if (std::isfinite(w) && std::isinf(g) && !exact &&
            std::isinf(roundTo(got.element, w * 1.01)))
          continue;
      }
      result.ratio = std::max(result.ratio, finite ? off / allowed : infinity);
      report(i, llvm::formatv(" is {0:E8}, not {1:E8} (allowed {2:E2}, naive "
                              "error {3:E2})",
                              g, w, allowed, error));
    }
  }
  if (wrong > 1)
    result.problem +=
        llvm::formatv(" ({0} of {1} points are wrong)", wrong, count);
  return result;
}

Oracle::Oracle(CascadeOp cascade, ArrayRef<Array> inputs,
               const InterpretOptions &options)
    : cascade(cascade), inputs(inputs), options(options) {}

const Array *Oracle::naive(unsigned output) {
  if (!rough) {
    rough.emplace();
    OwningOpRef<ModuleOp> module =
        makeNaive(cascade->getParentOfType<ModuleOp>());
    auto copy = module->lookupSymbol<CascadeOp>(cascade.getSymName());
    if (auto results = interpret(copy, inputs, options))
      rough = std::move(*results);
    else
      llvm::consumeError(results.takeError());
  }
  return rough->empty() ? nullptr : &(*rough)[output];
}

Comparison Oracle::compare(unsigned output, const Array &got, const Array &want,
                           bool exact, double slack) {
  // A program without an f32 or narrower operand computes in f64 throughout.
  bool isDouble =
      got.element.isF64() &&
      llvm::all_of(cascade.getBody().getArgumentTypes(), [](Type t) {
        Type element = cast<NamedTensorType>(t).getElementType();
        return !isa<FloatType>(element) || element.isF64();
      });
  Precision precision = exact      ? Precision::Exact
                        : isDouble ? Precision::Double
                                   : Precision::Compiled;
  return attn::compare(
      got, want, precision, [&] { return naive(output); }, slack);
}
