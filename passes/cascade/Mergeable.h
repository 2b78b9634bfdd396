//===- Mergeable.h - can a tensor be merged from pieces ---------*- C++ -*-===//
#ifndef ATTN_PASSES_CASCADE_MERGEABLE_H
#define ATTN_PASSES_CASCADE_MERGEABLE_H

#include "dialect/Attn.h"
#include <string>

namespace attn {

/// Why a tensor of `cascade` cannot be computed from partials over pieces of
/// `rank` ("max of an unfinished sum"); empty if it can. Conservative:
/// reductions over the rank may use earlier, unfinished ones only where a
/// repair or a separation exists (laws ONLINE and SEPARATE).
std::string whyNotMergeable(CascadeOp cascade, mlir::Value tensor,
                            mlir::StringAttr rank);

} // namespace attn
#endif // ATTN_PASSES_CASCADE_MERGEABLE_H
