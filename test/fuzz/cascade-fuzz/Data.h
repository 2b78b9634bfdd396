//===- Data.h - inputs and memory of random programs ------------*- C++ -*-===//
// Values as a program's fillings say, and DLPack tensors over them with any
// strides a caller may pass: permuted, padded, reversed, broadcast, at odd
// offsets. Outputs are poisoned; a write outside shows.
//===----------------------------------------------------------------------===//
#ifndef ATTN_TEST_FUZZ_DATA_H
#define ATTN_TEST_FUZZ_DATA_H

#include "attn/runtime.h"
#include "compiler/Arguments.h"
#include "test/fuzz/cascade-fuzz/Draft.h"

namespace attn::fuzz {

/// One array a port; a scalar left to its default has no element type.
std::vector<Array> makeInputs(CascadeOp cascade, const Case &program,
                              const Extents &extents, uint64_t seed);

/// Runs a compiled entry; an output that is declared `into` an input shares
/// its memory in some runs. The message says what was wrong with the call or
/// with the memory around the outputs.
llvm::Expected<std::vector<Array>>
callEntry(const attn_entry_desc *entry, CascadeOp cascade,
          llvm::ArrayRef<Array> inputs, const Extents &extents, uint64_t seed);

} // namespace attn::fuzz
#endif // ATTN_TEST_FUZZ_DATA_H
