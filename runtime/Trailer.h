//===- Trailer.h - the seal at the end of a library file -------*- C++ -*-===//
// Length, version and checksum behind the ELF image (attn_file_trailer).
//===----------------------------------------------------------------------===//
#ifndef ATTN_RUNTIME_TRAILER_H
#define ATTN_RUNTIME_TRAILER_H

namespace attn::rt {

/// Verifies a file before any of it is mapped as code.
int verifyTrailer(const char *path);

/// Appends the trailer. On failure the file is as it was.
int appendTrailer(const char *path);

} // namespace attn::rt

#endif // ATTN_RUNTIME_TRAILER_H
