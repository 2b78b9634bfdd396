//===- parse-fuzzer.cpp - any bytes through lexer, parser, formatter ------===//
//
// No input may crash, hang or overflow the stack; what parses is formatted to
// a text with the same tree, and formatting it again changes nothing.
//
//   attn-fuzz-parser -max_len=4096 -dict=test/fuzz/attn.dict CORPUS examples
//
//===----------------------------------------------------------------------===//

#include "frontends/text/Formatter.h"
#include "frontends/text/Parser.h"

using namespace attn::text;
using llvm::StringRef;

/// The dump of the tree, or the rendered diagnostics.
static std::string parsed(StringRef text, bool &good) {
  SourceManager sources;
  Diagnostics diagnostics(sources);
  Ast ast = parse(*sources.add("fuzz.attn", text), diagnostics);
  good = !diagnostics.hasErrors();
  std::string out;
  llvm::raw_string_ostream os(out);
  if (good)
    dumpAst(ast, os);
  else
    diagnostics.render(os);
  return out;
}

static std::string formatted(StringRef text) {
  SourceManager sources;
  Diagnostics diagnostics(sources);
  auto out = formatSource(*sources.add("fuzz.attn", text), diagnostics);
  if (!out) {
    diagnostics.render(llvm::errs());
    __builtin_trap();
  }
  return *out;
}

static void require(bool property, StringRef name, StringRef once,
                    StringRef twice) {
  if (property)
    return;
  llvm::errs() << name << "\n--- first\n" << once << "\n--- second\n" << twice;
  __builtin_trap();
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  StringRef text(reinterpret_cast<const char *>(data), size);
  bool good;
  std::string tree = parsed(text, good);
  if (!good)
    return 0;
  std::string once = formatted(text);
  require(parsed(once, good) == tree, "formatting changed the tree", text,
          once);
  std::string twice = formatted(once);
  require(once == twice, "formatting is not idempotent", once, twice);
  return 0;
}
