//===- TbbPool.cpp - threads of oneTBB -------------------------*- C++ -*-===//
// One arena per context: its width is the context's number of threads, shared
// by the calls that are in it at a time.
//===----------------------------------------------------------------------===//
#include "ThreadPool.h"

#include <oneapi/tbb/blocked_range.h>
#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/parallel_for.h>
#include <oneapi/tbb/task_arena.h>

using namespace attn::rt;

namespace {

class TbbPool final : public ThreadPool {
public:
  explicit TbbPool(int threads) : arena(threads) {}

  void run(int slots, SlotFunction function) override {
    using Range = tbb::blocked_range<int>;
    arena.execute([&] {
      tbb::parallel_for(
          Range(0, slots, 1),
          [&](const Range &range) {
            for (int slot = range.begin(); slot != range.end(); ++slot)
              function(slot);
          },
          tbb::simple_partitioner());
    });
  }

private:
  tbb::task_arena arena;
};

} // namespace

std::unique_ptr<ThreadPool> attn::rt::makeTbbPool(int threads) {
  // A wider arena would only print a warning.
  using tbb::global_control;
  size_t limit =
      global_control::active_value(global_control::max_allowed_parallelism);
  if (static_cast<size_t>(threads) > limit)
    return nullptr;
  return std::make_unique<TbbPool>(threads);
}
