//===- Context.cpp - threads and reused memory -----------------*- C++ -*-===//
// Making contexts, the default one, and handing out frames.
//===----------------------------------------------------------------------===//
#include "Context.h"

#include "Status.h"

#include <algorithm>
#include <cstdlib>
#include <string_view>
#include <thread>

#if defined(__linux__)
#include <sched.h>
#endif

using namespace attn::rt;

namespace {

constexpr int maxThreads = 4096;

/// CPUs this process may run on: fewer than the machine has under taskset or
/// in a container.
int hardwareThreads() {
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0)
    return std::max(1, CPU_COUNT(&set));
#endif
  return std::max(1u, std::thread::hardware_concurrency());
}

std::unique_ptr<ThreadPool> makePool(int threads, bool own) {
  if (threads == 1)
    return nullptr;
#if ATTN_RUNTIME_TBB
  if (!own)
    if (std::unique_ptr<ThreadPool> pool = makeTbbPool(threads))
      return pool;
#endif
  return makeOwnPool(threads);
}

} // namespace

Buffer::~Buffer() { std::free(begin); }

bool Buffer::reserve(size_t bytes) {
  if (bytes <= size)
    return true;
  constexpr size_t alignment = 64;
  if (bytes > SIZE_MAX / 2)
    return false;
  bytes = (bytes + alignment - 1) / alignment * alignment;
  std::free(begin);
  begin = static_cast<unsigned char *>(std::aligned_alloc(alignment, bytes));
  size = begin ? bytes : 0;
  return begin != nullptr;
}

FrameLease::FrameLease(const attn_context &context) : context(context) {
  {
    std::lock_guard lock(context.mutex);
    // Memory that work on a GPU may still use goes back to its stream.
    auto last = std::find_if(
        context.frames.rbegin(), context.frames.rend(),
        [&](const auto &frame) { return frame->stream == context.stream; });
    if (last != context.frames.rend()) {
      frame = std::move(*last);
      context.frames.erase(std::next(last).base());
    }
  }
  if (!frame)
    frame = std::make_unique<Frame>();
  frame->stream = context.stream;
}

FrameLease::~FrameLease() {
  try {
    std::lock_guard lock(context.mutex);
    context.frames.push_back(std::move(frame));
  } catch (...) {
    // No memory to keep it: it is freed.
  }
}

static int makeContext(int threads, attn_context *&context) {
  return guarded("context", [&]() -> int {
    if (threads < 0 || threads > maxThreads)
      return fail(ATTN_ERROR_ARGUMENT,
                  "context: %d threads asked for, 0 to %d can be had", threads,
                  maxThreads);
    if (threads == 0)
      threads = std::min(hardwareThreads(), maxThreads);
    auto made = std::make_unique<attn_context>();
    made->threads = threads;
    const char *name = std::getenv("ATTN_POOL");
    std::string_view pool = name ? name : "";
    if (!pool.empty() && pool != "tbb" && pool != "own")
      return fail(ATTN_ERROR_ARGUMENT,
                  "context: ATTN_POOL is \"%s\", neither \"tbb\" nor \"own\"",
                  name);
    made->pool = makePool(threads, pool == "own");
    context = made.release();
    return ATTN_OK;
  });
}

int attn::rt::resolveContext(const attn_context *&context) {
  if (context)
    return ATTN_OK;
  // Never destroyed: calls may come from destructors of static objects.
  static std::mutex mutex;
  static attn_context *process = nullptr;
  std::lock_guard lock(mutex);
  int status = process ? ATTN_OK : makeContext(0, process);
  context = process;
  return status;
}

attn_context *attn_context_create(int threads) {
  attn_context *context = nullptr;
  makeContext(threads, context);
  return context;
}

void attn_context_destroy(attn_context *context) {
  guarded("context", [&]() -> int {
    delete context;
    return ATTN_OK;
  });
}

int attn_context_set_stream(attn_context *context, void *stream) {
  if (!context)
    return fail(ATTN_ERROR_NULL, "attn_context_set_stream: null context");
  context->stream = stream;
  return ATTN_OK;
}

int attn_context_threads(const attn_context *context) {
  int threads = 0;
  guarded("context", [&]() -> int {
    int status = resolveContext(context);
    threads = context ? context->threads : 0;
    return status;
  });
  return threads;
}
