//===- SyntaxTest.h - helpers of the syntax tests ---------------*- C++ -*-===//
//
// Parse a text to its dump or to its rendered errors.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_TEST_FRONTENDS_TEXT_SYNTAXTEST_H
#define ATTN_TEST_FRONTENDS_TEXT_SYNTAXTEST_H

#include "frontends/text/Formatter.h"
#include "frontends/text/Parser.h"
#include "frontends/text/Prelude.h"
#include "llvm/Support/MemoryBuffer.h"
#include "gtest/gtest.h"
#include <filesystem>
#include <map>

namespace attn::text {

/// One parsed text with all that it needs to stay alive.
struct Parsed {
  SourceManager sources;
  Diagnostics diagnostics{sources};
  Ast ast;

  explicit Parsed(llvm::StringRef text)
      : ast(parse(*sources.add("t.attn", text), diagnostics)) {}

  std::string errors() const { return diagnostics.str(); }
  std::string dump() const {
    std::string out;
    llvm::raw_string_ostream os(out);
    dumpAst(ast, os);
    return out;
  }
};

/// The dump of a text that must parse.
inline std::string dumpOf(llvm::StringRef text) {
  Parsed parsed(text);
  EXPECT_EQ(parsed.errors(), "");
  return parsed.dump();
}

inline std::string errorsOf(llvm::StringRef text) {
  return Parsed(text).errors();
}

/// The dump of one expression.
inline std::string exprOf(llvm::StringRef text) {
  std::string dump = dumpOf(("def f() = " + text).str());
  llvm::StringRef body(dump);
  EXPECT_TRUE(body.consume_front("(def f () ") && body.consume_back(")\n"));
  return body.str();
}

/// The dump of the statements of a cascade.
inline std::string stmtsOf(llvm::StringRef text) {
  std::string dump =
      dumpOf(("cascade f() -> O: f32 {\n" + text + "\n}\n").str());
  llvm::StringRef body(dump);
  EXPECT_TRUE(body.consume_front("(cascade f\n  (out O f32)"));
  EXPECT_TRUE(body.consume_back(")\n"));
  return body.str();
}

inline std::string fileText(llvm::StringRef path) {
  auto buffer = llvm::MemoryBuffer::getFile(ATTN_SOURCE_DIR + path);
  EXPECT_TRUE(bool(buffer)) << path.str();
  return buffer ? (*buffer)->getBuffer().str() : "";
}

/// The first block of code below a heading of the specification.
inline std::string specificationBlock(llvm::StringRef heading) {
  std::string text = fileText("/frontends/text/LANGUAGE.md");
  llvm::StringRef rest = llvm::StringRef(text).split(heading).second;
  return rest.split("```\n").second.split("```").first.str();
}

/// Every program of the project: the examples, the tour, the prelude.
inline std::map<std::string, std::string> programs() {
  std::map<std::string, std::string> found;
  for (const auto &entry : std::filesystem::recursive_directory_iterator(
           ATTN_SOURCE_DIR "/examples"))
    if (entry.path().extension() == ".attn") {
      llvm::StringRef path(entry.path().native());
      path.consume_front(ATTN_SOURCE_DIR);
      found[path.str()] = fileText(path);
    }
  found["tour"] = specificationBlock("## 1. Tour\n");
  found["prelude"] = preludeText().str();
  return found;
}

} // namespace attn::text

#endif // ATTN_TEST_FRONTENDS_TEXT_SYNTAXTEST_H
