//===- Trailer.cpp - the seal at the end of a library file -----*- C++ -*-===//
// Truncation, alteration and another version are told apart before dlopen,
// which would run constructors of whatever it is given.
//===----------------------------------------------------------------------===//
#include "Trailer.h"

#include "Status.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cinttypes>
#include <cstring>
#include <elf.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace attn::rt;

namespace {

static_assert(std::endian::native == std::endian::little,
              "the trailer is read and written as it lies in memory");
static_assert(sizeof(attn_file_trailer) == 32);

constexpr char magic[8] = {'A', 'T', 'T', 'N', 'L', 'I', 'B', '\0'};
constexpr uint64_t trailerSize = sizeof(attn_file_trailer);

class File {
public:
  File(const char *path, int flags) : path(path) {
    descriptor = open(path, flags | O_CLOEXEC);
  }
  ~File() {
    if (descriptor >= 0)
      close(descriptor);
  }
  File(const File &) = delete;
  File &operator=(const File &) = delete;

  /// The system's words on what went wrong.
  int failed(const char *doing) const {
    return fail(ATTN_ERROR_LOAD, "%s: cannot %s: %s", path, doing,
                std::strerror(errno));
  }

  int statSize() {
    struct stat status;
    if (descriptor < 0 || fstat(descriptor, &status) != 0)
      return failed("open");
    if (!S_ISREG(status.st_mode))
      return fail(ATTN_ERROR_LOAD, "%s: not a regular file", path);
    size = static_cast<uint64_t>(status.st_size);
    return ATTN_OK;
  }

  bool read(void *to, uint64_t bytes, uint64_t offset) const {
    char *at = static_cast<char *>(to);
    while (bytes) {
      ssize_t got = pread(descriptor, at, bytes, static_cast<off_t>(offset));
      if (got < 0 && errno == EINTR)
        continue;
      if (got <= 0) {
        errno = got ? errno : EIO; // shrunk meanwhile
        return false;
      }
      at += got, offset += got, bytes -= got;
    }
    return true;
  }

  bool append(const void *from, uint64_t bytes) const {
    const char *at = static_cast<const char *>(from);
    for (uint64_t offset = size; bytes;) {
      ssize_t put = pwrite(descriptor, at, bytes, static_cast<off_t>(offset));
      if (put < 0 && errno == EINTR)
        continue;
      if (put <= 0) {
        int error = errno;
        if (ftruncate(descriptor, static_cast<off_t>(size)) == 0)
          errno = error;
        return false;
      }
      at += put, offset += put, bytes -= put;
    }
    return true;
  }

  /// FNV-1a 64 over the first `bytes`.
  bool hash(uint64_t bytes, uint64_t &result) const {
    unsigned char buffer[1 << 14];
    uint64_t value = 0xcbf29ce484222325u;
    for (uint64_t offset = 0; offset < bytes;) {
      uint64_t chunk = std::min<uint64_t>(sizeof buffer, bytes - offset);
      if (!read(buffer, chunk, offset))
        return false;
      for (uint64_t i = 0; i < chunk; ++i)
        value = (value ^ buffer[i]) * 0x100000001b3u;
      offset += chunk;
    }
    result = value;
    return true;
  }

  const char *path;
  int descriptor;
  uint64_t size = 0;
};

/// A file without trailer: cut off, or never sealed? The ELF header says where
/// its image ends.
int explainMissing(const File &file) {
  Elf64_Ehdr header;
  if (file.size < sizeof header || !file.read(&header, sizeof header, 0) ||
      std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0)
    return fail(ATTN_ERROR_LOAD,
                "%s: not a library written by attnc, or truncated (%" PRIu64
                " bytes)",
                file.path, file.size);
  uint64_t sections = uint64_t(header.e_shnum) * header.e_shentsize;
  if (header.e_shoff > file.size || sections > file.size - header.e_shoff)
    return fail(ATTN_ERROR_LOAD,
                "%s: truncated: %" PRIu64 " bytes are left of the library",
                file.path, file.size);
  return fail(ATTN_ERROR_LOAD,
              "%s: no seal of attnc at its end: truncated, or not a library "
              "written by attnc",
              file.path);
}

bool readTrailer(const File &file, attn_file_trailer &trailer) {
  return file.size >= trailerSize &&
         file.read(&trailer, trailerSize, file.size - trailerSize) &&
         std::memcmp(trailer.magic, magic, sizeof magic) == 0;
}

} // namespace

int attn::rt::verifyTrailer(const char *path) {
  File file(path, O_RDONLY);
  if (int status = file.statSize())
    return status;
  attn_file_trailer trailer;
  if (!readTrailer(file, trailer))
    return explainMissing(file);
  if (trailer.abi_version != ATTN_ABI_VERSION)
    return fail(ATTN_ERROR_VERSION,
                "%s: made for version %u of the runtime interface, this "
                "runtime has %u: compile it again",
                path, trailer.abi_version, ATTN_ABI_VERSION);
  uint64_t image = file.size - trailerSize;
  if (trailer.image_size != image)
    return fail(ATTN_ERROR_LOAD,
                "%s: %s: has %" PRIu64 " bytes, was written with %" PRIu64,
                path, trailer.image_size > image ? "truncated" : "altered",
                image, trailer.image_size);
  uint64_t checksum;
  if (!file.hash(image, checksum))
    return file.failed("read");
  if (trailer.checksum != checksum || trailer.reserved != 0)
    return fail(ATTN_ERROR_LOAD,
                "%s: altered: checksum is %016" PRIx64
                ", was written with %016" PRIx64,
                path, checksum, trailer.checksum);
  return ATTN_OK;
}

int attn::rt::appendTrailer(const char *path) {
  File file(path, O_RDWR);
  if (int status = file.statSize())
    return status;
  attn_file_trailer trailer;
  if (readTrailer(file, trailer))
    return fail(ATTN_ERROR_LOAD, "%s: sealed already", path);
  trailer = {};
  std::memcpy(trailer.magic, magic, sizeof magic);
  trailer.abi_version = ATTN_ABI_VERSION;
  trailer.image_size = file.size;
  if (!file.hash(file.size, trailer.checksum))
    return file.failed("read");
  if (!file.append(&trailer, sizeof trailer))
    return file.failed("write");
  return ATTN_OK;
}
