//===- Execute.cpp - compiled cascades on arrays ----------------*- C++ -*-===//
#include "compiler/Execute.h"
#include "compiler/Arguments.h"
#include "compiler/HostTensor.h"
#include <chrono>

using namespace mlir;
using namespace attn;

llvm::Expected<std::vector<Array>>
attn::execute(const attn_entry_desc *entry, CascadeOp cascade,
              ArrayRef<Array> inputs, const Extents &extents,
              const attn_context *context, double *seconds) {
  // A scalar left to its default is a null pointer.
  std::vector<std::optional<HostTensor>> memory;
  for (const Array &input : inputs)
    memory.push_back(input.element ? std::optional(HostTensor::pack(input))
                                   : std::nullopt);
  for (unsigned i = 0; i < cascade.getOutputs().size(); ++i) {
    NamedTensorType type = outputType(cascade, i);
    memory.push_back(HostTensor(type.getElementType(), shapeOf(type, extents)));
  }
  if (static_cast<size_t>(entry->num_ports) != memory.size())
    return makeError("the compiled entry has other ports than the cascade");

  std::vector<DLTensor> tensors(memory.size());
  std::vector<DLTensor *> pointers(memory.size(), nullptr);
  for (auto [i, tensor] : llvm::enumerate(memory))
    if (tensor) {
      tensors[i] = tensor->view();
      pointers[i] = &tensors[i];
    }
  auto call = [&]() -> llvm::Error {
    if (attn_invoke(context, entry, pointers.data()) != ATTN_OK)
      return makeError(attn_last_error());
    return llvm::Error::success();
  };
  if (llvm::Error error = call())
    return error;
  if (seconds) {
    using Clock = std::chrono::steady_clock;
    auto begin = Clock::now();
    *seconds = INFINITY;
    do {
      auto start = Clock::now();
      if (llvm::Error error = call())
        return error;
      std::chrono::duration<double> time = Clock::now() - start;
      *seconds = std::min(*seconds, time.count());
    } while (Clock::now() - begin < std::chrono::seconds(2));
  }
  std::vector<Array> outputs;
  for (unsigned i = inputs.size(); i < memory.size(); ++i)
    outputs.push_back(memory[i]->unpack());
  return outputs;
}
