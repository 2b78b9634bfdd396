/*===- attn/runtime.h - run compiled attention libraries ---------*- C -*-===*\
|* The public C interface of libattn_runtime: contexts (threads and reused    *|
|* memory), the call of a compiled entry with DLPack tensors, the loader of   *|
|* compiled libraries, and CPU detection. C99 and C++; depends on DLPack's    *|
|* header alone. No function aborts, throws, prints, or keeps a pointer to a  *|
|* tensor after it returned. All functions may be called from any thread.     *|
\*===----------------------------------------------------------------------===*/
#ifndef ATTN_RUNTIME_H
#define ATTN_RUNTIME_H

#include "attn/abi.h"

#include <dlpack/dlpack.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Status -------------------------------------------------------------- */

/* What went wrong. The numbers are part of the interface. */
typedef enum attn_status {
  ATTN_OK = 0,
  ATTN_ERROR_NULL = 1,      /* a null tensor, shape, data or other argument */
  ATTN_ERROR_RANK = 2,      /* number of axes */
  ATTN_ERROR_DTYPE = 3,     /* element type */
  ATTN_ERROR_SHAPE = 4,     /* an extent: negative, or against another one */
  ATTN_ERROR_STRIDES = 5,   /* strides an output or an i4 tensor cannot have */
  ATTN_ERROR_ALIGNMENT = 6, /* data + byte_offset against the element size */
  ATTN_ERROR_DEVICE = 7,    /* tensor is in the memory of another device */
  ATTN_ERROR_ALIAS = 8,     /* an output overlaps another tensor */
  ATTN_ERROR_MEMORY = 9,    /* workspace or context could not be allocated */
  ATTN_ERROR_TARGET = 10,   /* no version of the code for this machine */
  ATTN_ERROR_LOAD = 11,     /* file missing, truncated, altered, no library */
  ATTN_ERROR_VERSION = 12,  /* made for another version of the runtime */
  ATTN_ERROR_ARGUMENT = 13, /* any other argument out of range */
  ATTN_ERROR_INTERNAL = 14  /* a defect of the compiler or of the runtime */
} attn_status;

/* A few fixed words on a status ("wrong number of axes"). Never null, also
 * not for a number that is no status. */
ATTN_API const char *attn_status_text(int status);

/* The full message of the last call that failed on this thread, naming entry,
 * port and axis, e.g. "attend: rank n has extents 128 and 256: K axis 2, V
 * axis 2". Empty if none failed yet. Valid until the next failure on this
 * thread; a call that succeeds leaves it as it was. */
ATTN_API const char *attn_last_error(void);

/* ---- Tensors -------------------------------------------------------------
 * Tensors are DLPack's DLTensor, lanes 1, in CPU memory (device_type 1), or in
 * that of one GPU (device_type 2) for entries compiled for GPUs, where scalars
 * may be in either:
 *   shape       extents, in elements, ndim of them; 0 is an ordinary extent
 *   strides     in elements; NULL means compact and row major
 *   data, byte_offset   data + byte_offset is the element with all indices 0,
 *               aligned to the element size (not to 256 bytes); data may be
 *               NULL when an extent is 0
 * bool takes a byte an element (bits 8). i4 takes half a byte, the even index
 * in the low half, with an innermost stride of 1. The codes below are those of
 * DLPack 1.1; older headers lack the last ones. */
enum {
  ATTN_DTYPE_INT = 0,
  ATTN_DTYPE_UINT = 1,
  ATTN_DTYPE_FLOAT = 2,
  ATTN_DTYPE_BFLOAT = 4,
  ATTN_DTYPE_BOOL = 6,
  ATTN_DTYPE_FLOAT8_E4M3FN = 10,
  ATTN_DTYPE_FLOAT8_E5M2 = 12
};

/* A compact row-major CPU tensor over the caller's memory. `shape` must live
 * as long as the tensor is used. Example: an f32 [2, 3]:
 *   int64_t shape[2] = {2, 3};
 *   DLTensor t = attn_tensor(data, ATTN_DTYPE_FLOAT, 32, 2, shape); */
static inline DLTensor attn_tensor(void *data, int dtype_code, int dtype_bits,
                                   int ndim, int64_t *shape) {
  DLTensor t;
  t.data = data;
  t.device.device_type = kDLCPU;
  t.device.device_id = 0;
  t.ndim = ndim;
  t.dtype.code = (uint8_t)dtype_code;
  t.dtype.bits = (uint8_t)dtype_bits;
  t.dtype.lanes = 1;
  t.shape = shape;
  t.strides = 0;
  t.byte_offset = 0;
  return t;
}

/* ---- Contexts ------------------------------------------------------------
 * A context holds a number of threads and the working memory of finished
 * calls, for reuse. Several threads may use one context at the same time.
 * Wherever a context is taken, NULL is the default one of the process, made on
 * first use with a thread for each CPU the process may run on; a call that
 * cannot make it fails as attn_context_create does.
 *
 * Threads are those of oneTBB, shared with the rest of the process, where the
 * runtime was built with it; else, or where the environment variable ATTN_POOL
 * is "own" when a context is made, a context has threads of its own. These are
 * kept off the CPU of the one that wakes them: some schedulers (Linux with
 * sched_vcpu_pack) let a woken thread wait there for milliseconds. */

/* `threads` counts the calling one; 0 means one for each CPU. NULL on failure
 * (ATTN_ERROR_ARGUMENT: negative or above 4096, or ATTN_POOL names no pool;
 * ATTN_ERROR_MEMORY). */
ATTN_API attn_context *attn_context_create(int threads);

/* No call may be running in it. NULL does nothing. */
ATTN_API void attn_context_destroy(attn_context *context);

/* Threads of a context, or 0 if the default one cannot be made. */
ATTN_API int attn_context_threads(const attn_context *context);

/* The CUDA stream (a CUstream or cudaStream_t) on which entries compiled for
 * GPUs run from now on; NULL, as at first, is the default stream. Such calls
 * return when the work is in the stream, not when it is done. Errors:
 * ATTN_ERROR_NULL. */
ATTN_API int attn_context_set_stream(attn_context *context, void *stream);

/* ---- Calls --------------------------------------------------------------- */

/* Runs an entry. `tensors` has entry->num_ports pointers, inputs then outputs,
 * in the order of the signature; the pointer of a scalar with a default may be
 * NULL. Compiled entries `NAME(context, in..., out...)` are this call.
 *
 * Checked before anything runs, port by port: null pointers, device, rank,
 * dtype, extents; then that extents agree with each other, strides and
 * alignment, and that no output overlaps an input or an output. The exception
 * is an output declared `into` an input: it may be exactly that tensor (same
 * address, extents and strides). Inputs may have any strides, 0 and negative
 * ones included, and may overlap each other; an output must have a place of
 * its own for each element. Extents of 0 give empty results, or identities of
 * reductions over nothing.
 *
 * The best version for this machine runs, or the one that the environment
 * variable ATTN_TARGET names (ATTN_ERROR_TARGET if that is impossible).
 *
 * Returns an attn_status. After a failed check nothing was written. */
ATTN_API int attn_invoke(const attn_context *context,
                         const attn_entry_desc *entry,
                         DLTensor *const *tensors);

/* ---- Libraries ----------------------------------------------------------- */

typedef struct attn_library attn_library;

/* Loads a library written by `attnc -o`. Its length, checksum and version are
 * verified before any of its code is mapped. On failure *library is NULL.
 * Errors: ATTN_ERROR_NULL, _LOAD, _VERSION, _MEMORY. Every library that was
 * opened is to be closed. */
ATTN_API int attn_library_open(const char *path, attn_library **library);

/* Unloads it; entries found in it are gone. NULL does nothing. */
ATTN_API void attn_library_close(attn_library *library);

/* The tables of the library; NULL for NULL. Owned by the library. */
ATTN_API const attn_library_info *
attn_library_get_info(const attn_library *library);

/* Its manifest: JSON text, signatures, dynamic extents, targets, compiler
 * version. NULL for NULL. Owned by the library. */
ATTN_API const char *attn_library_manifest(const attn_library *library);

/* The entry of that name, or NULL (attn_last_error lists those there are). */
ATTN_API const attn_entry_desc *attn_library_find(const attn_library *library,
                                                  const char *name);

/* Appends length, version and checksum to a linked library, which makes it
 * loadable. Used by the compiler, once per file. Errors: ATTN_ERROR_NULL,
 * _LOAD (cannot be read or written, sealed already). */
ATTN_API int attn_library_seal(const char *path);

/* ---- Machine ------------------------------------------------------------- */

/* 1 if this CPU and its operating system run code of that name, else 0. Names
 * of targets: x86-64, x86-64-v2, x86-64-v3, x86-64-v4, avx512fp16, amx,
 * aarch64; also names of single features as LLVM writes them (avx512bf16,
 * amx-tile, ...). An unknown name gives 0. */
ATTN_API int attn_cpu_supports(const char *name);

/* The best target of that list. Never null; "generic" on other machines. */
ATTN_API const char *attn_cpu_target(void);

/* ---- NVIDIA GPUs ---------------------------------------------------------
 * The driver is loaded on first use, by name (or from the path that the
 * environment variable ATTN_CUDA_DRIVER names). */

/* Number of GPUs; 0 (attn_last_error says why) without a driver or a GPU. */
ATTN_API int attn_cuda_devices(void);

/* Architecture of a GPU: "sm_80", "sm_90a", ... NULL if there is none. */
ATTN_API const char *attn_cuda_target(int device);

/* Memory of a GPU, and copies that are done when the call returns; `source`
 * and `destination` are on the host or on `device`. Waits for all work of the
 * GPU. Errors: ATTN_ERROR_NULL, _TARGET, _MEMORY, _DEVICE. */
ATTN_API int attn_cuda_alloc(int device, size_t bytes, void **memory);
ATTN_API int attn_cuda_free(int device, void *memory);
ATTN_API int attn_cuda_copy(int device, void *destination, const void *source,
                            size_t bytes);
ATTN_API int attn_cuda_synchronize(int device);

/* Version of this library, e.g. "0.1.0"; its ABI is ATTN_ABI_VERSION. */
ATTN_API const char *attn_runtime_version(void);

#ifdef __cplusplus
}
#endif
#endif /* ATTN_RUNTIME_H */
