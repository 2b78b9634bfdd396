//===- Philox.h - counter-based random numbers ------------------*- C++ -*-===//
// Philox 4x32-10 (Salmon et al., SC'11) as LANGUAGE section 11 uses it: the key
// is the seed, the counter the coordinates, four words at a time, zero padded;
// beyond four the output is xored into the next four.
//===----------------------------------------------------------------------===//
#ifndef ATTN_DIALECT_PHILOX_H
#define ATTN_DIALECT_PHILOX_H

#include "llvm/ADT/ArrayRef.h"
#include <array>
#include <cmath>
#include <cstdint>

namespace attn::philox {

using Block = std::array<uint32_t, 4>;

inline Block round10(Block counter, uint32_t k0, uint32_t k1) {
  for (int i = 0; i < 10; ++i) {
    uint64_t p0 = uint64_t{0xD2511F53} * counter[0];
    uint64_t p1 = uint64_t{0xCD9E8D57} * counter[2];
    counter = {uint32_t(p1 >> 32) ^ counter[1] ^ k0, uint32_t(p1),
               uint32_t(p0 >> 32) ^ counter[3] ^ k1, uint32_t(p0)};
    k0 += 0x9E3779B9;
    k1 += 0xBB67AE85;
  }
  return counter;
}

inline Block generate(uint64_t seed, llvm::ArrayRef<int64_t> words) {
  Block out{};
  do {
    Block counter = out;
    for (size_t i = 0; i < 4 && i < words.size(); ++i)
      counter[i] ^= uint32_t(words[i]);
    out = round10(counter, uint32_t(seed), uint32_t(seed >> 32));
    words = words.drop_front(std::min<size_t>(4, words.size()));
  } while (!words.empty());
  return out;
}

inline double toUniform(uint32_t word) {
  return (double(word >> 9) + 0.5) * 0x1p-23;
}

inline double uniform(uint64_t seed, llvm::ArrayRef<int64_t> words) {
  return toUniform(generate(seed, words)[0]);
}

inline double normal(uint64_t seed, llvm::ArrayRef<int64_t> words) {
  constexpr double pi = 3.14159265358979323846;
  Block block = generate(seed, words);
  return std::sqrt(-2 * std::log(toUniform(block[0]))) *
         std::cos(2 * pi * toUniform(block[1]));
}

} // namespace attn::philox
#endif // ATTN_DIALECT_PHILOX_H
