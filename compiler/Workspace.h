//===- Workspace.h - how memory grows with the sequence ---------*- C++ -*-===//
#ifndef ATTN_COMPILER_WORKSPACE_H
#define ATTN_COMPILER_WORKSPACE_H

#include "attn/abi.h"
#include "dialect/interpreter/Extents.h"

namespace attn {

/// By how memory for intermediates grows as the sequence does.
enum class Growth { None, Linear, Quadratic };
llvm::StringRef growthName(Growth growth);

/// Bytes that a call needs beside its tensors: shared, and of one worker.
/// `free` gives the extents of ranks that no other extent determines.
int64_t workspaceBytes(const attn_entry_desc *entry,
                       const llvm::StringMap<int64_t> &free);

/// Measured by the compiled formula at two lengths of the ranks `sequence`
/// (or what determines them), the other ranks as in `extents`, and compared
/// with the number of points: an image of y by x has 4 times as many.
Growth workspaceGrowth(const attn_entry_desc *entry, CascadeOp cascade,
                       const Extents &extents,
                       llvm::ArrayRef<std::string> sequence);

} // namespace attn
#endif // ATTN_COMPILER_WORKSPACE_H
