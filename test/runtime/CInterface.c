/*===- CInterface.c - the header and the shared library from C99 -*- C -*-===*\
|* A program as a user writes it: loads a library, calls an entry, prints the *|
|* message of a call that fails. Exit code 0 if all went as it should.        *|
\*===----------------------------------------------------------------------===*/
#include "attn/runtime.h"

#include <stdio.h>
#include <string.h>

static int copyFile(const char *from, const char *to) {
  char buffer[4096];
  size_t got;
  FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
  int fine = in && out;
  while (fine && (got = fread(buffer, 1, sizeof buffer, in)) > 0)
    fine = fwrite(buffer, 1, got, out) == got;
  if (in)
    fclose(in);
  return (!out || fclose(out) == 0) && fine;
}

int main(int argc, char **argv) {
  const char *path = argc > 1 ? argv[1] : "attn-unit-runtime-c.so";
  float x[3] = {1, 2, 3}, y[3] = {0, 0, 0};
  int64_t shape[1] = {3}, other[1] = {2};
  DLTensor in = attn_tensor(x, ATTN_DTYPE_FLOAT, 32, 1, shape);
  DLTensor out = attn_tensor(y, ATTN_DTYPE_FLOAT, 32, 1, shape);
  DLTensor *tensors[2];
  attn_library *library;
  const attn_entry_desc *entry;
  attn_context *context = attn_context_create(2);
  int good, bad;
  tensors[0] = &in;
  tensors[1] = &out;

  if (!copyFile(TINY_LIBRARY, path) || attn_library_seal(path) != ATTN_OK ||
      attn_library_open(path, &library) != ATTN_OK) {
    fprintf(stderr, "%s\n", attn_last_error());
    return 1;
  }
  entry = attn_library_find(library, "double_it");
  good = attn_invoke(context, entry, tensors);
  out.shape = other;
  bad = attn_invoke(context, entry, tensors);
  printf("%g %g %g, then: %s\n", y[0], y[1], y[2], attn_last_error());
  attn_library_close(library);
  attn_context_destroy(context);
  remove(path);
  return !(good == ATTN_OK && y[2] == 6 && bad == ATTN_ERROR_SHAPE &&
           strcmp(attn_last_error(),
                  "double_it: rank n has extents 3 and 2: X axis 0, Y axis "
                  "0") == 0);
}
