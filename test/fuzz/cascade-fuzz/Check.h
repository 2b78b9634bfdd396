//===- Check.h - one random program through the whole compiler --*- C++ -*-===//
#ifndef ATTN_TEST_FUZZ_CHECK_H
#define ATTN_TEST_FUZZ_CHECK_H

#include "test/fuzz/cascade-fuzz/Draft.h"

namespace attn::fuzz {

struct Outcome {
  /// Empty: passed. Else where it failed: "import", "interpret",
  /// "interpret after attn-guards", "compile", "run", "compare" ..
  std::string stage;
  std::string message;
  /// What the compiler did: laws that fired, by name.
  std::vector<std::string> laws;
};

struct CheckOptions {
  std::string target = "native";
  bool compile = true; ///< else interpretation only
  /// Derived kernels forget to repair what they have accumulated: the seeded
  /// mistake that a run must find.
  bool dropRepair = false;
};

Outcome check(const Case &program, uint64_t seed, const CheckOptions &options);

} // namespace attn::fuzz
#endif // ATTN_TEST_FUZZ_CHECK_H
