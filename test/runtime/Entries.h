//===- Entries.h - hand-written entries and tensors ------------*- C++ -*-===//
// The tables the compiler would emit, built by hand, with small C++ kernels:
// the runtime is tested without the compiler.
//===----------------------------------------------------------------------===//
#ifndef ATTN_TEST_RUNTIME_ENTRIES_H
#define ATTN_TEST_RUNTIME_ENTRIES_H

#include "attn/runtime.h"

#include <gtest/gtest.h>

#include <cstring>
#include <deque>
#include <initializer_list>
#include <string>
#include <vector>

namespace attn::test {

/// A DLTensor with its own data, shape and strides.
template <typename T> struct Tensor {
  std::vector<T> values;
  std::vector<int64_t> shape, strides;
  DLTensor dl;

  Tensor(std::vector<int64_t> extents, int code, int bits, T fill = T())
      : shape(std::move(extents)) {
    int64_t size = 1;
    for (int64_t extent : shape)
      size *= extent > 0 ? extent : 0;
    values.assign(static_cast<size_t>(size), fill);
    dl = attn_tensor(values.data(), code, bits, static_cast<int>(shape.size()),
                     shape.data());
  }
  Tensor(const Tensor &) = delete;

  DLTensor *ptr() { return &dl; }

  void setStrides(std::vector<int64_t> given) {
    strides = std::move(given);
    dl.strides = strides.data();
  }
};

inline Tensor<float> f32(std::vector<int64_t> shape, float fill = 0) {
  return {std::move(shape), ATTN_DTYPE_FLOAT, 32, fill};
}

/// Tables of one entry. Pointers into it stay valid while it lives.
class Entry {
public:
  explicit Entry(const char *name) { desc.name = name; }
  Entry(const Entry &) = delete;

  int32_t axis(const char *name) {
    return addExtent({name, ATTN_EXTENT_AXIS, 0, 0, nullptr});
  }
  int32_t fixed(const char *name, int64_t value) {
    return addExtent({name, ATTN_EXTENT_STATIC, 0, value, nullptr});
  }
  int32_t derived(const char *name, std::vector<int64_t> program) {
    programs.push_back(std::move(program));
    auto length = static_cast<int32_t>(programs.back().size());
    return addExtent(
        {name, ATTN_EXTENT_DERIVED, length, 0, programs.back().data()});
  }
  void check(int32_t left, int32_t right, bool atMost, const char *text) {
    checks.push_back({left, right, atMost, text});
  }
  void input(const char *name, int code, int bits, std::vector<int32_t> axes) {
    addPort(name, code, bits, std::move(axes), 0, -1, 0);
    ++desc.num_inputs;
  }
  void scalar(const char *name, int code, int bits, double value) {
    addPort(name, code, bits, {}, ATTN_PORT_OPTIONAL, -1, value);
    ++desc.num_inputs;
  }
  void output(const char *name, int code, int bits, std::vector<int32_t> axes,
              int32_t into = -1) {
    addPort(name, code, bits, std::move(axes), ATTN_PORT_OUTPUT, into, 0);
  }
  void version(const char *target, int (*run)(const attn_invocation *),
               uint32_t flags = 0,
               void (*workspace)(const int64_t *, int64_t *) = nullptr) {
    versions.push_back({target, flags, 0, workspace, run});
  }

  const attn_entry_desc *get() {
    desc.num_ports = static_cast<int32_t>(ports.size());
    desc.ports = ports.data();
    desc.num_extents = static_cast<int32_t>(extents.size());
    desc.extents = extents.data();
    desc.num_checks = static_cast<int32_t>(checks.size());
    desc.checks = checks.data();
    desc.num_versions = static_cast<int32_t>(versions.size());
    desc.versions = versions.data();
    return &desc;
  }

  int call(std::initializer_list<DLTensor *> tensors,
           const attn_context *context = nullptr) {
    std::vector<DLTensor *> list(tensors);
    return attn_invoke(context, get(), list.data());
  }

private:
  int32_t addExtent(attn_extent_desc extent) {
    extents.push_back(extent);
    return static_cast<int32_t>(extents.size()) - 1;
  }
  void addPort(const char *name, int code, int bits, std::vector<int32_t> axes,
               int flags, int32_t into, double value) {
    axisLists.push_back(std::move(axes));
    const std::vector<int32_t> &list = axisLists.back();
    ports.push_back({name, static_cast<uint8_t>(code),
                     static_cast<uint8_t>(bits), static_cast<uint16_t>(flags),
                     static_cast<int32_t>(list.size()), list.data(), into,
                     value});
  }

  attn_entry_desc desc{};
  std::vector<attn_port_desc> ports;
  std::vector<attn_extent_desc> extents;
  std::vector<attn_extent_check> checks;
  std::vector<attn_entry_version> versions;
  std::deque<std::vector<int64_t>> programs;
  std::deque<std::vector<int32_t>> axisLists;
};

/// O[m,e] = sum[n](sum[d](Q[m,d] * K[n,d]) * scale * V[n,e]), f32; `scale` has
/// the default 0.5. Rows of scores lie in the scratch memory, and the sum over
/// rows of all scores in the workspace, so both are exercised.
struct Attend : Entry {
  Attend();
};
/// The same by plain loops over compact tensors.
std::vector<float> attendReference(const Tensor<float> &q,
                                   const Tensor<float> &k,
                                   const Tensor<float> &v, float scale);

/// H1[t,d] = 2 * H0[t,d] + 1, f32, H1 into H0; and X, an unrelated input.
struct Step : Entry {
  Step();
};

inline int nothing(const attn_invocation *) { return ATTN_OK; }

/// Deterministic small integers: sums of products are exact in f32.
void fillPattern(std::vector<float> &values, unsigned seed);

#define EXPECT_FAILS(status, message, call)                                    \
  do {                                                                         \
    EXPECT_EQ(call, status);                                                   \
    EXPECT_STREQ(attn_last_error(), message);                                  \
  } while (0)

} // namespace attn::test

#endif // ATTN_TEST_RUNTIME_ENTRIES_H
