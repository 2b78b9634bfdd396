//===- SourceDiagnostics.cpp - what passes say, shown in the text ---------===//
#include "compiler/SourceDiagnostics.h"
#include "mlir/IR/Location.h"

using namespace mlir;
using namespace attn;
using text::SourceRange;

SourceDiagnostics::SourceDiagnostics(MLIRContext &context,
                                     const text::SourceManager &sources,
                                     llvm::raw_ostream &os)
    : sources(sources), os(os),
      handler(&context, [this](Diagnostic &d) { render(d); }) {}

/// Offset of a line and column, both counted from 1.
static uint32_t offsetOf(const text::SourceFile &file, unsigned line,
                         unsigned column) {
  StringRef text = file.text();
  size_t at = 0;
  for (unsigned i = 1; i < line && at < text.size(); ++i)
    at = std::min(text.find('\n', at), text.size() - 1) + 1;
  for (unsigned i = 1; i < column && at < text.size(); ++i)
    for (++at; at < text.size() && (uint8_t(text[at]) & 0xC0) == 0x80;)
      ++at;
  return file.base() + static_cast<uint32_t>(at);
}

SourceRange SourceDiagnostics::rangeOf(Location location) const {
  SourceRange range;
  location->walk([&](Location at) {
    auto place = dyn_cast<FileLineColRange>(at);
    const text::SourceFile *file =
        place ? sources.find(place.getFilename()) : nullptr;
    if (!file)
      return WalkResult::advance();
    range.begin = offsetOf(*file, place.getStartLine(), place.getStartColumn());
    range.end = offsetOf(*file, place.getEndLine(), place.getEndColumn());
    return WalkResult::interrupt();
  });
  return range;
}

void SourceDiagnostics::render(Diagnostic &diagnostic) {
  using text::Severity;
  text::Diagnostics list(sources);
  auto severity = diagnostic.getSeverity() == DiagnosticSeverity::Error
                      ? Severity::Error
                  : diagnostic.getSeverity() == DiagnosticSeverity::Warning
                      ? Severity::Warning
                      : Severity::Note;
  text::Diagnostic main{
      severity, rangeOf(diagnostic.getLocation()), diagnostic.str(), {}};
  std::vector<text::Diagnostic> notes;
  for (Diagnostic &note : diagnostic.getNotes()) {
    std::string message = note.str();
    StringRef hint = message;
    // The operation as MLIR prints it says nothing about the text, unless the
    // compiler made a wrong one.
    if (hint.starts_with("see current operation") &&
        !StringRef(main.text).starts_with("'"))
      continue;
    if (hint.consume_front("hint: "))
      (notes.empty() ? main : notes.back()).hint = hint.str();
    else
      notes.push_back(
          {Severity::Note, rangeOf(note.getLocation()), message, {}});
  }
  list.render(os, main);
  for (const text::Diagnostic &note : notes)
    list.render(os, note);
}
