//===- Pieces.h - random programs cut along their keys ----------*- C++ -*-===//
// Split = whole: the partial states of two pieces of rank n (either may be
// empty), merged and finished, are the program's own outputs.
//===----------------------------------------------------------------------===//
#ifndef ATTN_TEST_FUZZ_PIECES_H
#define ATTN_TEST_FUZZ_PIECES_H

#include "dialect/interpreter/Interpreter.h"

namespace attn::fuzz {

/// Adds the cascades of a cut along n. False, and nothing is changed, where
/// there is no such rank, it is related to others, or the cut is not legal.
bool cutAlongKeys(mlir::OwningOpRef<mlir::ModuleOp> &module);

/// Runs a cascade of the module on inputs with certain extents.
using RunCascade = llvm::function_ref<llvm::Expected<std::vector<Array>>(
    CascadeOp, llvm::ArrayRef<Array>, const InterpretOptions &)>;

/// The outputs of `cascade` (of a cut module) by way of the pieces [0, at) and
/// [at, |n|). `given` are the extents of ranks that are free.
llvm::Expected<std::vector<Array>>
runInPieces(CascadeOp cascade, llvm::ArrayRef<Array> inputs,
            const Extents &extents, const llvm::StringMap<int64_t> &given,
            int64_t at, RunCascade run);

} // namespace attn::fuzz
#endif // ATTN_TEST_FUZZ_PIECES_H
