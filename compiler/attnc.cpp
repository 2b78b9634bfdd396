//===- attnc.cpp - the compiler's command line ------------------*- C++ -*-===//
#include "compiler/Options.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/InitLLVM.h"

using namespace attn;

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  std::optional<Options> options = parseOptions(argc, argv);
  if (!options)
    return ExitUsage;
  auto command = llvm::StringSwitch<int (*)(const Options &)>(options->command)
                     .Case("explain", explainCommand)
                     .Case("fmt", fmtCommand)
                     .Case("interpret", interpretCommand)
                     .Case("run", runCommand)
                     .Case("zoo", zooCommand)
                     .Default(compileCommand);
  return command(*options);
}
