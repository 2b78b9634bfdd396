//===- Normalise.h - one form for equal programs ----------------*- C++ -*-===//
// The derive passes see cascades in one form: every einsum does only what
// needs all of its ranks, equal einsums are one.
//===----------------------------------------------------------------------===//
#ifndef ATTN_PASSES_CASCADE_NORMALISE_H
#define ATTN_PASSES_CASCADE_NORMALISE_H

#include "dialect/Attn.h"

namespace attn {

/// Declared monoids that are a built-in reduction (NameMonoids.cpp).
void nameMonoids(CascadeOp cascade);
/// Pure maps into their readers (InlineMaps.cpp).
void inlineMaps(CascadeOp cascade);
/// Subexpressions that need fewer ranks become maps (SplitRanks.cpp).
void splitRanks(CascadeOp cascade);
/// Einsums equal up to names are one (ShareEinsums.cpp).
void shareEinsums(mlir::Block &body);

} // namespace attn
#endif // ATTN_PASSES_CASCADE_NORMALISE_H
