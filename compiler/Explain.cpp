//===- Explain.cpp - attnc explain ------------------------------*- C++ -*-===//
// How a program is computed: the cascade, its passes, kernels, tiles, memory
// and cost; as text, JSON or a page.
//===----------------------------------------------------------------------===//
#include "compiler/Backend.h"
#include "compiler/Files.h"
#include "compiler/SourceDiagnostics.h"
#include "compiler/explain/Analyse.h"
#include "compiler/explain/Print.h"

using namespace mlir;
using namespace attn;

/// Ranks on the command line that no cascade of the report has.
static int checkRanks(ModuleOp module, const Options &options) {
  auto isAsked = [&](CascadeOp cascade) {
    return options.entry.empty() || cascade.getSymName() == options.entry;
  };
  auto asked = llvm::filter_to_vector(module.getOps<CascadeOp>(), isAsked);
  if (asked.empty()) // the report says so
    return ExitOk;
  auto check = [&](const char *flag, StringRef rank) -> int {
    for (CascadeOp cascade : asked)
      if (cascade.findRank(rank))
        return ExitOk;
    llvm::errs() << "attnc: " << flag << ": no rank " << rank << "\n";
    return ExitUsage;
  };
  for (auto &[rank, extent] : options.shape)
    if (int code = check("--shape", rank))
      return code;
  for (const std::string &rank : options.sequence)
    if (int code = check("--sequence", rank))
      return code;
  return ExitOk;
}

int attn::explainCommand(const Options &options) {
  if (int code = checkTarget(options.target, /*run=*/false))
    return code;
  std::unique_ptr<Program> program = loadFile(options);
  if (!program)
    return ExitBadInput;
  if (int code = checkRanks(*program->module, options))
    return code;
  SourceDiagnostics handler(*program->context, program->sources, llvm::errs());
  auto reports = explain::analyse(*program, options);
  if (!reports) {
    llvm::errs() << "attnc: " << toString(reports.takeError()) << "\n";
    return ExitBadInput;
  }
  if (options.json)
    explain::printJson(options.file, *reports, llvm::outs());
  else if (options.html.empty())
    explain::printText(*reports, llvm::outs());
  if (options.html.empty())
    return ExitOk;
  bool written = replaceFile(options.html, [&](llvm::raw_ostream &os) {
    explain::printHtml(options.file, *reports, os);
    return true;
  });
  return written ? ExitOk : ExitBadInput;
}
