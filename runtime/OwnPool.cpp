//===- OwnPool.cpp - a pool of threads without dependences -----*- C++ -*-===//
// Helpers wait for jobs and take slots of them. The caller takes slots as
// well, and when none is left it withdraws the job and waits only for helpers
// that are in it: one that wakes late never delays the call.
//===----------------------------------------------------------------------===//
#include "ThreadPool.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

using namespace attn::rt;

namespace {

struct Job {
  SlotFunction function;
  int slots;
  int next = 0;    // slots given out
  int running = 0; // helpers inside
};

class OwnPool final : public ThreadPool {
public:
  explicit OwnPool(int threads) {
    try {
      for (int i = 1; i < threads; ++i)
        helpers.emplace_back([this] { help(); });
    } catch (...) {
      stop();
      throw;
    }
  }

  ~OwnPool() override { stop(); }

  void run(int slots, SlotFunction function) override {
    Job job{function, slots};
    std::unique_lock lock(mutex);
    jobs.push_back(&job);
    int wake = std::min<int>(slots - 1, static_cast<int>(helpers.size()));
    for (int i = 0; i < wake; ++i)
      wakeHelper.notify_one();
    takeSlots(job, lock);
    withdraw(job);
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
  }

  void help() {
    std::unique_lock lock(mutex);
    for (;;) {
      wakeHelper.wait(lock, [&] { return stopping || !jobs.empty(); });
      if (stopping)
        return;
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
      stopping = true;
    }
    wakeHelper.notify_all();
    for (std::thread &helper : helpers)
      helper.join();
  }

  std::mutex mutex;
  std::condition_variable wakeHelper, jobDone;
  std::deque<Job *> jobs;
  bool stopping = false;
  std::vector<std::thread> helpers;
};

} // namespace

std::unique_ptr<ThreadPool> attn::rt::makeOwnPool(int threads) {
  return std::make_unique<OwnPool>(threads);
}
