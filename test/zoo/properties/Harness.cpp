//===- Harness.cpp - programs as functions on arrays ------------*- C++ -*-===//
#include "test/zoo/properties/Harness.h"
#include "compiler/Arguments.h"
#include "compiler/Execute.h"
#include "dialect/Philox.h"
#include <gtest/gtest.h>

using namespace mlir;
using namespace attn;
using namespace attn::properties;

Subject::Subject(const std::string &text,
                 const std::map<std::string, std::string> &consts,
                 const std::string &name)
    : name(name) {
  std::string messages;
  llvm::raw_string_ostream os(messages);
  text::ImportOptions import;
  for (const auto &[name, value] : consts)
    import.consts[name] = value;
  program = loadText("property.attn", text, import, os);
  EXPECT_TRUE(program) << messages << text;
}

const attn_entry_desc *Subject::entry() {
  if (program && !library) {
    auto compiled = jitCompile(*program, "native");
    if (compiled)
      library = std::move(*compiled);
    else
      ADD_FAILURE() << toString(compiled.takeError());
  }
  return library ? library->find(cascade().getSymName()) : nullptr;
}

CascadeOp Subject::cascade() {
  if (!name.empty())
    return program->module->lookupSymbol<CascadeOp>(name);
  return *program->module->getOps<CascadeOp>().begin();
}

std::vector<std::string> Subject::inputNames() {
  std::vector<std::string> names;
  if (program)
    for (auto port : cascade().getInputs().getAsRange<PortAttr>())
      names.push_back(port.getName().str());
  return names;
}

/// Those of the cascade's ranks.
static llvm::StringMap<int64_t> named(CascadeOp cascade, const Sizes &sizes) {
  llvm::StringMap<int64_t> map;
  for (const auto &[rank, extent] : sizes)
    if (cascade.findRank(rank))
      map[rank] = extent;
  return map;
}

Values Subject::random(const Sizes &sizes, uint64_t seed) {
  Values values;
  if (!program)
    return values;
  std::vector<std::optional<ArrayRef<int64_t>>> unknown(
      cascade().getInputs().size());
  auto extents = bindExtents(cascade(), unknown, named(cascade(), sizes));
  if (!extents) {
    ADD_FAILURE() << toString(extents.takeError());
    return values;
  }
  for (auto [i, port] :
       llvm::enumerate(cascade().getInputs().getAsRange<PortAttr>())) {
    NamedTensorType type = inputType(cascade(), i);
    Array array;
    array.element = type.getElementType();
    array.shape = shapeOf(type, *extents);
    for (int64_t k = 0, e = array.size(); k < e; ++k) {
      int64_t place[] = {int64_t(i), k};
      uint32_t word = philox::generate(seed, place)[0];
      if (array.isReal())
        array.reals.push_back(
            roundTo(array.element, philox::normal(seed, place)));
      else
        array.integers.push_back(word % (array.element.isInteger(1) ? 2 : 4));
    }
    values[port.getName().str()] = array;
  }
  return values;
}

Results Subject::call(const Values &inputs, const Sizes &sizes) {
  Results results;
  if (!entry())
    return results;
  std::vector<Array> arrays;
  std::vector<std::optional<ArrayRef<int64_t>>> shapes;
  for (auto [i, port] :
       llvm::enumerate(cascade().getInputs().getAsRange<PortAttr>())) {
    auto found = inputs.find(port.getName().str());
    if (found == inputs.end()) {
      ADD_FAILURE() << "no input " << port.getName().str();
      return results;
    }
    arrays.push_back(
        found->second.convertedTo(inputType(cascade(), i).getElementType()));
  }
  for (const Array &array : arrays)
    shapes.push_back(array.shape);
  InterpretOptions options;
  options.extents = named(cascade(), sizes);
  auto extents = bindExtents(cascade(), shapes, options.extents);
  if (!extents) {
    ADD_FAILURE() << toString(extents.takeError());
    return results;
  }
  auto exact = interpret(cascade(), arrays, options);
  auto compiled = execute(entry(), cascade(), arrays, *extents);
  if (!exact || !compiled) {
    ADD_FAILURE() << (exact ? "" : toString(exact.takeError()))
                  << (compiled ? "" : toString(compiled.takeError()));
    return results;
  }
  for (auto [i, port] :
       llvm::enumerate(cascade().getOutputs().getAsRange<PortAttr>())) {
    results.interpreted[port.getName().str()] = (*exact)[i];
    results.compiled[port.getName().str()] = (*compiled)[i];
  }
  return results;
}

Derived Subject::derived() {
  Derived result;
  if (!program)
    return result;
  auto module = derive(*program);
  if (!module) {
    ADD_FAILURE() << toString(module.takeError());
    return result;
  }
  Operation *root = module->get();
  if (!name.empty())
    root = (*module)->lookupSymbol(name);
  root->walk([&](Operation *op) {
    result.kernels += isa<KernelOp>(op);
    // Whether a row has points is no statistic: a division written after the
    // sum is 0/0 in an empty row and needs no such flag.
    auto state = dyn_cast<EquationsOp>(op);
    result.recurrences +=
        state && !state.getResult().getType().getElementType().isInteger(1);
    result.einsums += isa<EinsumOp>(op);
  });
  return result;
}

void properties::expectSame(const Values &a, const Values &b,
                            double tolerance) {
  for (const auto &[name, want] : b) {
    auto found = a.find(name);
    if (found == a.end())
      continue;
    const Array &got = found->second;
    ASSERT_EQ(got.shape, want.shape) << name;
    EXPECT_EQ(got.integers, want.integers) << name;
    double largest = 0;
    for (double value : want.reals)
      if (std::isfinite(value))
        largest = std::max(largest, std::abs(value));
    for (size_t i = 0; i < want.reals.size(); ++i) {
      double g = got.reals[i], w = want.reals[i];
      if (std::isnan(w) || std::isinf(w))
        ASSERT_TRUE(g == w || (std::isnan(g) && std::isnan(w)))
            << name << " at " << i << ": " << g << ", not " << w;
      else
        ASSERT_LE(std::abs(g - w), tolerance * largest) << name << " at " << i;
    }
  }
}

void properties::expectSame(const Results &a, const Results &b,
                            double tolerance, double exact) {
  {
    SCOPED_TRACE("interpreted");
    expectSame(a.interpreted, b.interpreted, exact);
  }
  SCOPED_TRACE("compiled");
  expectSame(a.compiled, b.interpreted, tolerance);
  expectSame(b.compiled, b.interpreted, tolerance);
}

Array properties::permuted(const Array &array, unsigned axis,
                           ArrayRef<int64_t> order) {
  Array result;
  result.element = array.element;
  result.shape = array.shape;
  result.shape[axis] = order.size();
  int64_t inner = 1, outer = 1;
  for (unsigned k = 0; k < array.shape.size(); ++k)
    (k < axis ? outer : inner) *= k == axis ? 1 : array.shape[k];
  for (int64_t o = 0; o < outer; ++o)
    for (int64_t at : order)
      for (int64_t i = 0; i < inner; ++i) {
        int64_t from = (o * array.shape[axis] + at) * inner + i;
        if (array.isReal())
          result.reals.push_back(array.reals[from]);
        else
          result.integers.push_back(array.integers[from]);
      }
  return result;
}

Array properties::slice(const Array &array, unsigned axis, int64_t begin,
                        int64_t end) {
  return permuted(array, axis, llvm::to_vector(llvm::seq<int64_t>(begin, end)));
}

Array properties::concatenate(const Array &a, const Array &b, unsigned axis) {
  Array result;
  result.element = a.element;
  result.shape = a.shape;
  result.shape[axis] += b.shape[axis];
  int64_t outer = 1, inner = 1;
  for (unsigned k = 0; k < a.shape.size(); ++k)
    (k < axis ? outer : inner) *= k == axis ? 1 : a.shape[k];
  auto append = [&](auto &to, const auto &from, int64_t begin, int64_t count) {
    to.insert(to.end(), from.begin() + begin, from.begin() + begin + count);
  };
  for (int64_t o = 0; o < outer; ++o)
    for (const Array *part : {&a, &b}) {
      int64_t count = part->shape[axis] * inner;
      if (part->isReal())
        append(result.reals, part->reals, o * count, count);
      else
        append(result.integers, part->integers, o * count, count);
    }
  return result;
}

// Calls convert to the type of the port.
static MLIRContext &sharedContext() {
  static MLIRContext context(MLIRContext::Threading::DISABLED);
  return context;
}

Array properties::reals(ArrayRef<int64_t> shape, std::vector<double> values) {
  return Array::real(shape, Float64Type::get(&sharedContext()),
                     std::move(values));
}

Array properties::integers(ArrayRef<int64_t> shape,
                           std::vector<int64_t> values) {
  return Array::integer(shape, IntegerType::get(&sharedContext(), 32),
                        std::move(values));
}
