//===- Compile.cpp - attnc FILE -o LIB, attnc FILE --emit STAGE -*- C++ -*-===//
#include "compiler/Aot.h"
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

int emitTile(const Options &options, Program &program) {
  auto tiles = schedule(program);
  return tiles ? emitModule(options, **tiles) : complain(tiles.takeError());
}

template <Artifact kind>
int emitCode(const Options &options, Program &program) {
  auto codegen = codegenOptions(options.target);
  if (!codegen)
    return complain(codegen.takeError());
  auto generated = generateCode(program, options.target);
  if (!generated)
    return complain(generated.takeError());
  llvm::SmallString<0> buffer;
  llvm::raw_svector_ostream os(buffer);
  if (llvm::Error error =
          emitArtifact(*generated, *codegen->targets.front(), kind, os))
    return complain(std::move(error));
  return print(options, [&](llvm::raw_ostream &out) { out << buffer; });
}

int emitLibrary(const Options &options, Program &program) {
  if (options.output.empty())
    return complain(ExitUsage, "-o says where the library is to be written");
  auto codegen = codegenOptions(options.target);
  if (!codegen)
    return complain(codegen.takeError());
  auto generated = generateCode(program, options.target);
  if (!generated)
    return complain(generated.takeError());
  LibraryOptions library;
  library.path = options.output;
  llvm::Error error = writeLibrary(std::move(*generated), *program.module,
                                   *codegen->targets.front(), library);
  return error ? complain(std::move(error)) : ExitOk;
}

} // namespace

int attn::compileCommand(const Options &options) {
  auto emit =
      llvm::StringSwitch<int (*)(const Options &, Program &)>(
          options.emit.empty() && !options.output.empty() ? "lib"
                                                          : options.emit)
          .Case("attn", emitAttn)
          .Case("derived", emitDerived)
          .Case("tile", emitTile)
          .Case("llvm", emitCode<Artifact::LLVM>)
          .Case("asm", emitCode<Artifact::Assembly>)
          .Case("obj", emitCode<Artifact::Object>)
          .Case("lib", emitLibrary)
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
