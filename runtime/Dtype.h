//===- Dtype.h - names and encodings of element types ----------*- C++ -*-===//
// Element types as DLPack writes them (code, bits, lanes).
//===----------------------------------------------------------------------===//
#ifndef ATTN_RUNTIME_DTYPE_H
#define ATTN_RUNTIME_DTYPE_H

#include <cstddef>
#include <cstdint>

namespace attn::rt {

/// A type's name in a fixed buffer, as the language writes it ("bf16"), or
/// its numbers where the language has no such type.
struct DtypeName {
  char text[48];
  DtypeName(unsigned code, unsigned bits, unsigned lanes);
};

/// The bits of `value` in that type, in the low bytes, rounded to nearest
/// even; integers truncate and saturate.
uint64_t encode(double value, unsigned code, unsigned bits);

} // namespace attn::rt

#endif // ATTN_RUNTIME_DTYPE_H
