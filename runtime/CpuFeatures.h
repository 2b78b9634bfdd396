//===- CpuFeatures.h - what this machine runs ------------------*- C++ -*-===//
// Detection behind attn_cpu_supports, and the permission AMX needs.
//===----------------------------------------------------------------------===//
#ifndef ATTN_RUNTIME_CPUFEATURES_H
#define ATTN_RUNTIME_CPUFEATURES_H

namespace attn::rt {

/// Asks the kernel, once per process, to let it use AMX tiles. Without it the
/// first tile instruction is a SIGILL.
bool requestAmx();

} // namespace attn::rt

#endif // ATTN_RUNTIME_CPUFEATURES_H
