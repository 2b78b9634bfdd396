//===- ContractionOrder.h - the order that a network pays for ---*- C++ -*-===//
#ifndef ATTN_PASSES_DERIVE_CONTRACTIONORDER_H
#define ATTN_PASSES_DERIVE_CONTRACTIONORDER_H

#include "passes/derive/TensorNetwork.h"

namespace attn {

/// The order that costs least, if it pays: clearly cheaper than the sums as
/// written where a model is wider than its heads, and no worse than they are
/// whichever feature is the wide one.
std::optional<ContractionPlan> cheaperOrder(TensorNetwork &network,
                                            TypicalExtents &extents);

} // namespace attn
#endif // ATTN_PASSES_DERIVE_CONTRACTIONORDER_H
