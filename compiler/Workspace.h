//===- Workspace.h - how memory grows with the sequence ---------*- C++ -*-===//
#ifndef ATTN_COMPILER_WORKSPACE_H
#define ATTN_COMPILER_WORKSPACE_H

#include "attn/abi.h"
#include "dialect/interpreter/Extents.h"

namespace attn {

/// By how memory for intermediates grows as the sequence does.
enum class Growth { None, Linear, Quadratic };
llvm::StringRef growthName(Growth growth);

/// Extents of all ranks, by those of the free ones.
using ExtentsAt = llvm::function_ref<llvm::StringMap<int64_t>(
    const llvm::StringMap<int64_t> &)>;
/// By how much the number of points of a sequence grows when every rank of
/// `growing` doubles: those of a line, or of the largest port whose growing
/// ranks do not include all of another port's. Those of an image are y and x,
/// whose product grows by 4; a port over [m, n] beside one over [m] is of pairs.
double pointGrowth(CascadeOp cascade, llvm::ArrayRef<llvm::StringRef> growing,
                   const llvm::StringMap<int64_t> &once, ExtentsAt extentsAt);
/// Of bytes before and after the points of the sequence grow by `points`.
Growth growthOf(double once, double twice, double points);

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
