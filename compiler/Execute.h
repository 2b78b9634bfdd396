//===- Execute.h - compiled cascades on arrays ------------------*- C++ -*-===//
#ifndef ATTN_COMPILER_EXECUTE_H
#define ATTN_COMPILER_EXECUTE_H

#include "attn/runtime.h"
#include "dialect/interpreter/Extents.h"

namespace attn {

/// Runs an entry on copies of `inputs` (one a port, as makeArguments gives
/// them). Outputs are poisoned first. With `seconds` the call is repeated and
/// the best time is given.
llvm::Expected<std::vector<Array>>
execute(const attn_entry_desc *entry, CascadeOp cascade,
        llvm::ArrayRef<Array> inputs, const Extents &extents,
        const attn_context *context = nullptr, double *seconds = nullptr);

} // namespace attn
#endif // ATTN_COMPILER_EXECUTE_H
