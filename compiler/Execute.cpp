//===- Execute.cpp - compiled cascades on arrays ----------------*- C++ -*-===//
#include "compiler/Execute.h"
#include "compiler/Arguments.h"
#include "compiler/HostTensor.h"
#include <chrono>
#include <thread>

using namespace mlir;
using namespace attn;

namespace {

/// Tensors of a call that live on a GPU, copies of what the host has. Scalars
/// stay where they are.
class DeviceCopies {
public:
  ~DeviceCopies() {
    for (void *memory : owned)
      attn_cuda_free(device, memory);
  }

  llvm::Error upload(const attn_entry_desc &entry,
                     ArrayRef<DLTensor *> pointers) {
    hosts.resize(pointers.size());
    for (auto [i, pointer] : llvm::enumerate(pointers)) {
      if (!pointer ||
          (!pointer->ndim && static_cast<int>(i) < entry.num_inputs))
        continue;
      void *memory = nullptr;
      if (attn_cuda_alloc(device, bytes(*pointer), &memory))
        return makeError(attn_last_error());
      owned.push_back(memory);
      if (attn_cuda_copy(device, memory, pointer->data, bytes(*pointer)))
        return makeError(attn_last_error());
      hosts[i] = pointer->data;
      pointer->data = memory;
      pointer->device = {kDLCUDA, device};
    }
    return llvm::Error::success();
  }

  llvm::Error download(ArrayRef<DLTensor> tensors) {
    for (auto [tensor, host] : llvm::zip(tensors, hosts))
      if (host && attn_cuda_copy(device, host, tensor.data, bytes(tensor)))
        return makeError(attn_last_error());
    return llvm::Error::success();
  }

private:
  static size_t bytes(const DLTensor &tensor) {
    size_t elements = 1;
    for (int axis = 0; axis < tensor.ndim; ++axis)
      elements *= tensor.shape[axis];
    return (elements * tensor.dtype.bits + 7) / 8;
  }

  int device = 0;
  std::vector<void *> owned, hosts;
};

/// Seconds of a call, calls one after the other in the stream for about as long
/// as the GPU keeps its clock, after a rest.
llvm::Expected<double> timeOnDevice(llvm::function_ref<llvm::Error()> call) {
  using Clock = std::chrono::steady_clock;
  auto run = [&](int calls) -> llvm::Expected<double> {
    attn_cuda_synchronize(0);
    auto start = Clock::now();
    for (int i = 0; i < calls; ++i)
      if (llvm::Error error = call())
        return error;
    if (attn_cuda_synchronize(0))
      return makeError(attn_last_error());
    return std::chrono::duration<double>(Clock::now() - start).count() / calls;
  };
  auto once = run(2);
  if (!once)
    return once;
  int calls = std::clamp(static_cast<int>(0.008 / *once), 1, 1000);
  std::vector<double> times;
  for (int round = 0; round < 9; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(150));
    auto time = run(calls);
    if (!time)
      return time;
    times.push_back(*time);
  }
  llvm::sort(times);
  return times[times.size() / 2];
}

} // namespace

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
  bool cuda = entry->versions[0].flags & ATTN_ENTRY_CUDA;
  DeviceCopies copies;
  if (cuda)
    if (llvm::Error error = copies.upload(*entry, pointers))
      return error;
  if (llvm::Error error = call())
    return error;
  if (seconds && cuda) {
    auto time = timeOnDevice(call);
    if (!time)
      return time.takeError();
    *seconds = *time;
  } else if (seconds) {
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
  if (cuda)
    if (llvm::Error error = copies.download(tensors))
      return error;
  std::vector<Array> outputs;
  for (unsigned i = inputs.size(); i < memory.size(); ++i)
    outputs.push_back(memory[i]->unpack());
  return outputs;
}
