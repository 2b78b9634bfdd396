//===- Harness.h - programs as functions on arrays --------------*- C++ -*-===//
// What property tests are written with: a program is a text, a call takes and
// gives arrays by name, and is answered twice, by the interpreter and by
// compiled code.
//===----------------------------------------------------------------------===//
#ifndef ATTN_TEST_ZOO_PROPERTIES_HARNESS_H
#define ATTN_TEST_ZOO_PROPERTIES_HARNESS_H

#include "compiler/Backend.h"
#include "dialect/interpreter/Interpreter.h"
#include <map>

namespace attn::properties {

using Values = std::map<std::string, Array>;
using Sizes = std::map<std::string, int64_t>;

/// Outputs of one call.
struct Results {
  Values interpreted, compiled;
};

/// Operations that tell how many kernels and passes were derived.
struct Derived {
  unsigned kernels = 0, recurrences = 0, einsums = 0;
  bool operator==(const Derived &) const = default;
};

/// A cascade of a text, the first if none is named. Failures to compile are
/// test failures.
class Subject {
public:
  explicit Subject(const std::string &text,
                   const std::map<std::string, std::string> &consts = {},
                   const std::string &name = "");

  /// Random values of all inputs for these extents of free ranks: reals
  /// N(0,1), integers 0 to 3, bools.
  Values random(const Sizes &sizes, uint64_t seed = 1);
  Results call(const Values &inputs, const Sizes &sizes = {});
  Derived derived();
  std::vector<std::string> inputNames();

private:
  CascadeOp cascade();
  /// Compiled on first use; null after a failure.
  const attn_entry_desc *entry();

  std::string name;
  std::unique_ptr<Program> program;
  std::unique_ptr<Jit> library;
};

/// Each output of both agrees: exactly for integers, else to a tolerance of
/// the largest value; `exact` is that of the interpreter.
void expectSame(const Results &a, const Results &b, double tolerance = 2e-5,
                double exact = 1e-9);
void expectSame(const Values &a, const Values &b, double tolerance);

/// `begin` to `end` of one axis.
Array slice(const Array &array, unsigned axis, int64_t begin, int64_t end);
Array concatenate(const Array &a, const Array &b, unsigned axis);
/// The element of `axis` at i is that of `array` at order[i].
Array permuted(const Array &array, unsigned axis,
               llvm::ArrayRef<int64_t> order);
Array reals(llvm::ArrayRef<int64_t> shape, std::vector<double> values);
Array integers(llvm::ArrayRef<int64_t> shape, std::vector<int64_t> values);

} // namespace attn::properties
#endif // ATTN_TEST_ZOO_PROPERTIES_HARNESS_H
