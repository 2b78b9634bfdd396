//===- Compile.cpp - attnc FILE -o LIB, attnc FILE --emit STAGE -*- C++ -*-===//
#include "compiler/Backend.h"
#include "compiler/Files.h"
#include "compiler/SourceDiagnostics.h"
#include "llvm/ADT/StringSwitch.h"

using namespace mlir;
using namespace attn;

namespace {

int complain(ExitCode code, const Twine &message) {
  llvm::errs() << "attnc: " << message << "\n";
  return code;
}

int complain(llvm::Error error) {
  return complain(ExitBadInput, toString(std::move(error)));
}

/// Prints to -o, or to stdout.
int print(const Options &options,
          llvm::function_ref<void(llvm::raw_ostream &)> print) {
  bool written = replaceFile(options.output.empty() ? "-" : options.output,
                             [&](llvm::raw_ostream &os) {
                               print(os);
                               return true;
                             });
  return written ? ExitOk : ExitBadInput;
}

int emitModule(const Options &options, ModuleOp module) {
  return print(options, [&](llvm::raw_ostream &os) { module.print(os); });
}

int emitAttn(const Options &options, Program &program) {
  return emitModule(options, *program.module);
}

int emitDerived(const Options &options, Program &program) {
  auto derived = derive(program);
  return derived ? emitModule(options, **derived)
                 : complain(derived.takeError());
}

int emitLLVM(const Options &options, Program &program) {
  auto generated = generateCode(program, options.target);
  if (!generated)
    return complain(generated.takeError());
  return print(options, [&](llvm::raw_ostream &os) {
    generated->module->print(os, nullptr);
  });
}

} // namespace

int attn::compileCommand(const Options &options) {
  auto emit =
      llvm::StringSwitch<int (*)(const Options &, Program &)>(options.emit)
          .Case("attn", emitAttn)
          .Case("derived", emitDerived)
          .Case("llvm", emitLLVM)
          .Default(nullptr);
  if (options.emit == "ptx" || options.emit == "cubin")
    return complain(ExitUnavailable,
                    "--emit " + options.emit +
                        ": this version compiles for CPUs only");
  if (!emit)
    return complain(ExitUsage, options.emit.empty()
                                   ? "what to make of it? -o LIB or --emit "
                                     "STAGE (attnc --help)"
                                   : "--emit knows no stage " + options.emit);
  if (int code = checkTarget(options.target, /*run=*/false))
    return code;
  std::unique_ptr<Program> program = loadFile(options);
  if (!program)
    return ExitBadInput;
  SourceDiagnostics handler(*program->context, program->sources, llvm::errs());
  return emit(options, *program);
}
