//===- ParallelFor.cpp - work items over the pool --------------*- C++ -*-===//
// Chunks of `grain` items come off one counter, in ascending order: what was
// scheduled first (the longest, by the compiler's order) starts first, and a
// slow worker holds up one chunk at most.
//===----------------------------------------------------------------------===//
#include "ParallelFor.h"

#include "Context.h"
#include "Denormals.h"

#include <algorithm>
#include <atomic>

using namespace attn::rt;

namespace {

/// The body this thread is in. `owner` tells invocations apart: each has its
/// own array of scratch pointers.
struct Current {
  unsigned char *const *owner = nullptr;
  int64_t worker = 0;
};
thread_local Current current;

struct Loop {
  const attn_invocation *invocation;
  int64_t items, grain, chunks;
  attn_kernel_body body;
  FpMode mode;
  alignas(64) std::atomic<int64_t> next{0};

  void work(int64_t worker) {
    Current outer = current;
    current = {invocation->scratch, worker};
    {
      FpScope scope(mode);
      for (int64_t chunk;
           (chunk = next.fetch_add(1, std::memory_order_relaxed)) < chunks;) {
        int64_t begin = chunk * grain;
        body(invocation, begin, begin + std::min(grain, items - begin), worker);
      }
    }
    current = outer;
  }
};

} // namespace

void attn::rt::parallelFor(const attn_invocation *invocation, int64_t items,
                           int64_t grain, attn_kernel_body body) {
  if (items <= 0)
    return;
  grain = std::max<int64_t>(grain, 1);
  int64_t chunks = (items - 1) / grain + 1;
  Loop loop{invocation, items, grain, chunks, body, fpMode()};

  // A nested loop stays on its worker: ids, and with them the scratch memory,
  // are taken by the loop around it.
  if (current.owner)
    return loop.work(current.owner == invocation->scratch ? current.worker : 0);

  int slots = static_cast<int>(std::min(invocation->workers, chunks));
  ThreadPool *pool = invocation->context->pool.get();
  if (slots > 1 && pool) {
    auto slot = [&](int worker) { loop.work(worker); };
    try {
      return pool->run(slots, slot);
    } catch (...) {
      // Out of resources. No worker is left in the loop: finish it here.
    }
  }
  loop.work(0);
}
