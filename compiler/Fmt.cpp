//===- Fmt.cpp - attnc fmt --------------------------------------*- C++ -*-===//
#include "compiler/Files.h"
#include "compiler/Options.h"
#include "frontends/text/Formatter.h"

using namespace attn;

int attn::fmtCommand(const Options &options) {
  std::unique_ptr<llvm::MemoryBuffer> buffer = readFile(options.file);
  if (!buffer)
    return ExitBadInput;
  text::SourceManager sources;
  const text::SourceFile *file = sources.add(options.file, buffer->getBuffer());
  if (!file) {
    llvm::errs() << "attnc: " << options.file << " is too large\n";
    return ExitBadInput;
  }
  text::Diagnostics diagnostics(sources);
  std::optional<std::string> formatted = formatSource(*file, diagnostics);
  diagnostics.render(llvm::errs());
  if (!formatted)
    return ExitBadInput;
  bool same = *formatted == buffer->getBuffer();
  if (options.check) {
    if (!same)
      llvm::errs() << "attnc: " << options.file << " is not formatted\n";
    return same ? ExitOk : ExitCheckFailed;
  }
  if (options.inPlace && same)
    return ExitOk;
  bool written =
      replaceFile(options.inPlace ? options.file : "-", [&](auto &os) {
        os << *formatted;
        return true;
      });
  return written ? ExitOk : ExitBadInput;
}
