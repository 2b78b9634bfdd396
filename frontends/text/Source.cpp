//===- Source.cpp - source texts and ranges -------------------------------===//
//
// Offsets to files, lines and columns.
//
//===----------------------------------------------------------------------===//

#include "frontends/text/Source.h"
#include "llvm/ADT/STLExtras.h"

using namespace attn::text;
using llvm::StringRef;

static constexpr uint64_t offsetSpace = uint64_t(1) << 31;

SourceFile::SourceFile(StringRef name, StringRef text, uint32_t base)
    : fileName(name), contents(text), baseOffset(base) {}

const SourceFile *SourceManager::add(StringRef name, StringRef text) {
  // Offset 0 belongs to no file: an empty range there means "nowhere". One
  // byte between files keeps an end of file apart from the next beginning.
  uint64_t base =
      files.empty() ? 1 : files.back().base() + files.back().text().size() + 1;
  if (base + text.size() >= offsetSpace)
    return nullptr;
  return &files.emplace_back(name, text, uint32_t(base));
}

const SourceFile *SourceManager::find(StringRef name) const {
  for (const SourceFile &file : files)
    if (file.name() == name)
      return &file;
  return nullptr;
}

const SourceFile *SourceManager::fileOf(uint32_t offset) const {
  for (const SourceFile &file : files)
    if (file.contains(offset))
      return &file;
  return nullptr;
}

StringRef SourceManager::lineOf(uint32_t offset, uint32_t *start) const {
  const SourceFile *file = fileOf(offset);
  if (!file)
    return {};
  size_t at = offset - file->base();
  size_t begin = file->text().rfind('\n', at);
  // rfind finds the line end at `at` itself, which still ends this line.
  if (begin == at)
    begin = at == 0 ? StringRef::npos : file->text().rfind('\n', at - 1);
  begin = begin == StringRef::npos ? 0 : begin + 1;
  StringRef line = file->text().slice(begin, file->text().find('\n', at));
  line.consume_back("\r");
  if (start)
    *start = file->base() + uint32_t(begin);
  return line;
}

LineColumn SourceManager::lineColumn(uint32_t offset) const {
  const SourceFile *file = fileOf(offset);
  if (!file)
    return {};
  if (file->lineStarts.empty()) {
    file->lineStarts.push_back(0);
    for (auto [at, c] : llvm::enumerate(file->text()))
      if (c == '\n')
        file->lineStarts.push_back(uint32_t(at) + 1);
  }
  uint32_t at = offset - file->base();
  const uint32_t *next = llvm::upper_bound(file->lineStarts, at);
  StringRef before = file->text().slice(*(next - 1), at);
  // A character is counted at its first byte, a UTF-8 continuation is not one.
  size_t column = 1 + llvm::count_if(before, [](char c) {
                    return (uint8_t(c) & 0xC0) != 0x80;
                  });
  return {unsigned(next - file->lineStarts.begin()), unsigned(column)};
}

StringRef SourceManager::text(SourceRange range) const {
  const SourceFile *file = fileOf(range.begin);
  if (!file || range.end < range.begin)
    return {};
  return file->text().substr(range.begin - file->base(),
                             range.end - range.begin);
}
