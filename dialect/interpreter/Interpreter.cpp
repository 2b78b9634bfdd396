//===- Interpreter.cpp - the meaning of a cascade, in f64 -------*- C++ -*-===//
#include "dialect/interpreter/Interpreter.h"
#include "dialect/interpreter/Machine.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace attn;
using namespace attn::interpreter;
using llvm::formatv;

/// The inputs as their ports store them, defaults filled in.
static llvm::Expected<std::vector<Array>> convertInputs(CascadeOp cascade,
                                                        ArrayRef<Array> given) {
  auto ports = cascade.getInputs().getAsRange<PortAttr>();
  if (given.size() != cascade.getInputs().size())
    return makeError(formatv("{0} takes {1} inputs, not {2}",
                             cascade.getSymName(), cascade.getInputs().size(),
                             given.size()));
  std::vector<Array> arrays;
  for (auto [port, argument, input] :
       llvm::zip(ports, cascade.getBody().getArguments(), given)) {
    StringRef name = port.getName().getValue();
    Type type = cast<NamedTensorType>(argument.getType()).getElementType();
    Array array = input;
    if (!array.element) {
      if (auto real = dyn_cast_or_null<FloatAttr>(port.getInit()))
        array = Array::real({}, real.getType(), {real.getValueAsDouble()});
      else if (auto integer = dyn_cast_or_null<IntegerAttr>(port.getInit()))
        array = Array::integer({}, integer.getType(),
                               {integer.getType().isInteger(1)
                                    ? int64_t(integer.getValue().getZExtValue())
                                    : integer.getValue().getSExtValue()});
      else
        return makeError(formatv("input {0} is missing", name));
    }
    size_t values = array.isReal() ? array.reals.size() : array.integers.size();
    if (int64_t(values) != array.size())
      return makeError(formatv("input {0} has {1} values for a shape of {2}",
                               name, values, array.size()));
    arrays.push_back(array.convertedTo(type));
  }
  return arrays;
}

/// Inputs are present everywhere.
static void fillInput(Definition &definition, const Array &array) {
  Column &column = definition.columns.front();
  for (int64_t i = 0; i < definition.size; ++i) {
    definition.states[i] = State::Present;
    if (column.isReal)
      column.values[i].real = array.reals[i];
    else
      column.values[i].integer = array.integers[i];
  }
}

/// All points of an output, as they are stored: LANGUAGE section 3.
static llvm::Expected<Array> evaluateOutput(Machine &machine, const Plan &plan,
                                            uint32_t id,
                                            const InterpretOptions &options) {
  const Tensor &tensor = plan.tensors[id];
  Array array;
  array.shape.assign(tensor.extents.begin(), tensor.extents.end());
  array.element = tensor.element;
  bool isReal = array.isReal();
  int64_t count = array.size();
  SmallVector<int64_t> point(tensor.extents.size(), 0);
  for (int64_t i = 0; i < count; ++i) {
    auto value = machine.evaluate(id, point, !options.roundOutputs);
    if (!value)
      return value.takeError();
    array.present.push_back(value->present);
    if (isReal) {
      array.reals.push_back(value->present ? value->value.real : 0);
    } else {
      if (!value->present && tensor.element.isUnsignedInteger())
        return makeError(formatv("output {0} is absent at point {1}, and its "
                                 "unsigned type cannot hold -1",
                                 tensor.name, i));
      int64_t absent = tensor.element.isInteger(1) ? 0 : -1;
      array.integers.push_back(value->present ? value->value.integer : absent);
    }
    for (size_t k = point.size(); k-- > 0;) {
      if (++point[k] < tensor.extents[k])
        break;
      point[k] = 0;
    }
  }
  return array;
}

llvm::Expected<std::vector<Array>>
attn::interpret(CascadeOp cascade, ArrayRef<Array> inputs,
                const InterpretOptions &options) {
  auto arrays = convertInputs(cascade, inputs);
  if (!arrays)
    return arrays.takeError();
  SmallVector<std::optional<ArrayRef<int64_t>>> shapes;
  for (const Array &array : *arrays)
    shapes.push_back(ArrayRef<int64_t>(array.shape));
  auto extents = bindExtents(cascade, shapes, options.extents);
  if (!extents)
    return extents.takeError();
  auto plan = makePlan(cascade, *extents, !options.roundOutputs);
  if (!plan)
    return plan.takeError();
  for (auto [tensor, array] : llvm::zip(plan->tensors, *arrays))
    fillInput(*tensor.definition, array);
  Machine machine(*plan);
  std::vector<Array> outputs;
  for (uint32_t id : plan->outputs) {
    auto output = evaluateOutput(machine, *plan, id, options);
    if (!output)
      return output.takeError();
    outputs.push_back(std::move(*output));
  }
  return outputs;
}
