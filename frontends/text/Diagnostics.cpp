//===- Diagnostics.cpp - errors, warnings and notes -----------------------===//
//
// Rendering pads the caret line by display width, so that it stands right under
// tabs, wide characters and text that is not UTF-8.
//
//===----------------------------------------------------------------------===//

#include "frontends/text/Diagnostics.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/ConvertUTF.h"
#include "llvm/Support/Unicode.h"

using namespace attn::text;
using llvm::StringRef;
using llvm::Twine;

void Diagnostics::add(Severity severity, SourceRange range, const Twine &text,
                      const Twine &hint) {
  list.push_back({severity, range, text.str(), hint.str()});
}

void Diagnostics::error(SourceRange range, const Twine &text,
                        const Twine &hint) {
  dropping = ++errors > errorLimit;
  if (!dropping)
    add(Severity::Error, range, text, hint);
}

void Diagnostics::warning(SourceRange range, const Twine &text,
                          const Twine &hint) {
  dropping = false;
  add(Severity::Warning, range, text, hint);
}

void Diagnostics::note(SourceRange range, const Twine &text,
                       const Twine &hint) {
  if (!dropping)
    add(Severity::Note, range, text, hint);
}

void Diagnostics::sortFrom(size_t first) {
  // A note has the key of the diagnostic before it.
  std::vector<std::pair<uint32_t, size_t>> keys;
  for (size_t i = first; i < list.size(); ++i) {
    bool follows = list[i].severity == Severity::Note && !keys.empty();
    keys.emplace_back(follows ? keys.back().first : list[i].range.begin, i);
  }
  llvm::sort(keys);
  std::vector<Diagnostic> sorted;
  for (auto [begin, index] : keys)
    sorted.push_back(std::move(list[index]));
  llvm::move(sorted, list.begin() + first);
}

/// Longer lines are cut around the caret; counted in bytes.
static constexpr size_t shownBefore = 120, shownAfter = 120;

/// The character at the front of `text`, never empty unless `text` is.
static StringRef firstCharacter(StringRef text) {
  const auto *begin = reinterpret_cast<const llvm::UTF8 *>(text.begin());
  const auto *end = reinterpret_cast<const llvm::UTF8 *>(text.end());
  if (text.empty() || !llvm::isLegalUTF8Sequence(begin, end))
    return text.take_front(1);
  return text.take_front(llvm::getNumBytesForUTF8(*begin));
}

/// Writes the line and, below it, `^~~~` from `column` to `end` (byte indices).
static void renderLine(llvm::raw_ostream &os, StringRef line, size_t column,
                       size_t end) {
  column = std::min(column, line.size());
  end = std::max(column + 1, std::min(end, line.size()));
  size_t first = column > shownBefore ? column - shownBefore : 0;
  size_t last = std::min(line.size(), column + shownAfter);
  // Cut between characters.
  while (first > 0 && first < column && (uint8_t(line[first]) & 0xC0) == 0x80)
    ++first;
  std::string marks;
  os << "  ";
  if (first > 0) {
    os << "...";
    marks = "   ";
  }
  for (size_t at = first; at < last;) {
    StringRef character = firstCharacter(line.substr(at));
    int width = llvm::sys::unicode::columnWidthUTF8(character);
    bool tab = character == "\t";
    bool printable = tab || width >= 0;
    os << (printable ? character : StringRef("\xEF\xBF\xBD")); // U+FFFD
    size_t columns = printable && !tab ? size_t(width) : 1;
    if (at == column)
      marks += '^' + std::string(columns ? columns - 1 : 0, '~');
    else
      marks.append(columns, at < column ? (tab ? '\t' : ' ')
                            : at < end  ? '~'
                                        : ' ');
    at += character.size();
  }
  if (last <= column)
    marks += '^';
  if (last < line.size())
    os << "...";
  os << "\n  " << StringRef(marks).rtrim(' ') << '\n';
}

void Diagnostics::render(llvm::raw_ostream &os,
                         const Diagnostic &diagnostic) const {
  static constexpr StringRef names[] = {"error", "warning", "note"};
  SourceRange range = diagnostic.range;
  const SourceFile *file = sources.fileOf(range.begin);
  if (file) {
    LineColumn where = sources.lineColumn(range.begin);
    os << file->name() << ':' << where.line << ':' << where.column << ": ";
  }
  os << names[size_t(diagnostic.severity)] << ": " << diagnostic.text << '\n';
  if (file) {
    uint32_t start = 0;
    StringRef line = sources.lineOf(range.begin, &start);
    renderLine(os, line, range.begin - start,
               range.end > start ? range.end - start : 0);
  }
  if (!diagnostic.hint.empty())
    os << "  hint: " << diagnostic.hint << '\n';
}

void Diagnostics::render(llvm::raw_ostream &os) const {
  for (const Diagnostic &diagnostic : list)
    render(os, diagnostic);
  if (limitReached())
    os << "error: stopped after " << errorLimit << " errors\n";
}

std::string Diagnostics::str() const {
  std::string text;
  llvm::raw_string_ostream os(text);
  render(os);
  return text;
}
