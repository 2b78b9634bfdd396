//===- plain_loop.cpp - attention as plain loops ----------------*- C++ -*-===//
//
// The peer of examples/minilm.attn: what a competent programmer writes without
// a library. One row of scores at a time, softmax in three passes over it, keys
// beyond the length of their sequence skipped. Meant for
// `-O3 -march=native -ffast-math`; with `-fopenmp` the heads run in parallel.
//
//===----------------------------------------------------------------------===//

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

/// O[b,h,m,:] = softmax over n < len[b] of (Q[b,h,m] . K[b,h,n] / sqrt(D)),
/// times V[b,h,n,:]. All tensors are dense: Q and O [B,H,M,D], K and V
/// [B,H,N,D]. A sequence of length 0 gives zeros.
void plain_attention(const float *Q, const float *K, const float *V,
                     const int *len, float *O, int B, int H, int M, int N,
                     int D) {
  const float scale = 1.0f / std::sqrt(static_cast<float>(D));
#ifdef _OPENMP
#pragma omp parallel for
#endif
  for (int bh = 0; bh < B * H; ++bh) {
    const float *__restrict k = K + static_cast<size_t>(bh) * N * D;
    const float *__restrict v = V + static_cast<size_t>(bh) * N * D;
    const int keys = std::clamp(len[bh / H], 0, N);
    std::vector<float> row(keys);
    float *__restrict p = row.data();

    for (int m = 0; m < M; ++m) {
      const float *__restrict q = Q + (static_cast<size_t>(bh) * M + m) * D;
      float *__restrict o = O + (static_cast<size_t>(bh) * M + m) * D;
      std::fill(o, o + D, 0.0f);
      if (keys == 0)
        continue;

      for (int n = 0; n < keys; ++n) {
        float dot = 0.0f;
        for (int d = 0; d < D; ++d)
          dot += q[d] * k[static_cast<size_t>(n) * D + d];
        p[n] = dot * scale;
      }

      float top = p[0];
      for (int n = 1; n < keys; ++n)
        top = std::max(top, p[n]);
      float sum = 0.0f;
      for (int n = 0; n < keys; ++n) {
        p[n] = std::exp(p[n] - top);
        sum += p[n];
      }
      for (int n = 0; n < keys; ++n)
        p[n] /= sum;

      for (int n = 0; n < keys; ++n)
        for (int d = 0; d < D; ++d)
          o[d] += p[n] * v[static_cast<size_t>(n) * D + d];
    }
  }
}
