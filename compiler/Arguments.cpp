//===- Arguments.cpp - what a cascade is called with ------------*- C++ -*-===//
#include "compiler/Arguments.h"
#include "dialect/Philox.h"
#include "dialect/interpreter/Npy.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/raw_ostream.h"
#include <unistd.h>

using namespace mlir;
using namespace attn;

namespace {

int complain(ExitCode code, const Twine &message) {
  llvm::errs() << "attnc: " << message << "\n";
  return code;
}

StringRef nameOf(ArrayAttr ports, unsigned i) {
  return cast<PortAttr>(ports[i]).getName().getValue();
}

bool isPort(ArrayAttr ports, StringRef name) {
  return llvm::any_of(ports.getAsRange<PortAttr>(), [&](PortAttr port) {
    return port.getName().getValue() == name;
  });
}

const std::string *valueOf(ArrayRef<NameValue> entries, StringRef name) {
  for (auto &[key, value] : entries)
    if (key == name)
      return &value;
  return nullptr;
}

/// Names on the command line that the cascade does not have.
int checkNames(CascadeOp cascade, const Options &options) {
  for (auto &[name, value] : options.inputs)
    if (!isPort(cascade.getInputs(), name))
      return complain(ExitUsage, "--input: no input " + name + " in " +
                                     cascade.getSymName());
  for (auto &[name, value] : options.outputs)
    if (!isPort(cascade.getOutputs(), name))
      return complain(ExitUsage, "--output: no output " + name + " in " +
                                     cascade.getSymName());
  for (auto &[name, extent] : options.shape)
    if (!cascade.findRank(name))
      return complain(ExitUsage, "--shape: no rank " + name + " in " +
                                     cascade.getSymName());
  return ExitOk;
}

using Shapes = ArrayRef<std::optional<ArrayRef<int64_t>>>;

/// Ranks whose extent neither --shape nor a file says.
int checkGiven(CascadeOp cascade, Shapes shapes,
               const llvm::StringMap<int64_t> &given) {
  SmallVector<StringRef> open;
  for (auto rank : cascade.getRanks().getAsRange<RankAttr>()) {
    StringRef name = rank.getName().getValue();
    auto isBound = [&](unsigned i) {
      return shapes[i] && inputType(cascade, i).rankIndex(name) >= 0;
    };
    if (!rank.getExtent() && !given.contains(name) &&
        llvm::none_of(llvm::seq(unsigned(shapes.size())), isBound))
      open.push_back(name);
  }
  if (open.empty())
    return ExitOk;
  return complain(ExitUsage, (open.size() == 1 ? "rank " : "ranks ") +
                                 llvm::join(open, ", ") +
                                 (open.size() == 1 ? " has" : " have") +
                                 " no extent: --shape " +
                                 llvm::join(open, "=..,") + "=..");
}

/// All values of the ports are in memory, as doubles.
int checkMemory(CascadeOp cascade, const Extents &extents) {
  double bytes = 0;
  auto add = [&](NamedTensorType type) {
    double size = sizeof(double);
    for (int64_t extent : shapeOf(type, extents))
      size *= extent;
    bytes += size;
  };
  for (unsigned i = 0; i < cascade.getInputs().size(); ++i)
    add(inputType(cascade, i));
  for (unsigned i = 0; i < cascade.getOutputs().size(); ++i)
    add(outputType(cascade, i));
  double memory = double(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGESIZE);
  if (bytes <= memory)
    return ExitOk;
  return complain(ExitUnavailable,
                  llvm::formatv("the tensors of {0} take {1:f1} GB here, this "
                                "machine has {2:f1} GB",
                                cascade.getSymName(), bytes / 1e9, memory / 1e9)
                      .str());
}

std::optional<Array> parseScalar(StringRef text, Type element) {
  if (element.isInteger(1)) {
    if (text != "true" && text != "false")
      return std::nullopt;
    return Array::integer({}, element, {text == "true"});
  }
  if (isa<FloatType>(element)) {
    // getAsDouble knows neither inf nor nan of the command line.
    char *end;
    std::string copy = text.str();
    double value = std::strtod(copy.c_str(), &end);
    if (copy.empty() || *end)
      return std::nullopt;
    return Array::real({}, element, {value});
  }
  int64_t value;
  if (text.getAsInteger(0, value))
    return std::nullopt;
  return Array::integer({}, element, {value});
}

int readInput(StringRef name, StringRef text, NamedTensorType type,
              Array &input) {
  Type element = type.getElementType();
  if (text.ends_with(".npy")) {
    llvm::Expected<Array> array = readNpy(text, type.getContext());
    if (!array)
      return complain(ExitBadInput,
                      "--input " + name + ": " + toString(array.takeError()));
    input = array->convertedTo(element);
    return ExitOk;
  }
  if (!type.getRanks().empty())
    return complain(ExitUsage, "--input " + name + "=" + text +
                                   ": a tensor is read from a .npy file");
  std::optional<Array> scalar = parseScalar(text, element);
  if (!scalar)
    return complain(ExitUsage, "--input " + name + "=" + text +
                                   ": not a number of the type of " + name);
  input = scalar->convertedTo(element);
  return ExitOk;
}

/// Reals are N(0,1); integers lie in [0, limit], as lengths, indices and
/// documents do.
Array randomArray(Type element, ArrayRef<int64_t> shape, uint64_t seed,
                  int64_t port, int64_t limit) {
  Array array;
  array.shape.assign(shape.begin(), shape.end());
  array.element = element;
  if (auto integer = dyn_cast<IntegerType>(element))
    limit = integer.getWidth() == 1
                ? 1
                : std::min(limit, llvm::maxIntN(integer.getWidth()));
  for (int64_t i = 0, e = array.size(); i < e; ++i) {
    if (isa<FloatType>(element))
      array.reals.push_back(
          roundTo(element, philox::normal(seed, {port, i, i >> 32})));
    else
      array.integers.push_back(philox::generate(seed, {port, i, i >> 32})[0] %
                               (limit + 1));
  }
  return array;
}

} // namespace

NamedTensorType attn::inputType(CascadeOp cascade, unsigned port) {
  return cast<NamedTensorType>(cascade.getBody().getArgument(port).getType());
}

NamedTensorType attn::outputType(CascadeOp cascade, unsigned port) {
  return cast<NamedTensorType>(
      cascade.getReturn().getOutputs()[port].getType());
}

SmallVector<int64_t> attn::shapeOf(NamedTensorType type,
                                   const Extents &extents) {
  return llvm::map_to_vector(
      type.getRanks(), [&](StringAttr rank) { return extents.lookup(rank); });
}

int attn::makeArguments(CascadeOp cascade, const Options &options,
                        Arguments &arguments) {
  if (int code = checkNames(cascade, options))
    return code;
  unsigned count = cascade.getInputs().size();
  arguments.inputs.resize(count);
  std::vector<std::optional<ArrayRef<int64_t>>> shapes(count);
  llvm::StringMap<int64_t> given;
  for (auto &[name, extent] : options.shape)
    given[name] = extent;
  for (unsigned i = 0; i < count; ++i) {
    StringRef name = nameOf(cascade.getInputs(), i);
    const std::string *text = valueOf(options.inputs, name);
    if (!text)
      continue;
    Array &input = arguments.inputs[i];
    if (int code = readInput(name, *text, inputType(cascade, i), input))
      return code;
    shapes[i] = input.shape;
  }
  // A file with other axes is told first: bindExtents looks at files first.
  auto fits = [&](unsigned i) {
    return !shapes[i] ||
           shapes[i]->size() == inputType(cascade, i).getRanks().size();
  };
  if (llvm::all_of(llvm::seq(count), fits))
    if (int code = checkGiven(cascade, shapes, given))
      return code;
  llvm::Expected<Extents> extents = bindExtents(cascade, shapes, given);
  if (!extents)
    return complain(ExitBadInput, cascade.getSymName() + ": " +
                                      toString(extents.takeError()));
  arguments.extents = std::move(*extents);
  if (int code = checkMemory(cascade, arguments.extents))
    return code;

  int64_t largest = 1;
  for (auto &[rank, extent] : arguments.extents)
    largest = std::max(largest, extent);
  for (unsigned i = 0; i < count; ++i) {
    auto port = cast<PortAttr>(cascade.getInputs()[i]);
    if (shapes[i] || port.getInit())
      continue;
    NamedTensorType type = inputType(cascade, i);
    arguments.inputs[i] =
        randomArray(type.getElementType(), shapeOf(type, arguments.extents),
                    options.seed, i, largest);
  }
  return ExitOk;
}

InterpretOptions attn::interpretOptions(const Arguments &arguments) {
  InterpretOptions options;
  for (auto &[rank, extent] : arguments.extents)
    options.extents[rank.getValue()] = extent;
  return options;
}

/// Smallest, largest and mean of the values that are numbers.
static void printRange(const Array &array) {
  double low = INFINITY, high = -INFINITY, sum = 0;
  int64_t numbers = 0, count = array.size();
  for (int64_t i = 0; i < count; ++i) {
    double value = array.isReal() ? array.reals[i] : array.integers[i];
    if (std::isnan(value))
      continue;
    low = std::min(low, value);
    high = std::max(high, value);
    sum += value;
    ++numbers;
  }
  if (numbers)
    llvm::outs() << llvm::format("from %.6g to %.6g, mean %.6g", low, high,
                                 sum / numbers);
  if (numbers < count)
    llvm::outs() << (numbers ? ", " : "") << count - numbers << " NaN";
}

void attn::printOutputs(CascadeOp cascade, ArrayRef<Array> outputs) {
  constexpr int64_t shown = 32;
  for (auto [i, output] : llvm::enumerate(outputs)) {
    llvm::outs() << nameOf(cascade.getOutputs(), i) << ": " << output.element
                 << "[";
    llvm::interleaveComma(output.shape, llvm::outs());
    llvm::outs() << "] ";
    if (output.size() > shown)
      printRange(output);
    else if (output.isReal())
      llvm::interleave(
          output.reals, llvm::outs(),
          [](double value) { llvm::outs() << llvm::format("%.6g", value); },
          " ");
    else
      llvm::interleave(output.integers, llvm::outs(), " ");
    llvm::outs() << "\n";
  }
}

int attn::writeOutputs(CascadeOp cascade, const Options &options,
                       ArrayRef<Array> outputs) {
  for (auto [i, output] : llvm::enumerate(outputs)) {
    const std::string *path =
        valueOf(options.outputs, nameOf(cascade.getOutputs(), i));
    if (!path)
      continue;
    if (llvm::Error error = writeNpy(*path, output))
      return complain(ExitBadInput, toString(std::move(error)));
  }
  return ExitOk;
}
