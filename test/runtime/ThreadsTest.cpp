//===- ThreadsTest.cpp - contexts, parallel_for, concurrency ---*- C++ -*-===//
// Each item once, in order, on distinct workers; many calls at a time; the
// floating-point mode of every worker.
//===----------------------------------------------------------------------===//
#include "Entries.h"

#include "runtime/Context.h"
#include "runtime/ParallelFor.h"

#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <memory>
#include <thread>

#if defined(__linux__)
#include <sched.h>
#endif

using namespace attn::test;

namespace {

struct Destroy {
  void operator()(attn_context *context) const {
    attn_context_destroy(context);
  }
};
using ContextPtr = std::unique_ptr<attn_context, Destroy>;

TEST(Context, Threads) {
  for (int threads : {1, 2, 5})
    EXPECT_EQ(
        attn_context_threads(ContextPtr(attn_context_create(threads)).get()),
        threads);
  EXPECT_GE(attn_context_threads(nullptr), 1);
  EXPECT_EQ(attn_context_threads(nullptr),
            attn_context_threads(ContextPtr(attn_context_create(0)).get()));
  attn_context_destroy(nullptr);
}

TEST(Context, BadNumberOfThreads) {
  EXPECT_EQ(attn_context_create(-1), nullptr);
  EXPECT_STREQ(attn_last_error(),
               "context: -1 threads asked for, 0 to 4096 can be had");
  EXPECT_EQ(attn_context_create(1 << 20), nullptr);
}

TEST(Context, PoolOfTheEnvironment) {
  setenv("ATTN_POOL", "own", 1);
  attn_context *own = attn_context_create(2);
  EXPECT_NE(own, nullptr);
  attn_context_destroy(own);
  setenv("ATTN_POOL", "none", 1);
  EXPECT_EQ(attn_context_create(2), nullptr);
  EXPECT_STREQ(attn_last_error(),
               "context: ATTN_POOL is \"none\", neither \"tbb\" nor \"own\"");
  unsetenv("ATTN_POOL");
}

/// In a process of its own, where no call has made the default context yet.
TEST(ContextDeathTest, DefaultContextOfABadPool) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  auto call = [] {
    setenv("ATTN_POOL", "none", 1);
    Entry entry("nothing");
    int status = entry.call({});
    std::fputs(attn_last_error(), stderr);
    std::exit(status);
  };
  EXPECT_EXIT(call(), testing::ExitedWithCode(ATTN_ERROR_ARGUMENT),
              "context: ATTN_POOL is \"none\"");
}

/// What the bodies below record. A copy of the invocation with more behind it
/// is what compiled code passes too.
struct Recorder : attn_invocation {
  std::vector<std::atomic<int>> hits;
  std::vector<std::atomic<int>> busy; // per worker
  std::atomic<int64_t> last{-1};
  std::atomic<bool> wrong{false};
  int64_t grain = 1;
  Recorder(const attn_invocation &base, int64_t items)
      : attn_invocation(base), hits(items), busy(base.workers) {}

  static void body(const attn_invocation *base, int64_t begin, int64_t end,
                   int64_t worker) {
    auto &self = *static_cast<Recorder *>(const_cast<attn_invocation *>(base));
    int64_t items = static_cast<int64_t>(self.hits.size());
    if (worker < 0 || worker >= self.workers || begin % self.grain ||
        end != std::min(begin + self.grain, items))
      self.wrong = true;
    if (self.busy[worker].fetch_add(1) != 0)
      self.wrong = true;
    for (int64_t i = begin; i < end; ++i)
      ++self.hits[i];
    self.busy[worker].fetch_sub(1);
  }

  void check() const {
    EXPECT_FALSE(wrong);
    for (const std::atomic<int> &hit : hits)
      ASSERT_EQ(hit, 1);
  }
};

/// An invocation as attn_invoke makes it, over a pool of the given kind.
struct Invocation : attn_invocation {
  attn_context owner;
  std::vector<unsigned char *> pointers;
  Invocation(int threads, std::unique_ptr<attn::rt::ThreadPool> pool)
      : attn_invocation{}, pointers(threads) {
    owner.threads = threads;
    owner.pool = std::move(pool);
    scratch = pointers.data();
    workers = threads;
    parallel_for = attn::rt::parallelFor;
    context = &owner;
  }
};

using MakePool = std::unique_ptr<attn::rt::ThreadPool> (*)(int);
struct ParallelForTest : testing::TestWithParam<MakePool> {};

TEST_P(ParallelForTest, EachItemOnce) {
  for (int threads = 1; threads <= 8; ++threads) {
    Invocation invocation(threads, GetParam()(threads));
    for (int64_t items : {0, 1, 2, 7, 64, 1000, 10007})
      for (int64_t grain : {1, 3, 64, 100000}) {
        Recorder recorder(invocation, items);
        recorder.grain = grain;
        recorder.parallel_for(&recorder, items, grain, Recorder::body);
        recorder.check();
      }
  }
}

TEST_P(ParallelForTest, OddArguments) {
  Invocation invocation(3, GetParam()(3));
  Recorder recorder(invocation, 5);
  recorder.parallel_for(&recorder, 5, 0, Recorder::body);
  recorder.check();
  recorder.parallel_for(&recorder, -5, 1, Recorder::body);
  recorder.check();
  static std::atomic<int> calls;
  calls = 0;
  invocation.parallel_for(
      &invocation, INT64_MAX, INT64_MAX / 2,
      [](const attn_invocation *, int64_t, int64_t, int64_t) { ++calls; });
  EXPECT_EQ(calls, 3);
}

TEST_P(ParallelForTest, NestedLoopsStayOnTheirWorker) {
  Invocation invocation(4, GetParam()(4));
  static thread_local int64_t outerWorker;
  static std::atomic<int> inner, wrong;
  inner = wrong = 0;
  invocation.parallel_for(
      &invocation, 50, 1,
      [](const attn_invocation *base, int64_t, int64_t, int64_t worker) {
        outerWorker = worker;
        base->parallel_for(base, 20, 3,
                           [](const attn_invocation *, int64_t begin,
                              int64_t end, int64_t worker) {
                             wrong += worker != outerWorker;
                             inner += static_cast<int>(end - begin);
                           });
      });
  EXPECT_EQ(inner, 1000);
  EXPECT_EQ(wrong, 0);
}

TEST_P(ParallelForTest, ManyCallersOnOnePool) {
  Invocation shared(3, GetParam()(3));
  std::vector<std::thread> callers;
  std::atomic<int> wrong{0};
  for (int caller = 0; caller < 6; ++caller)
    callers.emplace_back([&] {
      for (int round = 0; round < 200; ++round) {
        std::vector<unsigned char *> pointers(3);
        Recorder recorder(shared, 100);
        recorder.scratch = pointers.data();
        recorder.grain = 7;
        recorder.parallel_for(&recorder, 100, 7, Recorder::body);
        wrong += recorder.wrong;
        for (std::atomic<int> &hit : recorder.hits)
          wrong += hit != 1;
      }
    });
  for (std::thread &caller : callers)
    caller.join();
  EXPECT_EQ(wrong, 0);
}

#if defined(__linux__)
/// Else a helper may wait behind the caller for a time slice.
TEST(OwnPool, SleepersAreWokenOnOtherCpusThanTheCallers) {
  cpu_set_t all, one, caller, helper;
  ASSERT_EQ(sched_getaffinity(0, sizeof all, &all), 0);
  if (CPU_COUNT(&all) < 2)
    GTEST_SKIP() << "one CPU";
  auto pool = attn::rt::makeOwnPool(2);
  int cpu = sched_getcpu();
  CPU_ZERO(&one);
  CPU_SET(cpu, &one);
  ASSERT_EQ(sched_setaffinity(0, sizeof one, &one), 0);
  bool seen = false;
  // One that looks for work finds it where it is.
  for (int round = 0; round < 1000 && !seen; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    std::atomic<int> inside{0};
    std::thread::id self = std::this_thread::get_id();
    auto body = [&](int) {
      bool isHelper = std::this_thread::get_id() != self;
      cpu_set_t &set = isHelper ? helper : caller;
      sched_getaffinity(0, sizeof set, &set);
      for (++inside; inside < 2;)
        std::this_thread::yield();
    };
    pool->run(2, body);
    seen = !CPU_ISSET(cpu, &helper);
  }
  EXPECT_TRUE(seen);
  EXPECT_TRUE(CPU_EQUAL(&caller, &one));
  sched_setaffinity(0, sizeof all, &all);
}
#endif

std::unique_ptr<attn::rt::ThreadPool> makeBrokenPool(int) {
  struct Broken : attn::rt::ThreadPool {
    void run(int, attn::rt::SlotFunction function) override {
      function(1);
      throw std::bad_alloc();
    }
  };
  return std::make_unique<Broken>();
}

INSTANTIATE_TEST_SUITE_P(Own, ParallelForTest,
                         testing::Values(attn::rt::makeOwnPool));
#if ATTN_RUNTIME_TBB
std::unique_ptr<attn::rt::ThreadPool> makeTbbOrOwnPool(int threads) {
  auto pool = attn::rt::makeTbbPool(threads);
  return pool ? std::move(pool) : attn::rt::makeOwnPool(threads);
}
INSTANTIATE_TEST_SUITE_P(Tbb, ParallelForTest,
                         testing::Values(makeTbbOrOwnPool));
#endif
INSTANTIATE_TEST_SUITE_P(OutOfThreads, ParallelForTest,
                         testing::Values(makeBrokenPool));

TEST(Concurrency, CallsShareAContext) {
  Attend attend;
  const attn_entry_desc *desc = attend.get();
  ContextPtr context(attn_context_create(3));
  std::atomic<int> wrong{0};
  std::vector<std::thread> callers;
  for (unsigned caller = 0; caller < 6; ++caller)
    callers.emplace_back([&, caller] {
      for (unsigned round = 0; round < 100; ++round) {
        int64_t m = 1 + (caller + round) % 9, n = (caller * round) % 40;
        Tensor<float> q = f32({m, 8}), k = f32({n, 8}), v = f32({n, 5}),
                      o = f32({m, 5}, NAN);
        fillPattern(q.values, caller);
        fillPattern(k.values, round);
        fillPattern(v.values, caller + round);
        DLTensor *tensors[] = {&q.dl, &k.dl, &v.dl, nullptr, &o.dl};
        wrong += attn_invoke(context.get(), desc, tensors) != ATTN_OK;
        wrong += o.values != attendReference(q, k, v, 0.5f);
        // Messages are the thread's own.
        q.shape[1] = 7 + caller;
        if (caller == 1)
          continue;
        wrong += attn_invoke(context.get(), desc, tensors) != ATTN_ERROR_SHAPE;
        std::string message = "attend: rank d has extents " +
                              std::to_string(7 + caller) +
                              " and 8: Q axis 1, K axis 1";
        wrong += message != attn_last_error();
      }
    });
  for (std::thread &caller : callers)
    caller.join();
  EXPECT_EQ(wrong, 0);
}

TEST(Concurrency, EntryCalledFromAKernel) {
  static Attend attend;
  static const attn_entry_desc *inner = attend.get();
  static std::atomic<int> wrong;
  wrong = 0;
  Entry outer("outer");
  outer.version("x86-64", [](const attn_invocation *invocation) -> int {
    invocation->parallel_for(
        invocation, 16, 1,
        [](const attn_invocation *, int64_t, int64_t, int64_t) {
          Tensor<float> q = f32({3, 4}, 1), k = f32({2, 4}, 1),
                        v = f32({2, 2}, 1), o = f32({3, 2});
          DLTensor *tensors[] = {&q.dl, &k.dl, &v.dl, nullptr, &o.dl};
          wrong += attn_invoke(nullptr, inner, tensors) != ATTN_OK;
          wrong += o.values != std::vector<float>(6, 4.f);
        });
    return ATTN_OK;
  });
  EXPECT_EQ(outer.call({}), ATTN_OK);
  EXPECT_EQ(wrong, 0);
}

#if defined(__x86_64__)
std::atomic<int> flushed, kept;

int countFlushes(const attn_invocation *invocation) {
  flushed = kept = 0;
  auto body = [](const attn_invocation *, int64_t, int64_t, int64_t) {
    volatile float tiny = 1e-30f;
    volatile float product = tiny * 1e-10f;
    ++(product == 0 ? flushed : kept);
  };
  body(invocation, 0, 0, 0);
  invocation->parallel_for(invocation, 64, 1, body);
  return ATTN_OK;
}

TEST(Denormals, FlushedAroundKernelsOnly) {
  ContextPtr context(attn_context_create(4));
  Entry flush("flush"), keep("keep");
  flush.version("x86-64", countFlushes, ATTN_ENTRY_FLUSH_DENORMALS);
  keep.version("x86-64", countFlushes);
  unsigned before = __builtin_ia32_stmxcsr();
  EXPECT_EQ(flush.call({}, context.get()), ATTN_OK);
  EXPECT_EQ(flushed, 65);
  EXPECT_EQ(kept, 0);
  EXPECT_EQ(__builtin_ia32_stmxcsr(), before);
  EXPECT_EQ(keep.call({}, context.get()), ATTN_OK);
  EXPECT_EQ(flushed, 0);
  EXPECT_EQ(kept, 65);
  // A caller that flushes, rounds up and traps finds its mode again, and the
  // kernels do not see it.
  unsigned odd = 0x1f80 | 0x8040 | 0x4000;
  odd &= ~0x1000u; // trap on inexact
  __builtin_ia32_ldmxcsr(odd);
  int status = keep.call({}, context.get());
  unsigned after = __builtin_ia32_stmxcsr();
  __builtin_ia32_ldmxcsr(before);
  EXPECT_EQ(status, ATTN_OK);
  EXPECT_EQ(after & ~0x3fu, odd);
  EXPECT_EQ(kept, 65);
}
#endif

} // namespace
