//===- Status.h - failing with a message -----------------------*- C++ -*-===//
// The message of a failure lives in a fixed buffer of the thread, so that
// failing never allocates and never throws. guarded() is the boundary of the
// C interface: what is thrown inside becomes a status.
//===----------------------------------------------------------------------===//
#ifndef ATTN_RUNTIME_STATUS_H
#define ATTN_RUNTIME_STATUS_H

#include "attn/runtime.h"

#include <exception>
#include <new>

namespace attn::rt {

/// Stores the message for attn_last_error and returns `status`.
[[gnu::format(printf, 2, 3)]] int fail(attn_status status, const char *format,
                                       ...);

template <typename Body> int guarded(const char *what, Body &&body) noexcept {
  try {
    return body();
  } catch (const std::bad_alloc &) {
    return fail(ATTN_ERROR_MEMORY, "%s: out of memory", what);
  } catch (const std::exception &error) {
    return fail(ATTN_ERROR_INTERNAL, "%s: %s", what, error.what());
  } catch (...) {
    return fail(ATTN_ERROR_INTERNAL, "%s: unknown exception", what);
  }
}

} // namespace attn::rt

#endif // ATTN_RUNTIME_STATUS_H
