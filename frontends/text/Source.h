//===- Source.h - source texts and ranges -----------------------*- C++ -*-===//
//
// All texts of one compilation (the prelude and the user's files) share one
// offset space, so that a range alone names its file.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_FRONTENDS_TEXT_SOURCE_H
#define ATTN_FRONTENDS_TEXT_SOURCE_H

#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"
#include <cstdint>
#include <deque>
#include <string>

namespace attn::text {

/// Half-open range of bytes, in the offset space of one SourceManager.
struct SourceRange {
  uint32_t begin = 0;
  uint32_t end = 0;

  bool empty() const { return begin == end; }
  bool operator==(const SourceRange &) const = default;
  /// The smallest range over both.
  SourceRange to(SourceRange last) const { return {begin, last.end}; }
};

/// One text with its name; texts do not move once added.
class SourceFile {
public:
  SourceFile(llvm::StringRef name, llvm::StringRef text, uint32_t base);

  llvm::StringRef name() const { return fileName; }
  llvm::StringRef text() const { return contents; }
  /// Offset of the first byte; `base() + text().size()` is the end of file.
  uint32_t base() const { return baseOffset; }
  bool contains(uint32_t offset) const {
    return offset >= baseOffset && offset - baseOffset <= contents.size();
  }

private:
  friend class SourceManager;
  std::string fileName;
  std::string contents;
  uint32_t baseOffset;
  mutable llvm::SmallVector<uint32_t, 0> lineStarts; ///< filled on demand
};

/// A position as people count: lines and columns from 1, columns in characters.
struct LineColumn {
  unsigned line = 1;
  unsigned column = 1;
};

class SourceManager {
public:
  /// Copies `text`. Returns null when the offset space (2 GiB) is used up.
  const SourceFile *add(llvm::StringRef name, llvm::StringRef text);

  /// The file of that name; null if there is none.
  const SourceFile *find(llvm::StringRef name) const;
  /// The file that holds `offset`; null if there is none.
  const SourceFile *fileOf(uint32_t offset) const;
  LineColumn lineColumn(uint32_t offset) const;
  /// The line that holds `offset`, without its line end, and where it starts.
  llvm::StringRef lineOf(uint32_t offset, uint32_t *start = nullptr) const;
  /// The text of `range`; empty for a range outside every file.
  llvm::StringRef text(SourceRange range) const;

private:
  std::deque<SourceFile> files;
};

} // namespace attn::text

#endif // ATTN_FRONTENDS_TEXT_SOURCE_H
