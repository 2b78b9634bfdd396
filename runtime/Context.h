//===- Context.h - threads and reused memory -------------------*- C++ -*-===//
// A context owns a pool and the frames (memory of a call) that no call uses at
// the moment. Concurrent calls take a frame each.
//===----------------------------------------------------------------------===//
#ifndef ATTN_RUNTIME_CONTEXT_H
#define ATTN_RUNTIME_CONTEXT_H

#include "ThreadPool.h"

#include "attn/runtime.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

namespace attn::rt {

/// 64-byte aligned memory that only grows; what it held is lost on growing.
class Buffer {
public:
  Buffer() = default;
  ~Buffer();
  Buffer(const Buffer &) = delete;
  Buffer &operator=(const Buffer &) = delete;
  /// False if there is no memory.
  bool reserve(size_t bytes);
  unsigned char *data() const { return begin; }

private:
  unsigned char *begin = nullptr;
  size_t size = 0;
};

/// Memory of a GPU that only grows; freed when its owner goes.
struct DeviceBuffer {
  ~DeviceBuffer();
  uint64_t address = 0;
  size_t size = 0;
  int device = 0;
};

/// What the runtime knows of one tensor after the checks.
struct PortView {
  const int64_t *shape;
  int64_t *strides; // in elements, normalised; in Frame::strides
  const void *data; // byte_offset applied
  int32_t ndim;
  int32_t bits; // of an element
  bool empty;   // an extent is 0
};

/// A port's axis. No port: fixed otherwise, or (Extents.cpp) not yet.
struct AxisSite {
  int32_t port, axis;
};

/// Memory of one call.
struct Frame {
  std::vector<PortView> views;
  std::vector<int64_t> strides;
  std::vector<const int64_t *> stridePointers;
  std::vector<void *> data;
  std::vector<uint64_t> defaults;
  std::vector<int64_t> extents;
  std::vector<AxisSite> origins; // the axis that fixed an extent, see Extents
  std::vector<int64_t> stack;    // of extent programs
  std::vector<unsigned char *> scratchPointers;
  Buffer workspace, scratch;
  // Of calls on a GPU.
  int device = -1;
  std::vector<int64_t> parameters;
  DeviceBuffer deviceWorkspace, deviceScratch, deviceTickets;
  void *stream = nullptr; // that the memory was used on last
};

} // namespace attn::rt

struct attn_context {
  int threads;
  void *stream = nullptr;                     // of GPUs
  std::unique_ptr<attn::rt::ThreadPool> pool; // null: one thread
  mutable std::mutex mutex;
  mutable std::vector<std::unique_ptr<attn::rt::Frame>> frames;
};

namespace attn::rt {

/// NULL becomes the default context of the process. A status other than ATTN_OK
/// (with a message) if that cannot be made.
int resolveContext(const attn_context *&context);

/// A frame of the context for the lifetime of this object.
class FrameLease {
public:
  explicit FrameLease(const attn_context &context);
  ~FrameLease();
  FrameLease(const FrameLease &) = delete;
  FrameLease &operator=(const FrameLease &) = delete;
  Frame &operator*() const { return *frame; }
  Frame *operator->() const { return frame.get(); }

private:
  const attn_context &context;
  std::unique_ptr<Frame> frame;
};

} // namespace attn::rt

#endif // ATTN_RUNTIME_CONTEXT_H
