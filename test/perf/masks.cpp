//===- masks.cpp - what masks cost ------------------------------*- C++ -*-===//
//
// Times the cascades of masks.attn at 8,192 keys in alternation and prints each
// one's median beside the time of the dense one for the same number of points:
// a ratio of 1.00 says that the mask costs nothing. Usage: masks LIBRARY
//
//===----------------------------------------------------------------------===//

#include "Bench.h"

using namespace bench;

namespace {

constexpr int64_t heads = 2, keys = 8192, depth = 128, documents = 12;

/// Documents of uneven lengths, in order.
std::vector<int32_t> documentOf() {
  std::vector<int32_t> result(keys);
  std::mt19937 generator(7);
  std::vector<int64_t> ends{keys};
  for (int64_t i = 1; i < documents; ++i)
    ends.push_back(1 + generator() % (keys - 1));
  std::sort(ends.begin(), ends.end());
  for (int64_t n = 0; n < keys; ++n)
    result[n] = std::upper_bound(ends.begin(), ends.end(), n) - ends.begin();
  return result;
}

struct Case {
  const char *name;
  double limit; // of the ratio
  double share = 0;
  const attn_entry_desc *entry = nullptr;
  std::vector<double> times = {};

  double median() {
    std::sort(times.begin(), times.end());
    return times[times.size() / 2];
  }
};

} // namespace

int main(int argc, char **argv) {
  attn_library *library = nullptr;
  if (argc != 2 || attn_library_open(argv[1], &library) != ATTN_OK) {
    std::fprintf(stderr, "masks: %s\n",
                 argc == 2 ? attn_last_error() : "usage: masks LIBRARY");
    return 2;
  }
  std::vector<int32_t> doc = documentOf();
  Case cases[] = {
      {"dense", 1}, {"causal", 1.10}, {"window", 1.25}, {"document", 1.25}};
  double visible[4] = {double(keys) * keys, 0, 0, 0};
  std::vector<int64_t> start(keys); // of each position's document
  for (int64_t m = 0; m < keys; ++m) {
    start[m] = m > 0 && doc[m] == doc[m - 1] ? start[m - 1] : m;
    visible[1] += m + 1;
    visible[2] += std::min<int64_t>(m + 1, 1024);
    visible[3] += m + 1 - start[m];
  }

  int64_t shape[4] = {1, heads, keys, depth}, docShape[2] = {1, keys};
  Bytes data[4];
  DLTensor tensors[5], *pointers[5];
  for (int i = 0; i < 4; ++i)
    data[i] = randomTensor(heads * keys * depth, false, i + 1);
  for (int i = 0; i < 5; ++i) {
    tensors[i] = i == 3 ? attn_tensor(doc.data(), ATTN_DTYPE_INT, 32, 2, docShape)
                        : attn_tensor(data[i == 4 ? 3 : i].data(),
                                      ATTN_DTYPE_FLOAT, 32, 4, shape);
    pointers[i] = &tensors[i];
  }
  for (int round = 0; round < 8; ++round)
    for (Case &c : cases) {
      if (!c.entry && !(c.entry = attn_library_find(library, c.name))) {
        std::fprintf(stderr, "masks: %s\n", attn_last_error());
        return 1;
      }
      double begin = seconds();
      if (attn_invoke(nullptr, c.entry, pointers) != ATTN_OK) {
        std::fprintf(stderr, "masks: %s\n", attn_last_error());
        return 1;
      }
      if (round > 0) // the first run warms up
        c.times.push_back(seconds() - begin);
    }
  std::printf("%-10s %8s %10s %8s %8s\n", "mask", "points", "ms", "ratio",
              "limit");
  for (int i = 0; i < 4; ++i) {
    cases[i].share = visible[i] / visible[0];
    std::printf("%-10s %7.2f%% %10.1f %8.2f %8.2f\n", cases[i].name,
                100 * cases[i].share, 1e3 * cases[i].median(),
                cases[i].median() / cases[0].median() / cases[i].share,
                cases[i].limit);
  }
  attn_library_close(library);
  return 0;
}
