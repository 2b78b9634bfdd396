//===- cascades.cpp - compiled against interpreted --------------*- C++ -*-===//
//
// Random programs on random shapes: compiled code must agree with the
// interpreter by the oracle rule. Prints how often each construct was drawn,
// each disagreement with its program, and `N passed, M failed`.
//
//   attn-fuzz-cascades [COUNT [FIRST-SEED]]
//
//===----------------------------------------------------------------------===//

#include "compiler/Arguments.h"
#include "compiler/Backend.h"
#include "compiler/Compare.h"
#include "compiler/Execute.h"
#include "dialect/Philox.h"
#include "test/fuzz/Generator.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace attn;
using fuzz::Fill;

namespace {

/// The values of an input, by what the generator asked for.
Array fill(Type element, ArrayRef<int64_t> shape, Fill fill, uint64_t seed,
           int64_t largest) {
  Array array;
  array.shape.assign(shape.begin(), shape.end());
  array.element = element;
  for (int64_t i = 0, e = array.size(); i < e; ++i) {
    uint32_t word = philox::generate(seed, {i})[0];
    double normal = philox::normal(seed, {i});
    double real = 0;
    int64_t integer = 0;
    switch (fill) {
    case Fill::Normal:
      real = normal;
      break;
    case Fill::Small:
      real = int64_t(word % 5) - 2;
      break;
    case Fill::Special:
      real = word % 4 == 0 ? -INFINITY : normal;
      break;
    case Fill::Decay:
      real = 0.5 + philox::toUniform(word) / 2;
      break;
    case Fill::Length:
      integer = word % (largest + 1);
      break;
    case Fill::Label:
      integer = word % (element.isInteger(1) ? 2 : 3);
      break;
    }
    if (isa<FloatType>(element))
      array.reals.push_back(roundTo(element, real));
    else
      array.integers.push_back(integer);
  }
  return array;
}

/// Empty if compiled and interpreted agree on the program.
std::string disagreement(const fuzz::RandomProgram &random, uint64_t seed) {
  std::string messages;
  llvm::raw_string_ostream os(messages);
  std::unique_ptr<Program> program = loadText("fuzz.attn", random.text, {}, os);
  if (!program)
    return "does not load:\n" + messages;
  CascadeOp cascade = *program->module->getOps<CascadeOp>().begin();

  llvm::StringMap<int64_t> given;
  int64_t largest = 1;
  for (auto &[rank, extent] : random.shape) {
    given[rank] = extent;
    largest = std::max(largest, extent);
  }
  std::vector<std::optional<ArrayRef<int64_t>>> unknown(
      cascade.getInputs().size());
  auto extents = bindExtents(cascade, unknown, given);
  if (!extents)
    return toString(extents.takeError());
  std::vector<Array> inputs;
  SmallVector<Type> types;
  for (auto [i, port] :
       llvm::enumerate(cascade.getInputs().getAsRange<PortAttr>())) {
    NamedTensorType type = inputType(cascade, i);
    types.push_back(type.getElementType());
    inputs.push_back(fill(type.getElementType(), shapeOf(type, *extents),
                          random.fills.at(port.getName().str()), seed * 64 + i,
                          largest));
  }
  InterpretOptions options;
  options.extents = given;
  auto exact = interpret(cascade, inputs, options);
  if (!exact)
    return "interpreted: " + toString(exact.takeError());

  auto library = jitCompile(*program, "native");
  if (!library)
    return "compiled: " + toString(library.takeError());
  auto outputs = execute((*library)->find(symbolName(cascade.getSymName())),
                         cascade, inputs, *extents);
  if (!outputs)
    return "run: " + toString(outputs.takeError());
  for (auto [i, output] : llvm::enumerate(*outputs)) {
    Comparison result =
        compare(output, (*exact)[i], oracleTolerance(output.element, types));
    if (!result.problem.empty())
      return cast<PortAttr>(cascade.getOutputs()[i]).getName().str() +
             result.problem;
  }
  return "";
}

} // namespace

int main(int argc, char **argv) {
  uint64_t count = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 100;
  uint64_t first = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1;
  std::map<std::string, int> constructs;
  uint64_t failed = 0;
  for (uint64_t seed = first; seed < first + count; ++seed) {
    fuzz::RandomProgram random = fuzz::generate(seed);
    for (const std::string &construct : random.constructs)
      ++constructs[construct];
    std::string problem = disagreement(random, seed);
    if (problem.empty())
      continue;
    ++failed;
    llvm::outs() << "FAIL seed " << seed << ": " << problem << "\n"
                 << random.text;
    for (auto &[rank, extent] : random.shape)
      llvm::outs() << " " << rank << "=" << extent;
    llvm::outs() << "\n";
    llvm::outs().flush();
  }
  for (auto &[construct, times] : constructs)
    llvm::outs() << llvm::formatv("{0,6}  {1}\n", times, construct);
  llvm::outs() << count - failed << " passed, " << failed << " failed\n";
  return failed ? 3 : 0;
}
