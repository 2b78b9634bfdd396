//===- demo.cpp - a compiled library on a real model's data -----*- C++ -*-===//
//
// Loads the library that attnc made of minilm.attn, runs it on the arrays of
// this folder, compares with the model's own output, and times it beside the
// plain loops of plain_loop.cpp.  Usage: demo LIBRARY FOLDER
//
//===----------------------------------------------------------------------===//

#include "attn/runtime.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <sstream>
#include <string>
#include <vector>

void plain_attention(const float *Q, const float *K, const float *V,
                     const int *len, float *O, int B, int H, int M, int N,
                     int D);

namespace {

[[noreturn]] void fail(const std::string &message) {
  std::fprintf(stderr, "demo: %s\n", message.c_str());
  std::exit(1);
}

template <typename T> struct Array {
  std::vector<int64_t> shape;
  std::vector<T> data;

  DLTensor tensor() {
    return attn_tensor(data.data(),
                       std::is_same_v<T, float> ? ATTN_DTYPE_FLOAT
                                                : ATTN_DTYPE_INT,
                       32, static_cast<int>(shape.size()), shape.data());
  }
};

/// Reads a version 1 .npy file of 4-byte elements in C order.
template <typename T> Array<T> load(const std::filesystem::path &path) {
  std::ifstream file(path, std::ios::binary);
  char head[10];
  if (!file.read(head, 10))
    fail("cannot read " + path.string());
  unsigned size = static_cast<unsigned char>(head[8]) +
                  256u * static_cast<unsigned char>(head[9]);
  std::string header(size, ' ');
  file.read(header.data(), size);
  const char *type = std::is_same_v<T, float> ? "'<f4'" : "'<i4'";
  if (header.find(type) == std::string::npos)
    fail(path.string() + " does not hold " + type);
  Array<T> array;
  std::string text = header.substr(header.find("'shape': (") + 10);
  std::replace(text.begin(), text.end(), ',', ' ');
  std::istringstream extents(text);
  for (int64_t extent; extents >> extent;)
    array.shape.push_back(extent);
  array.data.resize(std::accumulate(array.shape.begin(), array.shape.end(),
                                    int64_t{1}, std::multiplies<>()));
  if (!file.read(reinterpret_cast<char *>(array.data.data()),
                 array.data.size() * sizeof(T)))
    fail(path.string() + " is too short");
  return array;
}

/// Best time of some runs, in milliseconds.
template <typename Fn> double milliseconds(Fn run) {
  double best = 1e30;
  for (int i = 0; i < 20; ++i) {
    auto start = std::chrono::steady_clock::now();
    run();
    std::chrono::duration<double, std::milli> time =
        std::chrono::steady_clock::now() - start;
    best = std::min(best, time.count());
  }
  return best;
}

/// Largest difference; NaN counts as infinite.
double error(const std::vector<float> &got, const std::vector<float> &want) {
  double worst = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    double diff = std::abs(double(got[i]) - double(want[i]));
    worst = std::max(worst, std::isnan(diff) ? INFINITY : diff);
  }
  return worst;
}

} // namespace

int main(int argc, char **argv) {
  if (argc != 3)
    fail("usage: demo LIBRARY FOLDER");
  attn_library *library = nullptr;
  if (attn_library_open(argv[1], &library) != ATTN_OK)
    fail(attn_last_error());
  const attn_entry_desc *entry = attn_library_find(library, "minilm");
  if (!entry)
    fail(attn_last_error());
  attn_context *one = attn_context_create(1);
  attn_context *all = attn_context_create(0);
  const int threads = attn_context_threads(all);

  const std::filesystem::path folder = argv[2];
  Array<int32_t> len = load<int32_t>(folder / "len.npy");
  std::printf("%-8s %14s %14s | %10s %10s %10s\n", "", "largest error",
              "plain loop's", "plain", "attnc",
              ("x" + std::to_string(threads) + " threads").c_str());
  bool good = true;
  for (int layer = 0; layer < 6; ++layer) {
    const std::filesystem::path at = folder / ("layer" + std::to_string(layer));
    if (!std::filesystem::exists(at))
      continue;
    Array<float> Q = load<float>(at / "Q.npy"), K = load<float>(at / "K.npy"),
                 V = load<float>(at / "V.npy"),
                 want = load<float>(at / "O.npy");
    Array<float> O = want, plain = want;
    std::fill(O.data.begin(), O.data.end(), NAN);

    DLTensor q = Q.tensor(), k = K.tensor(), v = V.tensor(), l = len.tensor(),
             o = O.tensor();
    DLTensor *tensors[] = {&q, &k, &v, &l, &o};
    auto run = [&](attn_context *context) {
      if (attn_invoke(context, entry, tensors) != ATTN_OK)
        fail(attn_last_error());
    };
    const double single = milliseconds([&] { run(one); });
    const double multi = milliseconds([&] { run(all); });
    const double loop = milliseconds([&] {
      plain_attention(Q.data.data(), K.data.data(), V.data.data(),
                      len.data.data(), plain.data.data(), int(Q.shape[0]),
                      int(Q.shape[1]), int(Q.shape[2]), int(K.shape[2]),
                      int(Q.shape[3]));
    });
    const double worst = error(O.data, want.data);
    std::printf("layer %d  %14.2e %14.2e | %7.3f ms %7.3f ms %7.3f ms\n", layer,
                worst, error(plain.data, want.data), loop, single, multi);
    good = good && worst < 1e-5;
  }
  std::printf("%s: the compiled attention %s the model's own output\n",
              good ? "ok" : "FAILED", good ? "reproduces" : "differs from");
  attn_context_destroy(all);
  attn_context_destroy(one);
  attn_library_close(library);
  return good ? 0 : 3;
}
