//===- Invoke.cpp - the call of a compiled entry ---------------*- C++ -*-===//
// Checks, the version, memory, then the kernels: attn_invoke in this order.
//===----------------------------------------------------------------------===//
#include "Checks.h"
#include "Cuda.h"
#include "Denormals.h"
#include "ParallelFor.h"
#include "Status.h"
#include "Versions.h"

#include <cinttypes>

using namespace attn::rt;

namespace {

/// Scratch memories keep off each other's cache lines, prefetched pairs too.
constexpr int64_t scratchAlignment = 128;

int reserveMemory(const Call &call, const attn_entry_version &version,
                  int64_t workers) {
  Frame &frame = call.frame;
  int64_t need[2] = {0, 0};
  if (version.workspace)
    version.workspace(frame.extents.data(), need);
  auto [shared, each] = need;
  if (shared < 0 || each < 0 || each > INT64_MAX - scratchAlignment)
    return fail(ATTN_ERROR_INTERNAL,
                "%s: workspace of %" PRId64 " and %" PRId64 " bytes",
                call.name(), shared, each);
  each = (each + scratchAlignment - 1) / scratchAlignment * scratchAlignment;
  int64_t scratch;
  if (__builtin_mul_overflow(each, workers, &scratch) ||
      !frame.workspace.reserve(static_cast<size_t>(shared)) ||
      !frame.scratch.reserve(static_cast<size_t>(scratch)))
    return fail(ATTN_ERROR_MEMORY,
                "%s: no memory for a workspace of %" PRId64
                " bytes and %" PRId64 " for each of %" PRId64 " threads",
                call.name(), shared, each, workers);
  frame.scratchPointers.resize(workers);
  for (int64_t i = 0; i < workers; ++i)
    frame.scratchPointers[i] = each ? frame.scratch.data() + i * each : nullptr;
  return ATTN_OK;
}

int run(const Call &call, const attn_context &context,
        const attn_entry_version &version) {
  if (int status = reserveMemory(call, version, context.threads))
    return status;
  Frame &frame = call.frame;
  attn_invocation invocation{};
  invocation.data = frame.data.data();
  invocation.strides = frame.stridePointers.data();
  invocation.extents = frame.extents.data();
  invocation.workspace = frame.workspace.data();
  invocation.scratch = frame.scratchPointers.data();
  invocation.workers = context.threads;
  invocation.parallel_for = parallelFor;
  invocation.context = &context;
  int status;
  {
    FpScope scope(kernelFpMode(version.flags & ATTN_ENTRY_FLUSH_DENORMALS));
    status = version.run(&invocation);
  }
  if (status == ATTN_OK)
    return ATTN_OK;
  int64_t input = int64_t(status) - ATTN_RUN_BAD_INDEX;
  if (input >= 0 && input < call.entry.num_inputs)
    return fail(ATTN_ERROR_ARGUMENT,
                "%s: input %s has an entry beyond what it is an index of",
                call.name(), call.entry.ports[input].name);
  if (status < 0 || status > ATTN_ERROR_INTERNAL)
    return fail(ATTN_ERROR_INTERNAL, "%s: the %s kernels returned %d",
                call.name(), version.target, status);
  return fail(static_cast<attn_status>(status), "%s: the %s kernels failed: %s",
              call.name(), version.target, attn_status_text(status));
}

int invoke(const attn_context *context, const attn_entry_desc *entry,
           DLTensor *const *tensors) {
  if (!entry)
    return fail(ATTN_ERROR_NULL, "attn_invoke: null entry");
  if (int status = resolveContext(context))
    return status;
  FrameLease frame(*context);
  Call call{*entry, tensors, *frame};
  for (auto check : {checkPorts, resolveExtents, checkStorage, checkAliases})
    if (int status = check(call))
      return status;
  const attn_entry_version *version = selectVersion(*entry);
  if (!version)
    return ATTN_ERROR_TARGET;
  return call.isCuda() ? runCuda(call, *context, *version)
                       : run(call, *context, *version);
}

} // namespace

int attn_invoke(const attn_context *context, const attn_entry_desc *entry,
                DLTensor *const *tensors) {
  return guarded(entry && entry->name ? entry->name : "attn_invoke",
                 [&] { return invoke(context, entry, tensors); });
}
