//===- Workers.h - programs checked in processes of their own ---*- C++ -*-===//
// A compiler under test may crash or hang, and so may what it compiled: each
// worker is a process that checks one program after the other, and is replaced
// when it dies.
//===----------------------------------------------------------------------===//
#ifndef ATTN_TEST_FUZZ_WORKERS_H
#define ATTN_TEST_FUZZ_WORKERS_H

#include "test/fuzz/cascade-fuzz/Check.h"

namespace attn::fuzz {

struct Job {
  uint64_t seed;
  std::vector<unsigned> sequence; ///< empty: drawn from the seed
};

/// The program of a job.
Case generate(const Job &job);

/// Checks all jobs in `count` workers; `done` sees each outcome, in any order.
/// A crash is stage "crash", more than `seconds` for one job "timeout".
void checkAll(const std::vector<Job> &jobs, const CheckOptions &options,
              unsigned count, unsigned seconds,
              const std::function<void(size_t job, const Outcome &)> &done);

} // namespace attn::fuzz
#endif // ATTN_TEST_FUZZ_WORKERS_H
