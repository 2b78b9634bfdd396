//===- Versions.cpp - which version of an entry runs -----------*- C++ -*-===//
// The environment is read at each call: a test may change it between two.
//===----------------------------------------------------------------------===//
#include "Versions.h"

#include "CpuFeatures.h"
#include "Status.h"

#include <cstdlib>
#include <cstring>
#include <string>

using namespace attn::rt;

namespace {

bool runsHere(const attn_entry_version &version) {
  if (version.flags & ATTN_ENTRY_CUDA)
    return attn_cuda_devices() > 0;
  return attn_cpu_supports(version.target) &&
         (!(version.flags & ATTN_ENTRY_USES_AMX) || requestAmx());
}

std::string listTargets(const attn_entry_desc &entry) {
  std::string list;
  for (int32_t i = 0; i < entry.num_versions; ++i)
    list.append(i ? ", " : "").append(entry.versions[i].target);
  return list.empty() ? "none" : list;
}

} // namespace

const attn_entry_version *
attn::rt::selectVersion(const attn_entry_desc &entry) {
  const char *forced = std::getenv("ATTN_TARGET");
  if (forced && (!*forced || !std::strcmp(forced, "native")))
    forced = nullptr;
  for (int32_t i = 0; i < entry.num_versions; ++i) {
    const attn_entry_version &version = entry.versions[i];
    if (forced && std::strcmp(forced, version.target))
      continue;
    if (runsHere(version))
      return &version;
    if (forced) {
      fail(ATTN_ERROR_TARGET,
           "%s: ATTN_TARGET asks for %s, which this machine does not run",
           entry.name, forced);
      return nullptr;
    }
  }
  std::string list = listTargets(entry);
  if (entry.num_versions > 0 && entry.versions[0].flags & ATTN_ENTRY_CUDA &&
      !attn_cuda_devices()) {
    std::string reason = attn_last_error();
    fail(ATTN_ERROR_TARGET, "%s: compiled for %s: %s", entry.name, list.c_str(),
         reason.c_str());
    return nullptr;
  }
  if (forced)
    fail(ATTN_ERROR_TARGET,
         "%s: ATTN_TARGET asks for %s, but the code has versions for: %s",
         entry.name, forced, list.c_str());
  else
    fail(ATTN_ERROR_TARGET,
         "%s: this machine runs %s, but the code has versions for: %s",
         entry.name, attn_cpu_target(), list.c_str());
  return nullptr;
}
