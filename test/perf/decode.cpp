//===- decode.cpp - a step of generation against memory ---------*- C++ -*-===//
//
// One query a sequence, 32 heads over 8 of keys and values, depth 128. What it
// must do is read keys and values once: the bytes a second that it takes them
// at are compared with those of a plain sum over the same memory, right before
// and after each call. Prints the best and the median time, and the median of
// the shares. Of one thread, time is that on its core. Usage: decode LIBRARY [CASCADE] [KEYS] [BATCH] [THREADS]
//
//===----------------------------------------------------------------------===//

#include "Limits.h"

#include <memory>
#include <numeric>
#include <random>

using namespace bench;

namespace {

constexpr int64_t groups = 8, perGroup = 4, depth = 128;

enum class Layout { dense, paged, packed };
constexpr int64_t pageKeys = 16;

struct Case {
  const char *name;
  int64_t bits; // of an element of keys and values
  Layout layout = Layout::dense;
};

/// Any order of the pages, the same in each run.
std::vector<int32_t> shuffledPages(int64_t count) {
  std::vector<int32_t> pages(count);
  std::iota(pages.begin(), pages.end(), 0);
  std::shuffle(pages.begin(), pages.end(), std::mt19937(1));
  return pages;
}

/// Lines of memory that begin at one.
class Memory {
public:
  explicit Memory(size_t bytes)
      : data(static_cast<char *>(std::aligned_alloc(4096, bytes))),
        bytes(bytes) {}
  ~Memory() { std::free(data); }
  Memory(const Memory &) = delete;

  /// Repeats `pattern`.
  void fill(const Bytes &pattern) {
    for (size_t at = 0; at < bytes; at += pattern.size())
      std::memcpy(data + at, pattern.data(),
                  std::min(pattern.size(), bytes - at));
  }

  char *data;
  size_t bytes;
};

constexpr Case cases[] = {
    {"decode", 16},
    {"decode_i8", 8},
    {"decode_paged", 16, Layout::paged},
    {"decode_packed", 16, Layout::packed},
    {"decode_f32", 32},
    {"decode_paged_f32", 32, Layout::paged},
    {"decode_packed_f32", 32, Layout::packed},
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

struct Problem {
  int64_t batch, keys;
  int threads;
};

/// Returns false where the call fails.
bool measure(attn_library *library, const Case &c, const Problem &p) {
  const attn_entry_desc *entry = attn_library_find(library, c.name);
  if (!entry)
    return false;
  // Keys and values lie behind each other, for the plain sum.
  int64_t elements = p.batch * groups * p.keys * depth;
  size_t half = (elements * c.bits / 8 + 4095 + 4096) / 4096 * 4096;
  Memory cache(2 * half);
  bool isFloat = c.bits == 32;
  Bytes pattern = randomTensor(1 << 20, !isFloat);
  if (c.bits == 8)
    for (size_t i = 0; i < pattern.size(); ++i)
      pattern[i] = static_cast<char>(i * 2654435761u >> 24);
  cache.fill(pattern);
  Bytes query = randomTensor(p.batch * groups * perGroup * depth, !isFloat);
  Bytes output(query.size());
  std::vector<float> scales(p.batch * groups * p.keys, 1.f / 64);

  int64_t queryShape[3] = {p.batch, groups * perGroup, depth};
  int64_t pages = p.batch * p.keys / pageKeys;
  std::vector<int64_t> shape{p.batch, groups, p.keys, depth};
  std::vector<int32_t> table;
  std::vector<int64_t> tableShape{p.batch, p.keys / pageKeys};
  if (c.layout == Layout::paged) {
    shape = {pages, groups, pageKeys, depth};
    table = shuffledPages(pages);
  } else if (c.layout == Layout::packed) {
    shape = {p.batch * p.keys, groups, depth};
    tableShape = {p.batch + 1};
    for (int64_t i = 0; i <= p.batch; ++i)
      table.push_back(i * p.keys);
  }
  auto real = isFloat ? ATTN_DTYPE_FLOAT : ATTN_DTYPE_BFLOAT;
  int realBits = isFloat ? 32 : 16;
  auto codes = [&](char *data) {
    return attn_tensor(data, c.bits == 8 ? ATTN_DTYPE_INT : real, c.bits,
                       shape.size(), shape.data());
  };
  std::vector<DLTensor> tensors{
      attn_tensor(query.data(), real, realBits, 3, queryShape)};
  for (char *data : {cache.data, cache.data + half}) {
    tensors.push_back(codes(data));
    if (c.bits == 8)
      tensors.push_back(
          attn_tensor(scales.data(), ATTN_DTYPE_FLOAT, 32, 3, shape.data()));
  }
  if (!table.empty())
    tensors.push_back(attn_tensor(table.data(), ATTN_DTYPE_INT, 32,
                                  tableShape.size(), tableShape.data()));
  tensors.push_back(attn_tensor(output.data(), real, realBits, 3, queryShape));
  std::vector<DLTensor *> pointers;
  for (DLTensor &tensor : tensors)
    pointers.push_back(&tensor);

  std::unique_ptr<attn_context, void (*)(attn_context *)> context(
      attn_context_create(p.threads), attn_context_destroy);
  double bytes = 2.0 * elements * c.bits / 8;
  auto stream = [&] { return streamRate(cache.data, 2 * half, p.threads); };
  std::vector<double> times, shares, rates;
  double begin = seconds();
  for (int call = 0; call < 5 || seconds() - begin < 3; ++call) {
    double before = stream();
    double start = secondsOf(p.threads);
    if (attn_invoke(context.get(), entry, pointers.data()) != ATTN_OK)
      return false;
    double time = secondsOf(p.threads) - start;
    double rate = (before + stream()) / 2;
    if (call == 0)
      continue;
    times.push_back(time);
    rates.push_back(rate);
    shares.push_back(bytes / time / rate);
  }
  double best = *std::min_element(times.begin(), times.end());
  std::printf("%-18s %7ld %6ld %8d %9.3f %9.3f %8.1f %8.1f %6.0f%%\n", c.name,
              long(p.keys), long(p.batch), p.threads, best * 1e3,
              median(times) * 1e3, bytes / median(times) * 1e-9,
              median(rates) * 1e-9, 100 * median(shares));
  std::fflush(stdout);
  return true;
}

} // namespace

int main(int argc, char **argv) {
  attn_library *library = nullptr;
  if (argc < 2 || attn_library_open(argv[1], &library) != ATTN_OK) {
    std::fprintf(
        stderr, "decode: %s\n",
        argc < 2 ? "usage: decode LIBRARY [CASCADE] [KEYS] [BATCH] [THREADS]"
                 : attn_last_error());
    return 2;
  }
  auto asked = [&](int number, int64_t value) {
    return argc <= number || std::atol(argv[number]) == value;
  };
  std::printf("%-18s %7s %6s %8s %9s %9s %8s %8s %7s\n", "case", "keys",
              "batch", "threads", "best ms", "median", "GB/s", "stream",
              "share");
  for (int threads : {1, 2})
    for (int64_t batch : {1, 16})
      for (int64_t keys : {8192, 32768})
        for (const Case &c : cases) {
          if ((argc > 2 && std::strcmp(argv[2], c.name)) || !asked(3, keys) ||
              !asked(4, batch) || !asked(5, threads))
            continue;
          if (!measure(library, c, {batch, keys, threads})) {
            std::fprintf(stderr, "decode: %s\n", attn_last_error());
            return 1;
          }
        }
  attn_library_close(library);
  return 0;
}
