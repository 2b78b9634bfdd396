//===- Extents.h - extents of a cascade's ranks -----------------*- C++ -*-===//
// Binds every rank to a number from the shapes of the inputs, and checks what
// LANGUAGE section 4 promises at entry.
//===----------------------------------------------------------------------===//
#ifndef ATTN_DIALECT_INTERPRETER_EXTENTS_H
#define ATTN_DIALECT_INTERPRETER_EXTENTS_H

#include "dialect/interpreter/Array.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/StringMap.h"

namespace attn {

using Extents = llvm::DenseMap<mlir::StringAttr, int64_t>;

/// Shapes by input; one that is not known binds nothing. `given` binds ranks
/// by name. An error says which places disagree.
llvm::Expected<Extents>
bindExtents(CascadeOp cascade,
            llvm::ArrayRef<std::optional<llvm::ArrayRef<int64_t>>> shapes,
            const llvm::StringMap<int64_t> &given = {});

} // namespace attn
#endif // ATTN_DIALECT_INTERPRETER_EXTENTS_H
