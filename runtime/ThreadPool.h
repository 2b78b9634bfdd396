//===- ThreadPool.h - the threads of a context -----------------*- C++ -*-===//
// A pool runs a function once for each of some slots, at the same time as far
// as threads are free; the caller takes part, so that it never waits for a
// thread that does not come. oneTBB where it is there, else, or where the
// environment asks for it, a small own pool.
//===----------------------------------------------------------------------===//
#ifndef ATTN_RUNTIME_THREADPOOL_H
#define ATTN_RUNTIME_THREADPOOL_H

#include <memory>
#include <type_traits>

namespace attn::rt {

/// A reference to a callable `void(int slot)` that outlives the call.
class SlotFunction {
public:
  template <typename F>
    requires(!std::is_same_v<std::remove_cvref_t<F>, SlotFunction>)
  SlotFunction(F &function)
      : object(&function), call([](void *object, int slot) {
          (*static_cast<F *>(object))(slot);
        }) {}
  void operator()(int slot) const { call(object, slot); }

private:
  void *object;
  void (*call)(void *, int);
};

class ThreadPool {
public:
  virtual ~ThreadPool() = default;
  /// Runs function(0) .. function(slots - 1) and returns when all have
  /// returned. They may run one after another. Safe from several threads at
  /// once. Throws only when out of resources, with no slot running any more.
  virtual void run(int slots, SlotFunction function) = 0;
};

std::unique_ptr<ThreadPool> makeOwnPool(int threads);
/// Null if oneTBB would not grant so many threads: it has one for each CPU.
std::unique_ptr<ThreadPool> makeTbbPool(int threads);

} // namespace attn::rt

#endif // ATTN_RUNTIME_THREADPOOL_H
