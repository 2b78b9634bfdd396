//===- Checks.h - are these tensors what the entry takes? ------*- C++ -*-===//
// The checks of one call, in the order of their declarations here. Each
// returns an attn_status with its message set, and fills the frame with what
// it learnt for the next ones and for the kernels.
//===----------------------------------------------------------------------===//
#ifndef ATTN_RUNTIME_CHECKS_H
#define ATTN_RUNTIME_CHECKS_H

#include "Context.h"

namespace attn::rt {

struct Call {
  const attn_entry_desc &entry;
  DLTensor *const *tensors;
  Frame &frame;

  /// Entries are compiled for CPUs or for GPUs.
  bool isCuda() const {
    return entry.num_versions > 0 && entry.versions[0].flags & ATTN_ENTRY_CUDA;
  }
  const char *name() const { return entry.name ? entry.name : "entry"; }
  const char *portName(int32_t port) const {
    return entry.ports[port].name ? entry.ports[port].name : "?";
  }
  const char *extentName(int32_t extent) const {
    return entry.extents[extent].name ? entry.extents[extent].name : "?";
  }
};

/// Null pointers, device, rank, dtype, negative extents, port by port; puts
/// defaults in place of missing scalars.
int checkPorts(Call &call);

/// Gives each extent its value and compares all that name it.
int resolveExtents(Call &call);

/// Alignment and strides of each tensor by itself.
int checkStorage(Call &call);

/// Outputs against all other tensors.
int checkAliases(Call &call);

} // namespace attn::rt

#endif // ATTN_RUNTIME_CHECKS_H
