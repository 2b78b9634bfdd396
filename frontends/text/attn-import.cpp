//===- attn-import.cpp - prints what the front end makes of a file --------===//
//
// attn-import FILE [--const NAME=VALUE].. [--entry CASCADE]
//
//===----------------------------------------------------------------------===//

#include "frontends/text/Import.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/MemoryBuffer.h"

static llvm::cl::opt<std::string> input(llvm::cl::Positional,
                                        llvm::cl::Required);
static llvm::cl::list<std::string> consts("const");
static llvm::cl::opt<std::string> entry("entry");
static llvm::cl::opt<bool> locations("locations");
static llvm::cl::opt<std::string> emitKind("emit", llvm::cl::init("attn"));

int main(int argc, char **argv) {
  llvm::cl::ParseCommandLineOptions(argc, argv, "prints the attn dialect\n");
  auto buffer = llvm::MemoryBuffer::getFileOrSTDIN(input);
  if (!buffer) {
    llvm::errs() << input << ": " << buffer.getError().message() << '\n';
    return 1;
  }
  attn::text::ImportOptions options;
  options.entry = entry;
  for (llvm::StringRef text : consts) {
    auto [name, value] = text.split('=');
    options.consts[name] = value.str();
  }
  mlir::MLIRContext context;
  attn::text::SourceManager sources;
  attn::text::Diagnostics diagnostics(sources);
  auto module = attn::text::importSource(
      context, sources, input, (*buffer)->getBuffer(), options, diagnostics);
  diagnostics.render(llvm::errs());
  if (!module)
    return 1;
  mlir::OpPrintingFlags flags;
  module->print(llvm::outs(), locations ? flags.enableDebugInfo() : flags);
  return 0;
}
