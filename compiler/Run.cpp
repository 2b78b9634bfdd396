//===- Run.cpp - attnc run --------------------------------------*- C++ -*-===//
#include "compiler/Arguments.h"
#include "compiler/Backend.h"
#include "compiler/Execute.h"
#include "compiler/Oracle.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace attn;

namespace {

int complain(ExitCode code, llvm::Error error) {
  llvm::errs() << "attnc: " << toString(std::move(error)) << "\n";
  return code;
}

/// Compares with the interpreter by the oracle rule.
int checkOutputs(CascadeOp cascade, const Arguments &arguments,
                 ArrayRef<Array> outputs) {
  auto exact =
      interpret(cascade, arguments.inputs, interpretOptions(arguments));
  if (!exact)
    return complain(ExitBadInput, exact.takeError());
  Oracle oracle(cascade, arguments.inputs, interpretOptions(arguments));
  int code = ExitOk;
  for (auto [i, output] : llvm::enumerate(outputs)) {
    StringRef name =
        cast<PortAttr>(cascade.getOutputs()[i]).getName().getValue();
    Comparison result = oracle.compare(i, output, (*exact)[i]);
    if (result.problem.empty()) {
      llvm::outs() << llvm::formatv(
          "{0}: ok, largest error {1:e2}, {2:f2} of what is allowed\n", name,
          result.worst, result.ratio);
    } else {
      llvm::outs() << name << ": WRONG, " << result.problem << "\n";
      code = ExitCheckFailed;
    }
  }
  return code;
}

} // namespace

int attn::runCommand(const Options &options) {
  if (int code = checkTarget(options.target, /*run=*/true))
    return code;
  std::unique_ptr<Program> program = loadFile(options);
  if (!program)
    return ExitBadInput;
  CascadeOp cascade = chooseCascade(*program, options);
  if (!cascade)
    return ExitUsage;
  Arguments arguments;
  if (int code = makeArguments(cascade, options, arguments))
    return code;
  auto library = jitCompile(*program, options.target);
  if (!library)
    return complain(ExitBadInput, library.takeError());

  attn_context *context = attn_context_create(options.threads);
  if (!context)
    return complain(ExitUnavailable, makeError(attn_last_error()));
  llvm::scope_exit destroy([&] { attn_context_destroy(context); });
  double seconds = 0;
  auto outputs = execute((*library)->find(symbolName(cascade.getSymName())),
                         cascade, arguments.inputs, arguments.extents, context,
                         options.bench ? &seconds : nullptr);
  if (!outputs)
    return complain(ExitBadInput, outputs.takeError());
  printOutputs(cascade, *outputs);
  if (options.bench)
    llvm::outs() << llvm::formatv(
        "{0:f3} ms a call, {1}\n", seconds * 1e3,
        isGpuTarget(options.target)
            ? "bursts of 8 ms"
            : llvm::formatv("{0} threads", attn_context_threads(context))
                  .str());
  if (int code = writeOutputs(cascade, options, *outputs))
    return code;
  return options.check ? checkOutputs(cascade, arguments, *outputs) : ExitOk;
}
