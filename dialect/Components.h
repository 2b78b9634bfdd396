//===- Components.h - strongly connected components -------------*- C++ -*-===//
#ifndef ATTN_DIALECT_COMPONENTS_H
#define ATTN_DIALECT_COMPONENTS_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/SmallVector.h"
#include <vector>

namespace attn {

/// Strongly connected components of a graph of `count` nodes, given by what
/// each of them needs: what a component needs comes before it. Members are in
/// ascending order.
std::vector<llvm::SmallVector<unsigned>>
componentsOf(unsigned count,
             llvm::function_ref<llvm::ArrayRef<unsigned>(unsigned)> needs);

} // namespace attn
#endif // ATTN_DIALECT_COMPONENTS_H
