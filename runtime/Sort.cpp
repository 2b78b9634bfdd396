//===- Sort.cpp - stable order of coordinates by keys ----------*- C++ -*-===//
// Bottom-up merge sort in the caller's memory: compiled code calls it for
// selections, with keys already mapped to unsigned words in ascending order.
//===----------------------------------------------------------------------===//
#include "attn/runtime.h"

#include <algorithm>
#include <cstring>

void attn_sort_keys(const uint64_t *keys, int64_t num_keys, int64_t count,
                    int32_t *index, int32_t *spare) {
  // Keys are by position, coordinates by value: sort positions, then map.
  auto before = [&](int32_t a, int32_t b) {
    const uint64_t *x = keys + a * num_keys, *y = keys + b * num_keys;
    for (int64_t k = 0; k < num_keys; ++k)
      if (x[k] != y[k])
        return x[k] < y[k];
    return false;
  };
  int32_t *position = spare, *merged = spare + count;
  for (int64_t i = 0; i < count; ++i)
    position[i] = static_cast<int32_t>(i);
  constexpr int64_t run = 16;
  for (int64_t low = 0; low < count; low += run)
    for (int64_t i = low + 1; i < std::min(low + run, count); ++i) {
      int32_t moved = position[i];
      int64_t j = i;
      for (; j > low && before(moved, position[j - 1]); --j)
        position[j] = position[j - 1];
      position[j] = moved;
    }
  for (int64_t width = run; width < count; width *= 2) {
    for (int64_t low = 0; low < count; low += 2 * width) {
      int64_t middle = std::min(low + width, count);
      int64_t high = std::min(low + 2 * width, count);
      std::merge(position + low, position + middle, position + middle,
                 position + high, merged + low, before);
    }
    std::swap(position, merged);
  }
  // The other half of `spare` is free now.
  for (int64_t i = 0; i < count; ++i)
    merged[i] = index[position[i]];
  std::memcpy(index, merged, sizeof(int32_t) * static_cast<size_t>(count));
}
