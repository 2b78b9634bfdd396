//===- FuzzTest.cpp - random tensors against the checks --------*- C++ -*-===//
// Tensors with one or several fields broken at random: a call returns a status
// and touches nothing outside its tensors. Under AddressSanitizer the kernel
// is the judge: what the checks let pass must be readable and writable.
//===----------------------------------------------------------------------===//
#include "Entries.h"

#include <random>

using namespace attn::test;

namespace {

struct Fuzzer {
  std::mt19937_64 random;
  int64_t oddNumbers[9] = {0,         1,         -1,        2,           5,
                           INT64_MAX, INT64_MIN, 1ll << 33, -(1ll << 40)};

  uint64_t below(uint64_t n) { return random() % n; }
  int64_t odd() { return oddNumbers[below(9)]; }

  /// Breaks one field. Extents never grow and strides stay within the data
  /// unless they are absurd, so a tensor that passes the checks is sound.
  template <typename T> void mutate(Tensor<T> &tensor) {
    size_t ndim = tensor.shape.size();
    size_t axis = ndim ? below(ndim) : 0;
    switch (below(10)) {
    case 0:
      tensor.dl.data = nullptr;
      break;
    case 1:
      tensor.dl.shape = nullptr;
      break;
    case 2:
      tensor.dl.ndim = static_cast<int>(odd());
      break;
    case 3:
      tensor.dl.dtype = {static_cast<uint8_t>(below(14)),
                         static_cast<uint8_t>(below(256)),
                         static_cast<uint16_t>(below(3))};
      break;
    case 4:
      tensor.dl.device.device_type = static_cast<DLDeviceType>(below(16));
      break;
    case 5:
      if (ndim)
        tensor.shape[axis] = below(2) ? 0 : -static_cast<int64_t>(below(5));
      break;
    case 6: // past the end of memory, or far more than there is
      if (ndim)
        tensor.shape[axis] = INT64_MAX - static_cast<int64_t>(below(3));
      break;
    case 7:
      if (ndim) {
        std::vector<int64_t> strides(ndim);
        uint64_t compact = 1;
        for (size_t i = ndim; i-- > 0;) {
          strides[i] = static_cast<int64_t>(compact);
          compact *= static_cast<uint64_t>(tensor.shape[i]);
        }
        strides[axis] = below(2) ? 0 : INT64_MAX - int64_t(below(9));
        tensor.setStrides(strides);
      }
      break;
    case 8:
      tensor.dl.byte_offset = below(2) ? 1 : UINT64_MAX - below(9);
      break;
    case 9:
      if (ndim)
        std::swap(tensor.shape[0], tensor.shape[ndim - 1]);
      break;
    }
  }
};

TEST(Fuzz, RandomTensors) {
  Attend attend;
  const attn_entry_desc *desc = attend.get();
  int statuses[ATTN_ERROR_INTERNAL + 1] = {};
  for (uint64_t seed = 0; seed < 30000; ++seed) {
    Fuzzer fuzzer{std::mt19937_64(seed)};
    int64_t m = int64_t(fuzzer.below(5)), n = int64_t(fuzzer.below(5)),
            d = int64_t(fuzzer.below(4)), e = int64_t(fuzzer.below(4));
    Tensor<float> q = f32({m, d}, 1), k = f32({n, d}, 1), v = f32({n, e}, 1),
                  scale = f32({}, 1), o = f32({m, e});
    Tensor<float> *all[] = {&q, &k, &v, &scale, &o};
    DLTensor *tensors[] = {&q.dl, &k.dl, &v.dl, &scale.dl, &o.dl};
    for (uint64_t i = fuzzer.below(4); i-- > 0;)
      fuzzer.mutate(*all[fuzzer.below(5)]);
    if (fuzzer.below(20) == 0)
      tensors[fuzzer.below(5)] = nullptr;
    if (fuzzer.below(20) == 0)
      tensors[4] = tensors[fuzzer.below(3)];
    int status = attn_invoke(nullptr, desc, tensors);
    ASSERT_GE(status, 0);
    ASSERT_LE(status, ATTN_ERROR_INTERNAL);
    ASSERT_NE(status, ATTN_ERROR_INTERNAL) << attn_last_error();
    ++statuses[status];
  }
  for (int status : {ATTN_OK, ATTN_ERROR_NULL, ATTN_ERROR_RANK,
                     ATTN_ERROR_DTYPE, ATTN_ERROR_SHAPE, ATTN_ERROR_STRIDES,
                     ATTN_ERROR_ALIGNMENT, ATTN_ERROR_DEVICE, ATTN_ERROR_ALIAS})
    EXPECT_GE(statuses[status], 20) << attn_status_text(status);
}

/// All fields at once from raw bits; pointers are null or into a small buffer.
/// The entry's kernel does nothing: this is about the checks alone.
TEST(Fuzz, RawBits) {
  Entry entry("raw");
  int32_t a = entry.axis("a"), b = entry.fixed("b", 3);
  int32_t c = entry.derived(
      "c", {ATTN_EXT_LOAD, a, ATTN_EXT_CONST, 4, ATTN_EXT_MUL, 0});
  entry.input("X", ATTN_DTYPE_FLOAT, 16, {a, b, c});
  entry.input("N", ATTN_DTYPE_INT, 4, {c, a});
  entry.output("Y", ATTN_DTYPE_BFLOAT, 16, {a, c}, 0);
  entry.version("x86-64", nothing);
  const attn_entry_desc *desc = entry.get();
  int passed = 0;
  for (uint64_t seed = 0; seed < 100000; ++seed) {
    Fuzzer fuzzer{std::mt19937_64(seed)};
    int64_t numbers[3][6];
    unsigned char buffer[64];
    DLTensor tensors[3];
    DLTensor *pointers[3];
    int64_t base = int64_t(fuzzer.below(4));
    int64_t right[3][3] = {
        {base, 3, 4 * base}, {4 * base, base, 0}, {base, 4 * base, 0}};
    for (int i = 0; i < 3; ++i) {
      bool wild = fuzzer.below(3) == 0;
      for (int j = 0; j < 6; ++j)
        numbers[i][j] = wild && fuzzer.below(2) ? fuzzer.odd()
                        : j < 3                 ? right[i][j]
                                                : int64_t(fuzzer.below(13)) - 4;
      const attn_port_desc &port = desc->ports[i];
      tensors[i] = attn_tensor(buffer + fuzzer.below(9), port.dtype_code,
                               port.dtype_bits, port.ndim, numbers[i]);
      tensors[i].strides = fuzzer.below(2) ? numbers[i] + 3 : nullptr;
      tensors[i].byte_offset =
          fuzzer.below(4) ? fuzzer.below(3) : fuzzer.random();
      if (fuzzer.below(30) == 0)
        tensors[i].ndim = static_cast<int>(fuzzer.random());
      if (fuzzer.below(30) == 0)
        std::memset(&tensors[i].data, 0, sizeof(void *));
      pointers[i] = &tensors[i];
    }
    int status = attn_invoke(nullptr, desc, pointers);
    ASSERT_GE(status, 0);
    ASSERT_LT(status, ATTN_ERROR_INTERNAL) << attn_last_error();
    passed += status == ATTN_OK;
  }
  EXPECT_GT(passed, 100);
}

} // namespace
