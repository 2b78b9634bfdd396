//===- Cuda.cpp - calls of entries compiled for GPUs -----------*- C++ -*-===//
// Parameters are gathered on the host and go to each kernel by value: a call
// copies nothing to the GPU and waits for nothing.
//===----------------------------------------------------------------------===//
#include "Cuda.h"

#include "CudaDriver.h"
#include "Status.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <mutex>

using namespace attn::rt;

namespace {

/// Scratch memory of all workers of a kernel together.
constexpr int64_t scratchLimit = int64_t(256) << 20;
constexpr int64_t blocksLimit = int64_t(1) << 30;

int failWith(const CudaDriver &driver, attn_status status, const char *who,
             const char *what, CuResult result) {
  char text[160];
  driver.describe(result, text, sizeof text);
  return fail(status, "%s: %s: %s", who, what, text);
}

/// A device's context is current while this lives.
class Current {
public:
  Current(const CudaDriver &driver, const CudaDevice &device)
      : driver(driver), result(driver.push(device.context)) {}
  ~Current() {
    CuHandle old;
    if (!result)
      driver.pop(&old);
  }
  const CudaDriver &driver;
  CuResult result;
};

int reserve(DeviceBuffer &buffer, const CudaDriver &driver, int device,
            int64_t bytes, const char *who) {
  if (buffer.device == device && static_cast<size_t>(bytes) <= buffer.size)
    return ATTN_OK;
  if (buffer.address)
    driver.free(buffer.address);
  buffer.address = buffer.size = 0;
  buffer.device = device;
  if (CuResult result = driver.alloc(&buffer.address, bytes)) {
    buffer.address = 0;
    return failWith(driver, ATTN_ERROR_MEMORY, who, "memory of the GPU",
                    result);
  }
  buffer.size = bytes;
  return ATTN_OK;
}

struct CudaCall : attn_invocation {
  const Call *call;
  const CudaDriver *driver;
  const CudaDevice *device;
  CuHandle stream;
  int64_t scratchBytes; // a worker
  bool launched;        // a kernel of this call
  int status;
};

/// Images of another architecture of the same family do not run: machine code
/// is for its own (the newest minor below, without a letter), PTX for all later
/// ones unless it has a letter.
bool imageFits(const attn_cuda_image &image, const CudaDevice &device) {
  int number = 0, length = 0;
  if (std::sscanf(image.target, "sm_%d%n", &number, &length) != 1)
    return false;
  int own = device.major * 10 + device.minor;
  if (image.target[length])
    return number == own;
  return image.is_ptx ? number <= own
                      : number / 10 == device.major && number <= own;
}

int loadProgram(const CudaCall &c, attn_cuda_program &program, void *&module) {
  const char *who = c.call->name();
  CuResult result = 0;
  bool any = false;
  for (int64_t i = 0; i < program.num_images; ++i) {
    if (!imageFits(program.images[i], *c.device))
      continue;
    any = true;
    result = c.driver->loadModule(&module, program.images[i].data);
    if (!result)
      return ATTN_OK;
  }
  if (any)
    return failWith(*c.driver, ATTN_ERROR_TARGET, who,
                    "the GPU does not take the code", result);
  return fail(ATTN_ERROR_TARGET, "%s: the code is for %s, the GPU is %s", who,
              program.num_images ? program.images[0].target : "nothing",
              c.device->target);
}

/// The function of a kernel on this device, loaded on first use.
int loadKernel(const CudaCall &c, attn_cuda_kernel &kernel, void *&function) {
  static std::mutex mutex;
  std::lock_guard lock(mutex);
  int slot = c.call->frame.device;
  function = kernel.state[slot];
  if (function)
    return ATTN_OK;
  void *&module = kernel.program->state[slot];
  if (!module)
    if (int status = loadProgram(c, *kernel.program, module))
      return status;
  const char *who = c.call->name();
  if (CuResult result = c.driver->getFunction(&function, module, kernel.name))
    return failWith(*c.driver, ATTN_ERROR_INTERNAL, who, kernel.name, result);
  if (kernel.shared_bytes > c.device->shared)
    return fail(ATTN_ERROR_TARGET,
                "%s: the kernel needs %d bytes of shared memory, the GPU has "
                "%d",
                who, kernel.shared_bytes, c.device->shared);
  if (kernel.shared_bytes)
    if (CuResult result = c.driver->setFunction(function, cuFunctionSharedSize,
                                                kernel.shared_bytes))
      return failWith(*c.driver, ATTN_ERROR_TARGET, who, "shared memory",
                      result);
  kernel.state[slot] = function;
  return ATTN_OK;
}

/// CUtensorMap.
struct alignas(64) TensorMap {
  char bytes[128];
};

/// Do rows along the last axis begin at multiples of 16 bytes?
bool hasAlignedRows(const CudaCall &c, int port) {
  const PortView &view = c.call->frame.views[port];
  if (view.empty)
    return true;
  if (view.ndim < 1 || view.bits != 16 ||
      reinterpret_cast<uintptr_t>(c.call->frame.data[port]) % 16)
    return false;
  for (int axis = 0; axis < view.ndim; ++axis) {
    bool last = axis == view.ndim - 1;
    if (view.shape[axis] > 1 &&
        (last ? view.strides[axis] != 1 : view.strides[axis] % 8 != 0))
      return false;
  }
  return true;
}

/// False where the tensor's memory has no such map.
bool encodeMap(const CudaCall &c, const attn_cuda_map &map, TensorMap &result) {
  const Frame &frame = c.call->frame;
  if (!map.box[0])
    return hasAlignedRows(c, map.port);
  const attn_port_desc &port = c.call->entry.ports[map.port];
  const PortView &view = frame.views[map.port];
  constexpr int maxRank = 5, bfloat = 9, half = 6, swizzle128 = 3,
                promote256 = 3;
  if (view.ndim < 1 || view.ndim > maxRank || view.empty || view.bits != 16 ||
      (view.strides[view.ndim - 1] != 1 && view.shape[view.ndim - 1] > 1))
    return false;
  uint64_t sizes[maxRank], strides[maxRank] = {};
  uint32_t box[maxRank], steps[maxRank];
  for (int i = 0; i < view.ndim; ++i) {
    int axis = view.ndim - 1 - i;
    sizes[i] = static_cast<uint64_t>(view.shape[axis]);
    box[i] = map.box[i] ? map.box[i] : 1;
    steps[i] = 1;
    if (!i)
      continue;
    // An axis of one point may have any stride.
    int64_t stride = view.shape[axis] > 1 ? view.strides[axis] * 2 : 16;
    if (stride <= 0 || stride % 16)
      return false;
    strides[i - 1] = static_cast<uint64_t>(stride);
  }
  int type = port.dtype_code == ATTN_DTYPE_BFLOAT ? bfloat : half;
  return !c.driver->encodeMap(&result, type, view.ndim, frame.data[map.port],
                              sizes, strides, box, steps, /*interleave=*/0,
                              swizzle128, promote256, /*fill with zeros=*/0);
}

/// The counter is 0 once it is made; kernels leave it so. (A frame serves one
/// stream, so that no two kernels use it at a time.)
int reserveTickets(CudaCall &c) {
  DeviceBuffer &tickets = c.call->frame.deviceTickets;
  constexpr int64_t zero = 0;
  if (tickets.address && tickets.device == c.call->frame.device)
    return ATTN_OK;
  if (int status = reserve(tickets, *c.driver, c.call->frame.device,
                           sizeof zero, c.call->name()))
    return status;
  if (CuResult result = c.driver->copy(
          tickets.address, reinterpret_cast<CuAddress>(&zero), sizeof zero))
    return failWith(*c.driver, ATTN_ERROR_MEMORY, c.call->name(),
                    "memory of the GPU", result);
  return ATTN_OK;
}

int launch(CudaCall &c, int64_t items, attn_cuda_kernel &kernel) {
  std::vector<TensorMap> maps(kernel.num_maps);
  for (int64_t i = 0; i < kernel.num_maps; ++i)
    if (!encodeMap(c, kernel.maps[i], maps[i])) {
      if (kernel.fallback)
        return launch(c, items, *kernel.fallback);
      return fail(ATTN_ERROR_STRIDES, "%s: %s has no tensor map",
                  c.call->name(), c.call->portName(kernel.maps[i].port));
    }
  void *function = nullptr;
  if (int status = loadKernel(c, kernel, function))
    return status;
  Frame &frame = c.call->frame;
  bool aBlock = kernel.flags & ATTN_CUDA_ITEM_A_BLOCK;
  int64_t threads = kernel.threads;
  int64_t blocks = aBlock ? items : (items + threads - 1) / threads;
  if (kernel.flags & ATTN_CUDA_TICKETS) {
    if (items > blocksLimit)
      return fail(ATTN_ERROR_SHAPE, "%s: %" PRId64 " tiles are too many",
                  c.call->name(), items);
    if (int status = reserveTickets(c))
      return status;
    blocks = std::min<int64_t>(blocks, c.device->multiprocessors);
  }
  blocks = std::min(blocks, blocksLimit);
  int64_t workers = blocks * (aBlock ? 1 : threads);
  if (kernel.flags & ATTN_CUDA_SCRATCH && c.scratchBytes) {
    // At least one worker has to fit, whatever it takes.
    int64_t fit = std::max<int64_t>(scratchLimit / c.scratchBytes, 1);
    if (!aBlock && fit < threads)
      threads = 1;
    blocks = std::clamp<int64_t>(aBlock ? fit : fit / threads, 1, blocks);
    workers = blocks * (aBlock ? 1 : threads);
    if (int status = reserve(frame.deviceScratch, *c.driver, frame.device,
                             workers * c.scratchBytes, c.call->name()))
      return status;
  }
  frame.parameters[1] = static_cast<int64_t>(frame.deviceScratch.address);
  frame.parameters[2] = c.scratchBytes;
  frame.parameters[3] = workers;
  frame.parameters[4] = static_cast<int64_t>(frame.deviceTickets.address);
  std::vector<void *> arguments = {frame.parameters.data(), &items};
  for (TensorMap &map : maps)
    arguments.push_back(&map);
  // Not before what others have started ends.
  bool isEarly =
      kernel.flags & ATTN_CUDA_WAITS && c.launched && c.driver->startsEarly;
  CuLaunchAttribute early{cuLaunchEarly, {1}};
  CuLaunch config{{static_cast<unsigned>(blocks), 1, 1},
                  {static_cast<unsigned>(threads), 1, 1},
                  static_cast<unsigned>(kernel.shared_bytes),
                  c.stream,
                  &early,
                  isEarly ? 1u : 0u};
  c.launched = true;
  if (CuResult result =
          c.driver->launch(&config, function, arguments.data(), nullptr))
    return failWith(*c.driver, ATTN_ERROR_INTERNAL, c.call->name(), kernel.name,
                    result);
  return ATTN_OK;
}

/// attn_invocation::parallel_for of GPUs.
void launchItems(const attn_invocation *invocation, int64_t items, int64_t,
                 attn_kernel_body body) {
  auto &c = *static_cast<CudaCall *>(const_cast<attn_invocation *>(invocation));
  if (items > 0 && !c.status)
    c.status = launch(c, items, *reinterpret_cast<attn_cuda_kernel *>(body));
}

/// The words of abi.h, but for what a launch fills in.
void gatherParameters(const Call &call, uint32_t slots) {
  Frame &frame = call.frame;
  std::vector<int64_t> &words = frame.parameters;
  words.assign(ATTN_CUDA_HEADER_WORDS, 0);
  words[0] = static_cast<int64_t>(frame.deviceWorkspace.address);
  int32_t ports = call.entry.num_ports;
  std::vector<int64_t> values(ports, 0);
  for (int32_t port = 0; port < ports; ++port) {
    const DLTensor *tensor = call.tensors[port];
    bool onDevice = tensor && tensor->device.device_type == kDLCUDA;
    if (!onDevice)
      std::memcpy(&values[port], frame.data[port],
                  (frame.views[port].bits + 7) / 8);
    words.push_back(onDevice ? reinterpret_cast<int64_t>(frame.data[port]) : 0);
  }
  words.insert(words.end(), values.begin(), values.end());
  words.insert(words.end(), frame.strides.begin(), frame.strides.end());
  words.insert(words.end(), frame.extents.begin(), frame.extents.end());
  words.resize(words.size() + slots);
}

} // namespace

DeviceBuffer::~DeviceBuffer() {
  if (!address)
    return;
  const CudaDriver *driver = cudaDriver();
  const CudaDevice *owner = cudaDevice(device);
  if (!driver || !owner)
    return;
  Current current(*driver, *owner);
  driver->free(address);
}

int attn::rt::runCuda(const Call &call, const attn_context &context,
                      const attn_entry_version &version) {
  Frame &frame = call.frame;
  if (frame.device < 0)
    frame.device = 0; // no tensor says which
  if (frame.device >= ATTN_CUDA_MAX_DEVICES)
    return fail(ATTN_ERROR_DEVICE, "%s: GPU %d: %d are served", call.name(),
                frame.device, int(ATTN_CUDA_MAX_DEVICES));
  const CudaDriver *driver = cudaDriver();
  const CudaDevice *device = cudaDevice(frame.device);
  if (!driver || !device)
    return ATTN_ERROR_TARGET; // the message is there
  Current current(*driver, *device);
  if (current.result)
    return failWith(*driver, ATTN_ERROR_TARGET, call.name(), "context",
                    current.result);
  int64_t need[2] = {0, 0};
  if (version.workspace)
    version.workspace(frame.extents.data(), need);
  if (need[0] > (int64_t(1) << 48) || need[1] > (int64_t(1) << 48))
    return fail(ATTN_ERROR_MEMORY,
                "%s: no memory for a workspace of %" PRId64 " bytes",
                call.name(), std::max(need[0], need[1]));
  if (need[0] > 0)
    if (int status = reserve(frame.deviceWorkspace, *driver, frame.device,
                             need[0], call.name()))
      return status;
  gatherParameters(call, version.slots);
  CudaCall c{};
  c.data = frame.data.data();
  c.strides = frame.stridePointers.data();
  c.extents = frame.extents.data();
  c.workspace = reinterpret_cast<unsigned char *>(
      frame.parameters.data() + frame.parameters.size() - version.slots);
  c.workers = device->multiprocessors;
  c.parallel_for = launchItems;
  c.context = &context;
  c.call = &call;
  c.driver = driver;
  c.device = device;
  c.stream = context.stream;
  c.scratchBytes = (need[1] + 127) / 128 * 128;
  int status = version.run(&c);
  return c.status ? c.status : status;
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

namespace {
template <typename Body> int onDevice(int number, const char *who, Body body) {
  return guarded(who, [&]() -> int {
    const CudaDriver *driver = cudaDriver();
    const CudaDevice *device = cudaDevice(number);
    if (!driver)
      return ATTN_ERROR_TARGET;
    if (!device)
      return ATTN_ERROR_DEVICE;
    Current current(*driver, *device);
    CuResult result = current.result ? current.result : body(*driver);
    constexpr CuResult outOfMemory = 2;
    return result ? failWith(*driver,
                             result == outOfMemory ? ATTN_ERROR_MEMORY
                                                   : ATTN_ERROR_DEVICE,
                             who, "the driver reports", result)
                  : int(ATTN_OK);
  });
}
} // namespace

int attn_cuda_alloc(int device, size_t bytes, void **memory) {
  if (!memory)
    return fail(ATTN_ERROR_NULL, "attn_cuda_alloc: null argument");
  *memory = nullptr;
  return onDevice(device, "attn_cuda_alloc", [&](const CudaDriver &driver) {
    CuAddress address = 0;
    CuResult result = driver.alloc(&address, std::max<size_t>(bytes, 1));
    *memory = reinterpret_cast<void *>(address);
    return result;
  });
}

int attn_cuda_free(int device, void *memory) {
  return onDevice(device, "attn_cuda_free", [&](const CudaDriver &driver) {
    return memory ? driver.free(reinterpret_cast<CuAddress>(memory)) : 0;
  });
}

int attn_cuda_copy(int device, void *destination, const void *source,
                   size_t bytes) {
  return onDevice(device, "attn_cuda_copy", [&](const CudaDriver &driver) {
    CuResult result = driver.synchronize();
    if (!result && bytes)
      result = driver.copy(reinterpret_cast<CuAddress>(destination),
                           reinterpret_cast<CuAddress>(source), bytes);
    return result ? result : driver.synchronize();
  });
}

int attn_cuda_synchronize(int device) {
  return onDevice(
      device, "attn_cuda_synchronize",
      [](const CudaDriver &driver) { return driver.synchronize(); });
}
