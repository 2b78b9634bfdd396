//===- Status.cpp - failing with a message ---------------------*- C++ -*-===//
// Texts of the statuses and the message of the last failure of each thread.
//===----------------------------------------------------------------------===//
#include "Status.h"

#include <cstdarg>
#include <cstdio>

namespace {

constexpr const char *texts[] = {
    "ok",
    "null argument",
    "wrong number of axes",
    "wrong element type",
    "wrong extent",
    "strides not allowed",
    "misaligned data",
    "wrong device",
    "overlapping tensors",
    "out of memory",
    "no version for this machine",
    "library cannot be loaded",
    "library of another version",
    "argument out of range",
    "internal error",
};
constexpr int numTexts = sizeof(texts) / sizeof(texts[0]);
static_assert(numTexts == ATTN_ERROR_INTERNAL + 1, "a text per status");

thread_local char lastError[1024];

} // namespace

int attn::rt::fail(attn_status status, const char *format, ...) {
  va_list args;
  va_start(args, format);
  std::vsnprintf(lastError, sizeof lastError, format, args);
  va_end(args);
  return status;
}

const char *attn_status_text(int status) {
  return status >= 0 && status < numTexts ? texts[status] : "unknown status";
}

const char *attn_last_error(void) { return lastError; }

const char *attn_runtime_version(void) { return ATTN_RUNTIME_VERSION; }
