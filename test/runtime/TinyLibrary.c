/*===- TinyLibrary.c - a compiled library by hand ---------------*- C -*-===*\
|* What attnc would write for `double_it(X: f32[n]) -> Y: f32[n]`; loaded by  *|
|* LibraryTest. With TINY_ABI it claims another version; with TINY_BARE it    *|
|* has no tables.                                                             *|
\*===----------------------------------------------------------------------===*/
#include "attn/abi.h"

#ifndef TINY_ABI
#define TINY_ABI ATTN_ABI_VERSION
#endif
#define EXPORT __attribute__((visibility("default")))

#ifdef TINY_BARE
EXPORT int attn_nothing_here;
#else

static int run(const attn_invocation *invocation) {
  const float *x = (const float *)invocation->data[0];
  float *y = (float *)invocation->data[1];
  for (int64_t i = 0; i < invocation->extents[0]; ++i)
    y[i * invocation->strides[1][0]] = 2 * x[i * invocation->strides[0][0]];
  return 0;
}

static const int32_t axes[] = {0};
static const attn_extent_desc extents[] = {{"n", ATTN_EXTENT_AXIS, 0, 0, 0}};
static const attn_port_desc ports[] = {
    {"X", 2, 32, 0, 1, axes, -1, 0},
    {"Y", 2, 32, ATTN_PORT_OUTPUT, 1, axes, -1, 0},
};
static const attn_entry_version versions[] = {{"x86-64", 0, 0, 0, run}};
static const attn_entry_desc entries[] = {
    {"double_it", 1, 2, 1, 0, ports, extents, 0, 1, 0, versions},
#ifdef TINY_MALFORMED
    {"broken", 2, 1, 1, 0, ports, extents, 0, 1, 0, versions},
#endif
};

EXPORT const attn_library_info attn_library = {
    TINY_ABI, sizeof entries / sizeof entries[0], "by hand",
    "{\"entries\": [\"double_it\"]}", entries};

#endif
