//===- Diagnostics.h - errors, warnings and notes ---------------*- C++ -*-===//
//
// Collects the diagnostics of one compilation and renders them as
//
//   file.attn:3:14: error: expected `(` after sum[d]
//     S[b,h,m,n] = sum[d] Q * K
//                  ^~~~~~
//     hint: sum[d](..)
//
// Lexer, parser and semantic analysis all report here.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_FRONTENDS_TEXT_DIAGNOSTICS_H
#define ATTN_FRONTENDS_TEXT_DIAGNOSTICS_H

#include "frontends/text/Source.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/raw_ostream.h"
#include <vector>

namespace attn::text {

enum class Severity { Error, Warning, Note };

struct Diagnostic {
  Severity severity;
  SourceRange range; ///< the caret is at `range.begin`
  std::string text;
  std::string hint; ///< empty: none
};

class Diagnostics {
public:
  /// Errors beyond this number are counted, not kept.
  static constexpr unsigned errorLimit = 20;

  explicit Diagnostics(const SourceManager &sources) : sources(sources) {}

  void error(SourceRange range, const llvm::Twine &text,
             const llvm::Twine &hint = "");
  void warning(SourceRange range, const llvm::Twine &text,
               const llvm::Twine &hint = "");
  /// A note explains the diagnostic reported just before it, and is dropped
  /// together with it.
  void note(SourceRange range, const llvm::Twine &text,
            const llvm::Twine &hint = "");

  /// Orders the diagnostics from index `first` on by their place in the text;
  /// notes stay behind what they explain.
  void sortFrom(size_t first);

  bool hasErrors() const { return errors != 0; }
  unsigned errorCount() const { return errors; }
  /// True once further errors are dropped: a good moment to stop looking.
  bool limitReached() const { return errors >= errorLimit; }

  llvm::ArrayRef<Diagnostic> all() const { return list; }
  const SourceManager &sourceManager() const { return sources; }

  /// All diagnostics in order of report.
  void render(llvm::raw_ostream &os) const;
  void render(llvm::raw_ostream &os, const Diagnostic &diagnostic) const;
  std::string str() const;

private:
  void add(Severity severity, SourceRange range, const llvm::Twine &text,
           const llvm::Twine &hint);

  const SourceManager &sources;
  std::vector<Diagnostic> list;
  unsigned errors = 0;
  bool dropping = false; ///< the latest error was over the limit
};

} // namespace attn::text

#endif // ATTN_FRONTENDS_TEXT_DIAGNOSTICS_H
