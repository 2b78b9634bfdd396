//===- ContractionWriter.h - a network's contractions as einsums *- C++ -*-===//
#ifndef ATTN_PASSES_DERIVE_CONTRACTIONWRITER_H
#define ATTN_PASSES_DERIVE_CONTRACTIONWRITER_H

#include "passes/derive/TensorNetwork.h"

namespace attn {

/// Writes the steps of `plan` before the network's root, and the product of
/// their result with the network's outer factors; returns what the root is
/// now.
mlir::Value writeContractions(TensorNetwork &network,
                              const ContractionPlan &plan);

} // namespace attn
#endif // ATTN_PASSES_DERIVE_CONTRACTIONWRITER_H
