//===- Minimise.h - the smallest program that fails alike -------*- C++ -*-===//
#ifndef ATTN_TEST_FUZZ_MINIMISE_H
#define ATTN_TEST_FUZZ_MINIMISE_H

#include "test/fuzz/cascade-fuzz/Workers.h"

namespace attn::fuzz {

/// Edits the sequence of choices of a failing job (cuts parts out, lowers
/// single choices) as long as the program fails at the same stage; within
/// `tries` checks.
Job minimise(const Job &job, const std::string &stage,
             const CheckOptions &options, unsigned tries);

} // namespace attn::fuzz
#endif // ATTN_TEST_FUZZ_MINIMISE_H
