//===- OwnPool.cpp - threads of a context alone -----------------*- C++ -*-===//
// Helpers wait for jobs and take slots of them. The caller takes slots as
// well, and when none is left it withdraws the job and waits only for helpers
// that are in it: one that wakes late never delays the call.
//
// Waking a thread takes longer than many a job: who waits looks for what he
// waits for a moment before he sleeps, and only sleepers are woken.
//===----------------------------------------------------------------------===//
#include "ThreadPool.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#if defined(__linux__)
#include <pthread.h>
#include <sched.h>
#endif

using namespace attn::rt;

namespace {

/// About what it takes to wake a thread.
constexpr std::chrono::microseconds moment(50);

template <typename Condition> bool holdsInAMoment(Condition condition) {
  using Clock = std::chrono::steady_clock;
  for (auto end = Clock::now() + moment; !condition();) {
    if (Clock::now() > end)
      return false;
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
  }
  return true;
}

struct Job {
  SlotFunction function;
  int slots;
  int next = 0;                // slots given out
  std::atomic<int> running{0}; // helpers inside
};

class HelperPool final : public ThreadPool {
public:
  explicit HelperPool(int threads) {
#if defined(__linux__)
    if (sched_getaffinity(0, sizeof cpus, &cpus))
      CPU_ZERO(&cpus);
#endif
    try {
      for (int i = 1; i < threads; ++i)
        helpers.emplace_back([this] { help(); });
    } catch (...) {
      stop();
      throw;
    }
  }

  ~HelperPool() override { stop(); }

  void run(int slots, SlotFunction function) override {
    Job job{function, slots};
    std::unique_lock lock(mutex);
    jobs.push_back(&job);
    waiting = true;
    int wake = std::min(slots - 1 - looking, asleep);
    if (wake > 0) {
      keepOffThisCpu();
      bool all = wake == asleep;
      lock.unlock();
      for (int i = 0; i < (all ? 0 : wake); ++i)
        wakeHelper.notify_one();
      if (all)
        wakeHelper.notify_all();
      lock.lock();
    }
    takeSlots(job, lock);
    withdraw(job);
    lock.unlock();
    if (holdsInAMoment([&] { return job.running == 0; }))
      return;
    lock.lock();
    jobDone.wait(lock, [&] { return job.running == 0; });
  }

private:
  void takeSlots(Job &job, std::unique_lock<std::mutex> &lock) {
    while (job.next < job.slots) {
      int slot = job.next++;
      lock.unlock();
      job.function(slot);
      lock.lock();
    }
  }

  void withdraw(Job &job) {
    auto it = std::find(jobs.begin(), jobs.end(), &job);
    if (it != jobs.end())
      jobs.erase(it);
    waiting = !jobs.empty();
  }

  void help() {
    auto isCalled = [&] { return stopping || !jobs.empty(); };
    std::unique_lock lock(mutex);
    for (;;) {
      if (!isCalled()) {
        ++looking;
        lock.unlock();
        holdsInAMoment([&] { return waiting.load(); });
        lock.lock();
        --looking;
      }
      ++asleep;
      wakeHelper.wait(lock, isCalled);
      --asleep;
      if (stopping)
        return;
      // The caller may return, and the job end, as soon as none is running.
      Job &job = *jobs.front();
      ++job.running;
      takeSlots(job, lock);
      withdraw(job);
      if (--job.running == 0)
        jobDone.notify_all();
    }
  }

  void stop() {
    {
      std::lock_guard lock(mutex);
      stopping = waiting = true;
    }
    wakeHelper.notify_all();
    for (std::thread &helper : helpers)
      helper.join();
  }

  /// After a rest some schedulers wake a thread on the CPU of the one that
  /// wakes it, which works there for the rest of its time slice: milliseconds.
  void keepOffThisCpu() {
#if defined(__linux__)
    int cpu = sched_getcpu();
    if (cpu < 0 || cpu == avoided ||
        CPU_COUNT(&cpus) <= static_cast<int>(helpers.size()))
      return;
    cpu_set_t others = cpus;
    CPU_CLR(cpu, &others);
    for (std::thread &helper : helpers)
      pthread_setaffinity_np(helper.native_handle(), sizeof others, &others);
    avoided = cpu;
#endif
  }

  std::mutex mutex;
  std::condition_variable wakeHelper, jobDone;
  std::deque<Job *> jobs;
  std::atomic<bool> waiting{false}; // is there a job?
  int looking = 0, asleep = 0;      // helpers
  bool stopping = false;
#if defined(__linux__)
  cpu_set_t cpus; // that helpers may run on
  int avoided = -1;
#endif
  std::vector<std::thread> helpers;
};

} // namespace

std::unique_ptr<ThreadPool> attn::rt::makeOwnPool(int threads) {
  return std::make_unique<HelperPool>(threads);
}
