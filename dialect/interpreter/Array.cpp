//===- Array.cpp - dense arrays of exact values -----------------*- C++ -*-===//
#include "dialect/interpreter/Array.h"

using namespace mlir;
using namespace attn;

llvm::Error attn::makeError(const Twine &message) {
  return llvm::createStringError(llvm::inconvertibleErrorCode(), message);
}

int64_t Array::size() const {
  int64_t count = 1;
  for (int64_t extent : shape)
    count *= extent;
  return count;
}

Array Array::real(ArrayRef<int64_t> shape, Type element,
                  std::vector<double> values) {
  return {llvm::to_vector(shape), element, std::move(values), {}, {}};
}

Array Array::integer(ArrayRef<int64_t> shape, Type element,
                     std::vector<int64_t> values) {
  return {llvm::to_vector(shape), element, {}, std::move(values), {}};
}

static int64_t saturateInteger(IntegerType type, int64_t value) {
  unsigned width = type.getWidth();
  if (width >= 64)
    return value;
  bool isSigned = !type.isUnsigned() && width > 1;
  int64_t low = isSigned ? llvm::minIntN(width) : 0;
  int64_t high = isSigned ? llvm::maxIntN(width) : llvm::maxUIntN(width);
  return std::clamp(value, low, high);
}

ScalarValue attn::storeAs(Type storage, bool isReal, ScalarValue value) {
  if (auto type = dyn_cast<IntegerType>(storage))
    value.integer = isReal ? saturateTo(storage, value.real)
                           : saturateInteger(type, value.integer);
  else
    value.real = roundTo(storage, isReal ? value.real : double(value.integer));
  return value;
}

Array Array::convertedTo(Type type) const {
  Array result;
  result.shape = shape;
  result.element = type;
  result.present = present;
  bool from = isReal(), to = result.isReal();
  size_t count = from ? reals.size() : integers.size();
  (to ? (void)result.reals.reserve(count)
      : (void)result.integers.reserve(count));
  for (size_t i = 0; i < count; ++i) {
    ScalarValue value;
    if (from)
      value.real = reals[i];
    else
      value.integer = integers[i];
    value = storeAs(type, from, value);
    if (to)
      result.reals.push_back(value.real);
    else
      result.integers.push_back(value.integer);
  }
  return result;
}
