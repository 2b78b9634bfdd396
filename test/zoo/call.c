/* Calls an entry of a compiled library on raw tensors, for machines that are
 * emulated:
 *   call LIBRARY ENTRY INPUTS PORT...
 * A PORT is CODE:BITS:FILE:AXIS,AXIS.. (dtype code and bits as in DLPack; no
 * axes: a scalar) or `-`, an input left to its default. The first INPUTS are
 * read; the others are outputs, filled with the bytes of their file first, and
 * written back. */
#include "attn/runtime.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { mostPorts = 64, mostAxes = 16 };

struct Port {
  DLTensor tensor;
  int64_t shape[mostAxes];
  char *file;
  size_t bytes;
};

static int fail(const char *what, const char *why) {
  fprintf(stderr, "call: %s: %s\n", what, why);
  return 1;
}

/* The bytes of `port`'s tensor from or to its file. */
static int transfer(struct Port *port, int writes) {
  FILE *file = fopen(port->file, writes ? "wb" : "rb");
  size_t done = 0;
  if (!file)
    return fail(port->file, "cannot be opened");
  if (port->bytes)
    done = writes ? fwrite(port->tensor.data, 1, port->bytes, file)
                  : fread(port->tensor.data, 1, port->bytes, file);
  fclose(file);
  return done == port->bytes ? 0 : fail(port->file, "is of another size");
}

static int parse(char *text, struct Port *port) {
  char *code = strtok(text, ":"), *bits = strtok(NULL, ":");
  char *file = strtok(NULL, ":"), *axes = strtok(NULL, ":");
  int axis = 0;
  size_t count = 1;
  if (!file)
    return fail(text, "is no port");
  for (char *one = axes ? strtok(axes, ",") : NULL; one;
       one = strtok(NULL, ",")) {
    if (axis == mostAxes)
      return fail(text, "has too many axes");
    port->shape[axis] = atoll(one);
    count *= (size_t)port->shape[axis++];
  }
  port->file = file;
  port->bytes = (count * (size_t)atoi(bits) + 7) / 8;
  port->tensor = attn_tensor(malloc(port->bytes + 64), (uint8_t)atoi(code),
                             (uint8_t)atoi(bits), axis, port->shape);
  return transfer(port, 0);
}

int main(int argc, char **argv) {
  static struct Port ports[mostPorts];
  DLTensor *tensors[mostPorts] = {0};
  attn_library *library = NULL;
  const attn_entry_desc *entry;
  int inputs, count = argc - 4;
  if (count < 1 || count > mostPorts)
    return fail("usage", "call LIBRARY ENTRY INPUTS PORT...");
  inputs = atoi(argv[3]);
  if (attn_library_open(argv[1], &library))
    return fail(argv[1], attn_last_error());
  entry = attn_library_find(library, argv[2]);
  if (!entry)
    return fail(argv[2], attn_last_error());
  if (entry->num_ports != count)
    return fail(argv[2], "has another number of ports");
  for (int i = 0; i < count; ++i) {
    if (!strcmp(argv[4 + i], "-"))
      continue;
    if (parse(argv[4 + i], &ports[i]))
      return 1;
    tensors[i] = &ports[i].tensor;
  }
  if (attn_invoke(NULL, entry, tensors))
    return fail(argv[2], attn_last_error());
  for (int i = inputs; i < count; ++i)
    if (transfer(&ports[i], 1))
      return 1;
  attn_library_close(library);
  return 0;
}
