//===- Overlap.h - do strided tensors share memory? ------------*- C++ -*-===//
// Exact answers, so that interleaved views of one allocation (a packed QKV
// buffer, halves of a row) are accepted and true overlaps are not.
//===----------------------------------------------------------------------===//
#ifndef ATTN_RUNTIME_OVERLAP_H
#define ATTN_RUNTIME_OVERLAP_H

#include "Context.h"

namespace attn::rt {

/// Products of extents, strides and bits.
__extension__ typedef __int128 Wide;

/// Do two index tuples have one address?
bool overlapsItself(const PortView &view);

/// Is there a bit that belongs to elements of both?
bool overlap(const PortView &a, const PortView &b);

/// The same address, extents, strides and element size.
bool sameStorage(const PortView &a, const PortView &b);

} // namespace attn::rt

#endif // ATTN_RUNTIME_OVERLAP_H
