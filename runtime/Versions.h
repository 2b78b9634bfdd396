//===- Versions.h - which version of an entry runs -------------*- C++ -*-===//
// An entry holds code for several targets, best first.
//===----------------------------------------------------------------------===//
#ifndef ATTN_RUNTIME_VERSIONS_H
#define ATTN_RUNTIME_VERSIONS_H

#include "attn/abi.h"

namespace attn::rt {

/// The first version this machine runs, or the one that ATTN_TARGET names.
/// Null, with the message of ATTN_ERROR_TARGET set, if there is none.
const attn_entry_version *selectVersion(const attn_entry_desc &entry);

} // namespace attn::rt

#endif // ATTN_RUNTIME_VERSIONS_H
