//===- CudaDriver.cpp - the driver of NVIDIA GPUs --------------*- C++ -*-===//
#include "CudaDriver.h"

#include "Status.h"

#include <cstdio>
#include <cstdlib>
#include <dlfcn.h>
#include <mutex>
#include <string>
#include <vector>

using namespace attn::rt;

namespace {

struct Loaded {
  CudaDriver driver;
  std::vector<CudaDevice> devices;
  std::string problem; // empty: all of it is there
};

/// Fills the table; the first name that is missing, else null.
const char *resolve(void *library, CudaDriver &driver) {
#define ATTN_CUDA_RESOLVE(name, symbol, parameters)                            \
  driver.name =                                                                \
      reinterpret_cast<CuResult(*) parameters>(dlsym(library, symbol));        \
  if (!driver.name)                                                            \
    return symbol;
  ATTN_CUDA_FUNCTIONS(ATTN_CUDA_RESOLVE)
#undef ATTN_CUDA_RESOLVE
  return nullptr;
}

std::string load(Loaded &loaded) {
  const char *path = std::getenv("ATTN_CUDA_DRIVER");
  if (!path || !*path)
    path = "libcuda.so.1";
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    const char *reason = dlerror();
    return std::string("there is no NVIDIA driver: ") +
           (reason ? reason : path);
  }
  CudaDriver &driver = loaded.driver;
  if (const char *missing = resolve(library, driver))
    return std::string("the NVIDIA driver is too old: it has no ") + missing;
  char text[160];
  int count = 0, version = 0;
  CuResult result = driver.init(0);
  if (!result)
    result = driver.getVersion(&version);
  driver.startsEarly = version >= 12030;
  if (!result)
    result = driver.deviceGetCount(&count);
  if (result) {
    driver.describe(result, text, sizeof text);
    return std::string("the NVIDIA driver does not start: ") + text;
  }
  if (!count)
    return "there is no NVIDIA GPU";
  loaded.devices.resize(count);
  for (int i = 0; i < count; ++i) {
    CudaDevice &device = loaded.devices[i];
    driver.deviceGet(&device.handle, i);
    auto attribute = [&](int which, int &value) {
      driver.deviceGetAttribute(&value, which, device.handle);
    };
    attribute(cuComputeMajor, device.major);
    attribute(cuComputeMinor, device.minor);
    attribute(cuMultiprocessors, device.multiprocessors);
    attribute(cuMaxSharedOptin, device.shared);
    // From Hopper on, the instructions of one architecture alone have an `a`.
    std::snprintf(device.target, sizeof device.target, "sm_%d%d%s",
                  device.major, device.minor, device.major >= 9 ? "a" : "");
  }
  return "";
}

Loaded &loaded() {
  // Never destroyed: buffers may be freed by destructors of static objects.
  static Loaded *all = [] {
    auto *made = new Loaded;
    made->problem = load(*made);
    return made;
  }();
  return *all;
}

} // namespace

void CudaDriver::describe(CuResult result, char *text, size_t size) const {
  const char *label = nullptr, *words = nullptr;
  errorName(result, &label);
  errorText(result, &words);
  std::snprintf(text, size, "%s: %s", label ? label : "unknown error",
                words ? words : "");
}

const CudaDriver *attn::rt::cudaDriver() {
  Loaded &all = loaded();
  if (all.problem.empty())
    return &all.driver;
  fail(ATTN_ERROR_TARGET, "%s", all.problem.c_str());
  return nullptr;
}

const CudaDevice *attn::rt::cudaDevice(int number) {
  if (!cudaDriver())
    return nullptr;
  Loaded &all = loaded();
  if (number < 0 || static_cast<size_t>(number) >= all.devices.size()) {
    fail(ATTN_ERROR_DEVICE, "there is no GPU %d: the machine has %zu", number,
         all.devices.size());
    return nullptr;
  }
  CudaDevice &device = all.devices[number];
  static std::mutex mutex;
  std::lock_guard lock(mutex);
  if (!device.context)
    if (CuResult result =
            all.driver.primaryRetain(&device.context, device.handle)) {
      char text[160];
      all.driver.describe(result, text, sizeof text);
      fail(ATTN_ERROR_TARGET, "GPU %d cannot be used: %s", number, text);
      return nullptr;
    }
  return &device;
}

int attn_cuda_devices(void) {
  int count = 0;
  guarded("attn_cuda_devices", [&]() -> int {
    count = cudaDriver() ? static_cast<int>(loaded().devices.size()) : 0;
    return ATTN_OK;
  });
  return count;
}

const char *attn_cuda_target(int device) {
  const char *target = nullptr;
  guarded("attn_cuda_target", [&]() -> int {
    const CudaDevice *found = cudaDevice(device);
    target = found ? found->target : nullptr;
    return ATTN_OK;
  });
  return target;
}
