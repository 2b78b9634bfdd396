//===- Compare.cpp - results against what they should be --------*- C++ -*-===//
#include "compiler/Compare.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace attn;

/// Half a unit in the last place of 1.
static double roundoff(Type type) {
  auto real = dyn_cast_or_null<FloatType>(type);
  return real ? std::ldexp(1.0, -static_cast<int>(real.getFPMantissaWidth()))
              : 0;
}

Tolerance attn::exactTolerance() { return {1e-9, 1e-11}; }

Tolerance attn::oracleTolerance(Type output, ArrayRef<Type> inputs) {
  auto real = dyn_cast<FloatType>(output);
  if (!real)
    return {0, 0};
  // Sums are of f32, of f64 where an operand is; an operand may be rounded to
  // the narrowest input.
  bool isDouble = output.isF64() &&
                  llvm::any_of(inputs, [](Type type) { return type.isF64(); });
  double computed = isDouble ? 1e-11 : 2e-5;
  for (Type input : inputs)
    if (isa<FloatType>(input))
      computed = std::max(
          computed, input.isF32() || input.isF64() ? 0.0 : 2 * roundoff(input));
  return {roundoff(output) + 2 * computed, computed};
}

/// "[1, 0, 3]" of a flat index.
static std::string indexText(ArrayRef<int64_t> shape, int64_t flat) {
  SmallVector<int64_t> index(shape.size());
  for (int64_t axis = shape.size() - 1; axis >= 0; --axis) {
    index[axis] = flat % shape[axis];
    flat /= shape[axis];
  }
  return llvm::formatv("[{0:$[, ]}]",
                       llvm::make_range(index.begin(), index.end()));
}

Comparison attn::compare(const Array &got, const Array &want,
                         Tolerance tolerance) {
  Comparison result;
  if (got.shape != want.shape) {
    result.problem =
        llvm::formatv("has shape [{0:$[, ]}], not [{1:$[, ]}]",
                      llvm::make_range(got.shape.begin(), got.shape.end()),
                      llvm::make_range(want.shape.begin(), want.shape.end()));
    return result;
  }
  int64_t wrong = 0, count = want.size();
  auto report = [&](int64_t i, auto formatted) {
    if (++wrong > 1)
      return;
    llvm::raw_string_ostream os(result.problem);
    os << indexText(want.shape, i) << formatted;
  };
  if (!want.isReal()) {
    for (int64_t i = 0; i < count; ++i)
      if (got.integers[i] != want.integers[i])
        report(i, llvm::formatv(" is {0}, not {1}", got.integers[i],
                                want.integers[i]));
  } else {
    double largest = 0;
    for (double value : want.reals)
      if (std::isfinite(value))
        largest = std::max(largest, std::abs(value));
    for (int64_t i = 0; i < count; ++i) {
      double g = got.reals[i], w = want.reals[i];
      if (std::isfinite(g) && std::isfinite(w)) {
        double error = std::abs(g - w);
        result.worst = std::max(result.worst, error);
        if (error >
            tolerance.relative * std::abs(w) + tolerance.scaled * largest)
          report(i, llvm::format(" is %.6g, not %.6g", g, w));
      } else if (!(std::isnan(g) && std::isnan(w)) &&
                 g != roundTo(got.element, w)) {
        report(i, llvm::format(" is %.6g, not %.6g", g, w));
      }
    }
  }
  if (wrong > 1)
    result.problem +=
        llvm::formatv(" ({0} of {1} points are wrong)", wrong, count);
  return result;
}
