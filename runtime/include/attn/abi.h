/*===- attn/abi.h - contract between compiled code and the runtime -*- C
-*-===*\
|* A compiled library exports one `attn_library_info attn_library` and, per *|
|* entry, `int NAME(const attn_context *, const DLTensor *in..., DLTensor *|
|* *out...)`, which only packs its arguments and calls `attn_invoke`. All *|
|* checking lives in the runtime, driven by the tables below; compiled code is
*|
|* computation alone. Users include attn/runtime.h, never this file. *|
\*===----------------------------------------------------------------------===*/
#ifndef ATTN_ABI_H
#define ATTN_ABI_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ATTN_ABI_VERSION 1u

#if defined(_WIN32)
#define ATTN_API
#else
#define ATTN_API __attribute__((visibility("default")))
#endif

typedef struct attn_context attn_context;

/* How an extent is known. Extents are numbered; each rank of the entry has a
 * number, and so have stored axes that are no rank (pages, packed rows). */
typedef enum attn_extent_kind {
  ATTN_EXTENT_STATIC = 0, /* `value` */
  ATTN_EXTENT_AXIS = 1,   /* from the first port axis that names it */
  ATTN_EXTENT_DERIVED = 2 /* from `program`; axes that name it must agree */
} attn_extent_kind;

/* Postfix programs over extents: each instruction is (opcode, operand). A
 * negative final result means 0; division by 0 gives 0. */
typedef enum attn_extent_op {
  ATTN_EXT_CONST = 0, /* push operand */
  ATTN_EXT_LOAD = 1,  /* push extent number `operand` */
  ATTN_EXT_ADD = 2,
  ATTN_EXT_MUL = 3,
  ATTN_EXT_FLOORDIV = 4,
  ATTN_EXT_CEILDIV = 5,
  ATTN_EXT_MOD = 6,
  ATTN_EXT_MIN = 7,
  ATTN_EXT_MAX = 8
} attn_extent_op;

typedef struct attn_extent_desc {
  const char *name;
  int32_t kind;        /* attn_extent_kind */
  int32_t program_len; /* in int64 words: two an instruction */
  int64_t value;
  const int64_t *program;
} attn_extent_desc;

/* `left` and `right` must agree at entry: == or <= (a product's whole given
 * with all of its parts). The text is the message when they do not. */
typedef struct attn_extent_check {
  int32_t left, right; /* extent numbers */
  int32_t at_most;     /* 0: left == right, 1: left <= right */
  const char *text;
} attn_extent_check;

typedef enum attn_port_flags {
  ATTN_PORT_OUTPUT = 1,
  ATTN_PORT_OPTIONAL = 2 /* a scalar with a default: a null pointer means the
                            default, kept in attn_port_desc.default_value */
} attn_port_flags;

/* dtype codes are DLPack's: 0 int, 1 uint, 2 float, 4 bfloat, 6 bool,
 * 10 float8_e4m3fn, 12 float8_e5m2; i4 is code 0 with 4 bits. */
typedef struct attn_port_desc {
  const char *name;
  uint8_t dtype_code, dtype_bits;
  uint16_t flags;
  int32_t ndim;
  const int32_t *axes; /* extent number of each stored axis */
  int32_t into;        /* output: input port it may share storage with, or -1 */
  double default_value;
} attn_port_desc;

typedef struct attn_invocation attn_invocation;

/* Work items [begin, end) of one kernel; `worker` < attn_invocation.workers. */
typedef void (*attn_kernel_body)(const attn_invocation *, int64_t begin,
                                 int64_t end, int64_t worker);

struct attn_invocation {
  void *const *data;             /* per port, byte_offset applied */
  const int64_t *const *strides; /* per port, per axis, in elements */
  const int64_t *extents;        /* per extent */
  unsigned char *workspace;      /* shared, 64-byte aligned */
  unsigned char *const *scratch; /* per worker, 64-byte aligned */
  int64_t workers;
  /* Runs `body` over [0, items), each item once, and returns when all are
   * done. Items are handed out in ascending order, one `grain` at a time. */
  void (*parallel_for)(const attn_invocation *, int64_t items, int64_t grain,
                       attn_kernel_body body);
  const attn_context *context;
};

typedef enum attn_entry_flags {
  ATTN_ENTRY_FLUSH_DENORMALS = 1, /* set FTZ and DAZ around the kernels */
  ATTN_ENTRY_USES_AMX = 2,
  ATTN_ENTRY_CUDA = 4 /* tensors are in the memory of a GPU; see below */
} attn_entry_flags;

enum { ATTN_RUN_BAD_INDEX = 256 };

/* One ISA version of an entry. Versions are listed best first; the loader
 * takes the first that the machine (or ATTN_TARGET) allows. */
typedef struct attn_entry_version {
  const char *target; /* "x86-64", "x86-64-v3", "x86-64-v4", "amx", ... */
  uint32_t flags;
  uint32_t slots; /* ATTN_ENTRY_CUDA: words that `run` writes, see below */
  /* Bytes needed: out[0] = shared workspace, out[1] = scratch per worker. A
   * size beyond 64 bits is INT64_MAX, never a wrapped number. */
  void (*workspace)(const int64_t *extents, int64_t out[2]);
  /* 0, an attn_status, or ATTN_RUN_BAD_INDEX + the number of an input whose
   * entries are indices, one of them beyond what is stored. */
  int (*run)(const attn_invocation *);
} attn_entry_version;

typedef struct attn_entry_desc {
  const char *name;
  int32_t num_inputs, num_ports; /* ports: inputs, then outputs */
  int32_t num_extents, num_checks;
  const attn_port_desc *ports;
  const attn_extent_desc *extents;
  const attn_extent_check *checks;
  int32_t num_versions, reserved;
  const attn_entry_version *versions;
} attn_entry_desc;

/* ---- NVIDIA GPUs ----------------------------------------------------------
 * In a version with ATTN_ENTRY_CUDA `run` is code for the host. Its invocation
 * has `workspace` point to the last `slots` words of the parameters below, and
 * its `parallel_for` launches a kernel on the stream of the context: `body`
 * points to an attn_cuda_kernel, `grain` is not used. A kernel takes a block of
 * parameters by value, in 8-byte words, then the number of items, then its
 * tensor maps:
 *   0 workspace, 1 scratch memory, 2 scratch bytes a worker, 3 workers,
 *   4 the address of an int32_t that counts items taken: 0 before and after,
 *   then, in this order: the address of each port (0: the value that follows
 *   is the scalar), the value of each scalar port, strides of all ports' axes,
 *   all extents, `slots` words for `run`. */
enum { ATTN_CUDA_HEADER_WORDS = 5, ATTN_CUDA_MAX_DEVICES = 16 };

/* Machine code, or PTX text ended by a zero, for one architecture. */
typedef struct attn_cuda_image {
  const char *target; /* "sm_90a" */
  const void *data;
  uint64_t size;
  int32_t is_ptx, reserved;
} attn_cuda_image;

typedef struct attn_cuda_program {
  const attn_cuda_image *images; /* best first */
  int64_t num_images;
  void *state[ATTN_CUDA_MAX_DEVICES]; /* of the runtime, zero at first */
} attn_cuda_program;

/* A box of a port's tensor that the copy engine moves to or from shared memory,
 * in rows of 128 bytes whose 16-byte pieces are permuted. Axes are listed from
 * the last one, which is contiguous; a box has 1 point along those not set. A
 * box without any asks only that rows begin at multiples of 16 bytes. */
typedef struct attn_cuda_map {
  int32_t port;
  int32_t box[5]; /* elements, from the last axis */
} attn_cuda_map;

typedef enum attn_cuda_flags {
  ATTN_CUDA_ITEM_A_BLOCK = 1, /* else items are spread over threads */
  ATTN_CUDA_TICKETS = 2,      /* a block a multiprocessor; they take items */
  ATTN_CUDA_SCRATCH = 4,      /* uses scratch memory */
  ATTN_CUDA_WAITS = 8         /* waits itself for the kernel before it */
} attn_cuda_flags;

typedef struct attn_cuda_kernel {
  const char *name;
  attn_cuda_program *program;
  int32_t threads;      /* of a block */
  int32_t flags;        /* attn_cuda_flags */
  int32_t words;        /* of parameters */
  int32_t shared_bytes; /* dynamic shared memory */
  const attn_cuda_map *maps;
  int64_t num_maps;
  /* Runs instead where a tensor's memory has no map: its address or a stride
   * is no multiple of 16 bytes, or its last axis is not contiguous. */
  struct attn_cuda_kernel *fallback;
  void *state[ATTN_CUDA_MAX_DEVICES]; /* of the runtime, zero at first */
} attn_cuda_kernel;

typedef struct attn_library_info {
  uint32_t abi_version;
  uint32_t num_entries;
  const char *compiler_version;
  const char *manifest; /* JSON text */
  const attn_entry_desc *entries;
} attn_library_info;

/* A library file ends with this trailer (little endian), outside the ELF
 * image: the loader checks it before dlopen. `checksum` is FNV-1a 64 over all
 * bytes before the trailer. */
typedef struct attn_file_trailer {
  char magic[8]; /* "ATTNLIB\0" */
  uint32_t abi_version;
  uint32_t reserved;
  uint64_t image_size; /* bytes before the trailer */
  uint64_t checksum;
} attn_file_trailer;

/* Sorts index[0, count) stably by the keys of their positions: position i has
 * keys[i * num_keys + k], compared lexicographically, ascending. `spare` has
 * room for 2 * count. For compiled selections. */
ATTN_API void attn_sort_keys(const uint64_t *keys, int64_t num_keys,
                             int64_t count, int32_t *index, int32_t *spare);

#ifdef __cplusplus
}
#endif
#endif /* ATTN_ABI_H */
