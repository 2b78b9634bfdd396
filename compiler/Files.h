//===- Files.h - reading inputs, replacing outputs --------------*- C++ -*-===//
#ifndef ATTN_COMPILER_FILES_H
#define ATTN_COMPILER_FILES_H

#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/raw_ostream.h"

namespace attn {

/// Null after a message on stderr.
std::unique_ptr<llvm::MemoryBuffer> readFile(llvm::StringRef path);

/// Writes a file beside `path` and renames it over `path`, so that a failure
/// leaves the old file as it was; "-" is stdout. `write` returns false to give
/// up. False after a message on stderr.
bool replaceFile(llvm::StringRef path,
                 llvm::function_ref<bool(llvm::raw_ostream &)> write);

} // namespace attn
#endif // ATTN_COMPILER_FILES_H
