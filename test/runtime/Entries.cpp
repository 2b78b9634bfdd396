//===- Entries.cpp - hand-written entries and tensors ----------*- C++ -*-===//
// Kernels of the entries, written as compiled code is: data, strides and
// extents from the invocation, rows as work items.
//===----------------------------------------------------------------------===//
#include "Entries.h"

using namespace attn::test;

namespace {

template <typename T> struct View {
  T *data;
  const int64_t *strides;
  View(const attn_invocation *invocation, int port)
      : data(static_cast<T *>(invocation->data[port])),
        strides(invocation->strides[port]) {}
  T &operator()(int64_t i, int64_t j) const {
    return data[i * strides[0] + j * strides[1]];
  }
};

void attendRows(const attn_invocation *invocation, int64_t begin, int64_t end,
                int64_t worker) {
  View<const float> q(invocation, 0), k(invocation, 1), v(invocation, 2);
  float scale = *static_cast<const float *>(invocation->data[3]);
  View<float> o(invocation, 4);
  int64_t n = invocation->extents[1], d = invocation->extents[2],
          e = invocation->extents[3];
  auto *scores = reinterpret_cast<float *>(invocation->scratch[worker]);
  auto *rows = reinterpret_cast<float *>(invocation->workspace);
  for (int64_t m = begin; m < end; ++m) {
    rows[m] = 0;
    for (int64_t j = 0; j < n; ++j) {
      scores[j] = 0;
      for (int64_t i = 0; i < d; ++i)
        scores[j] += q(m, i) * k(j, i);
      rows[m] += scores[j];
    }
    for (int64_t c = 0; c < e; ++c) {
      float sum = 0;
      for (int64_t j = 0; j < n; ++j)
        sum += scores[j] * scale * v(j, c);
      o(m, c) = sum;
    }
  }
}

int attendRun(const attn_invocation *invocation) {
  invocation->parallel_for(invocation, invocation->extents[0], 1, attendRows);
  return ATTN_OK;
}

void attendWorkspace(const int64_t *extents, int64_t *out) {
  out[0] = extents[0] * static_cast<int64_t>(sizeof(float));
  out[1] = extents[1] * static_cast<int64_t>(sizeof(float));
}

void stepRows(const attn_invocation *invocation, int64_t begin, int64_t end,
              int64_t) {
  View<const float> h0(invocation, 0);
  View<float> h1(invocation, 2);
  for (int64_t t = begin; t < end; ++t)
    for (int64_t d = 0; d < invocation->extents[1]; ++d)
      h1(t, d) = 2 * h0(t, d) + 1;
}

int stepRun(const attn_invocation *invocation) {
  invocation->parallel_for(invocation, invocation->extents[0], 2, stepRows);
  return ATTN_OK;
}

} // namespace

Attend::Attend() : Entry("attend") {
  int32_t m = axis("m"), n = axis("n"), d = axis("d"), e = axis("e");
  input("Q", ATTN_DTYPE_FLOAT, 32, {m, d});
  input("K", ATTN_DTYPE_FLOAT, 32, {n, d});
  input("V", ATTN_DTYPE_FLOAT, 32, {n, e});
  scalar("scale", ATTN_DTYPE_FLOAT, 32, 0.5);
  output("O", ATTN_DTYPE_FLOAT, 32, {m, e});
  version("x86-64", attendRun, ATTN_ENTRY_FLUSH_DENORMALS, attendWorkspace);
}

Step::Step() : Entry("step") {
  int32_t t = axis("t"), d = axis("d");
  input("H0", ATTN_DTYPE_FLOAT, 32, {t, d});
  input("X", ATTN_DTYPE_FLOAT, 32, {t, d});
  output("H1", ATTN_DTYPE_FLOAT, 32, {t, d}, /*into=*/0);
  version("x86-64", stepRun);
}

std::vector<float> attn::test::attendReference(const Tensor<float> &q,
                                               const Tensor<float> &k,
                                               const Tensor<float> &v,
                                               float scale) {
  int64_t m = q.shape[0], n = k.shape[0], d = q.shape[1], e = v.shape[1];
  std::vector<float> o(static_cast<size_t>(m * e));
  for (int64_t row = 0; row < m; ++row)
    for (int64_t j = 0; j < n; ++j) {
      float score = 0;
      for (int64_t i = 0; i < d; ++i)
        score += q.values[row * d + i] * k.values[j * d + i];
      for (int64_t c = 0; c < e; ++c)
        o[row * e + c] += score * scale * v.values[j * e + c];
    }
  return o;
}

void attn::test::fillPattern(std::vector<float> &values, unsigned seed) {
  for (float &value : values) {
    seed = seed * 1664525u + 1013904223u;
    value = static_cast<float>(static_cast<int>(seed >> 28) - 8);
  }
}
