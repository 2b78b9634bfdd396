/*===- long.c - 65,536 keys in little memory ----------------------*- C -*-===*\
|* Runs the library of long.attn on 1 x 8 x 65,536 x 64 in bf16, checks some *|
|* rows against plain C, and fails when the process took 400 MB or more. *|
|* Usage: long LIBRARY [KEYS] *|
\*===----------------------------------------------------------------------===*/
#include "attn/runtime.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum { heads = 8, depth = 64 };

static float widen(uint16_t half) {
  uint32_t bits = (uint32_t)half << 16;
  float value;
  memcpy(&value, &bits, 4);
  return value;
}

/* Values of about -1 to 1. */
static void fill(uint16_t *data, int64_t count, uint32_t seed) {
  for (int64_t i = 0; i < count; ++i) {
    seed = seed * 1664525u + 1013904223u;
    float value = (float)(int32_t)seed / 2147483648.0f;
    uint32_t bits;
    memcpy(&bits, &value, 4);
    data[i] = (uint16_t)(bits >> 16);
  }
}

/* Largest error of row `m` of head `h`. */
static double row_error(const uint16_t *q, const uint16_t *k, const uint16_t *v,
                        const uint16_t *o, int64_t keys, int64_t h, int64_t m) {
  double sum = 0, out[depth] = {0}, worst = 0;
  const uint16_t *row = q + (h * keys + m) * depth;
  for (int64_t n = 0; n <= m; ++n) {
    double score = 0;
    for (int d = 0; d < depth; ++d)
      score += widen(row[d]) * widen(k[(h * keys + n) * depth + d]);
    double weight = exp(score / sqrt(depth));
    sum += weight;
    for (int e = 0; e < depth; ++e)
      out[e] += weight * widen(v[(h * keys + n) * depth + e]);
  }
  for (int e = 0; e < depth; ++e) {
    double error = fabs(widen(o[(h * keys + m) * depth + e]) - out[e] / sum);
    worst = error <= worst ? worst : error; /* a NaN stays */
  }
  return worst;
}

int main(int argc, char **argv) {
  int64_t keys = argc > 2 ? atoll(argv[2]) : 65536;
  int64_t count = heads * keys * depth, shape[4] = {1, heads, keys, depth};
  attn_library *library;
  if (argc < 2 || attn_library_open(argv[1], &library) != ATTN_OK) {
    fprintf(stderr, "long: %s\n",
            argc < 2 ? "which library?" : attn_last_error());
    return 2;
  }
  uint16_t *data[4];
  DLTensor tensors[4], *pointers[4];
  for (int i = 0; i < 4; ++i) {
    data[i] = malloc((size_t)count * 2);
    fill(data[i], count, (uint32_t)i + 1);
    tensors[i] = attn_tensor(data[i], ATTN_DTYPE_BFLOAT, 16, 4, shape);
    pointers[i] = &tensors[i];
  }
  struct timespec start, end;
  clock_gettime(CLOCK_MONOTONIC, &start);
  if (attn_invoke(NULL, attn_library_find(library, "long_causal"), pointers)) {
    fprintf(stderr, "long: %s\n", attn_last_error());
    return 1;
  }
  clock_gettime(CLOCK_MONOTONIC, &end);

  double worst = 0;
  for (int64_t h = 0; h < heads; h += 7)
    for (int64_t m = 0; m < keys; m = m * 3 + 1) {
      double error = row_error(data[0], data[1], data[2], data[3], keys, h, m);
      worst = error <= worst ? worst : error;
    }
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  double seconds = (double)(end.tv_sec - start.tv_sec) +
                   (double)(end.tv_nsec - start.tv_nsec) * 1e-9;
  double megabytes = (double)usage.ru_maxrss / 1024;
  printf("1 x %d x %ld x %d: %.2f s, %.0f MB resident, largest error %.1e\n",
         heads, (long)keys, depth, seconds, megabytes, worst);
  attn_library_close(library);
  return megabytes < 400 && worst < 1e-2 ? 0 : 3;
}
