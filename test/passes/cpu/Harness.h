//===- Harness.h - compile a cascade and call it ----------------*- C++ -*-===//
// Parses .mlir text, compiles it in this process and runs it through
// attn_invoke on row-major arrays.
//===----------------------------------------------------------------------===//
#ifndef ATTN_TEST_CPU_HARNESS_H
#define ATTN_TEST_CPU_HARNESS_H

#include "attn/runtime.h"
#include "compiler/Jit.h"
#include "compiler/Tables.h"
#include "gtest/gtest.h"
#include <cmath>

namespace attn::test {

/// An array in a port's storage type, with its DLTensor.
struct Tensor {
  std::vector<int64_t> shape;
  std::vector<unsigned char> bytes;
  DLTensor dl;

  static Tensor f32(std::vector<int64_t> shape, std::vector<float> values);
  static Tensor f64(std::vector<int64_t> shape, std::vector<double> values);
  static Tensor i32(std::vector<int64_t> shape, std::vector<int32_t> values);
  static Tensor i64(std::vector<int64_t> shape, std::vector<int64_t> values);
  static Tensor boolean(std::vector<int64_t> shape,
                        std::vector<uint8_t> values);
  /// bf16 bits of floats, rounded.
  static Tensor bf16(std::vector<int64_t> shape, std::vector<float> values);
  static Tensor raw(std::vector<int64_t> shape, int code, int bits,
                    std::vector<unsigned char> bytes);

  template <typename T> const T *data() const {
    return reinterpret_cast<const T *>(bytes.data());
  }
  float bf16At(size_t i) const;
};

/// `count` reproducible numbers in [-1, 1).
std::vector<float> noise(size_t count, unsigned seed);
float roundBf16(float x);

class Compiled {
public:
  /// Fails the test if the text does not compile.
  explicit Compiled(llvm::StringRef text, llvm::StringRef target = "native");
  /// The status of attn_invoke; inputs, then outputs.
  int run(llvm::StringRef entry, std::vector<Tensor *> tensors);
  std::unique_ptr<Jit> jit;

private:
  mlir::MLIRContext context;
};

std::string readTest(llvm::StringRef path);

} // namespace attn::test
#endif // ATTN_TEST_CPU_HARNESS_H
