//===- Library.cpp - loading compiled libraries ----------------*- C++ -*-===//
// The seal is verified first, then the library is mapped and its tables are
// looked through once, so that calls may trust them.
//===----------------------------------------------------------------------===//
#include "Status.h"
#include "Trailer.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <memory>
#include <string>

using namespace attn::rt;

struct attn_library {
  void *handle;
  const attn_library_info *info;
};

namespace {

struct CloseHandle {
  void operator()(void *handle) const { dlclose(handle); }
};
struct Free {
  void operator()(char *text) const { std::free(text); }
};

bool soundPort(const attn_entry_desc &entry, int32_t index) {
  const attn_port_desc &port = entry.ports[index];
  bool output = port.flags & ATTN_PORT_OUTPUT;
  if (!port.name || port.ndim < 0 || (port.ndim && !port.axes) ||
      output != (index >= entry.num_inputs) || port.into >= entry.num_inputs ||
      port.dtype_bits == 0)
    return false;
  for (int32_t axis = 0; axis < port.ndim; ++axis)
    if (port.axes[axis] < 0 || port.axes[axis] >= entry.num_extents)
      return false;
  return true;
}

bool soundEntry(const attn_entry_desc &entry) {
  auto counted = [](int32_t count, const void *table) {
    return count == 0 || (count > 0 && table);
  };
  if (!entry.name || entry.num_inputs < 0 ||
      entry.num_inputs > entry.num_ports ||
      !counted(entry.num_ports, entry.ports) ||
      !counted(entry.num_extents, entry.extents) ||
      !counted(entry.num_checks, entry.checks) ||
      !counted(entry.num_versions, entry.versions))
    return false;
  for (int32_t i = 0; i < entry.num_ports; ++i)
    if (!soundPort(entry, i))
      return false;
  for (int32_t i = 0; i < entry.num_extents; ++i)
    if (!entry.extents[i].name ||
        !counted(entry.extents[i].program_len, entry.extents[i].program))
      return false;
  auto isExtent = [&](int32_t i) { return i >= 0 && i < entry.num_extents; };
  for (int32_t i = 0; i < entry.num_checks; ++i)
    if (!isExtent(entry.checks[i].left) || !isExtent(entry.checks[i].right))
      return false;
  for (int32_t i = 0; i < entry.num_versions; ++i)
    if (!entry.versions[i].target || !entry.versions[i].run)
      return false;
  return true;
}

int checkInfo(const char *path, const attn_library_info *info) {
  if (!info)
    return fail(ATTN_ERROR_LOAD, "%s: has no symbol attn_library", path);
  if (info->abi_version != ATTN_ABI_VERSION)
    return fail(ATTN_ERROR_VERSION,
                "%s: its tables are of version %u, this runtime has %u: "
                "compile it again",
                path, info->abi_version, ATTN_ABI_VERSION);
  if (info->num_entries && !info->entries)
    return fail(ATTN_ERROR_LOAD, "%s: has no table of entries", path);
  for (uint32_t i = 0; i < info->num_entries; ++i)
    if (!soundEntry(info->entries[i]))
      return fail(ATTN_ERROR_LOAD, "%s: table of entry %u is malformed", path,
                  i);
  return ATTN_OK;
}

int openLibrary(const char *path, attn_library **library) {
  if (!library)
    return fail(ATTN_ERROR_NULL, "attn_library_open: null result pointer");
  *library = nullptr;
  if (!path)
    return fail(ATTN_ERROR_NULL, "attn_library_open: null path");
  if (int status = verifyTrailer(path))
    return status;
  // A plain name would make dlopen search the system's folders.
  std::unique_ptr<char, Free> absolute(realpath(path, nullptr));
  if (!absolute)
    return fail(ATTN_ERROR_LOAD, "%s: cannot open: %s", path,
                std::strerror(errno));
  std::unique_ptr<void, CloseHandle> handle(
      dlopen(absolute.get(), RTLD_NOW | RTLD_LOCAL));
  if (!handle) {
    const char *text = dlerror();
    return fail(ATTN_ERROR_LOAD, "%s: %s", path, text ? text : "not loadable");
  }
  auto *info = static_cast<const attn_library_info *>(
      dlsym(handle.get(), "attn_library"));
  if (int status = checkInfo(path, info))
    return status;
  *library = new attn_library{handle.get(), info};
  handle.release();
  return ATTN_OK;
}

const attn_entry_desc *findEntry(const attn_library_info &info,
                                 const char *name) {
  std::string list;
  for (uint32_t i = 0; i < info.num_entries; ++i) {
    const attn_entry_desc &entry = info.entries[i];
    if (!std::strcmp(entry.name, name))
      return &entry;
    list.append(i ? ", " : "").append(entry.name);
  }
  fail(ATTN_ERROR_ARGUMENT, "no entry %s in the library; it has: %s", name,
       list.c_str());
  return nullptr;
}

} // namespace

int attn_library_open(const char *path, attn_library **library) {
  return guarded("attn_library_open",
                 [&] { return openLibrary(path, library); });
}

void attn_library_close(attn_library *library) {
  if (!library)
    return;
  dlclose(library->handle);
  delete library;
}

const attn_library_info *attn_library_get_info(const attn_library *library) {
  return library ? library->info : nullptr;
}

const char *attn_library_manifest(const attn_library *library) {
  return library ? library->info->manifest : nullptr;
}

const attn_entry_desc *attn_library_find(const attn_library *library,
                                         const char *name) {
  const attn_entry_desc *entry = nullptr;
  guarded("attn_library_find", [&]() -> int {
    if (!library || !name)
      return fail(ATTN_ERROR_NULL, "attn_library_find: null argument");
    entry = findEntry(*library->info, name);
    return ATTN_OK;
  });
  return entry;
}

int attn_library_seal(const char *path) {
  return guarded("attn_library_seal", [&]() -> int {
    if (!path)
      return fail(ATTN_ERROR_NULL, "attn_library_seal: null path");
    return appendTrailer(path);
  });
}
