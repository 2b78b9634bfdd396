//===- Compile.cpp - attnc FILE -o LIB, attnc FILE --emit STAGE -*- C++ -*-===//
#include "compiler/Aot.h"
#include "compiler/Backend.h"
#include "compiler/Files.h"
#include "compiler/Ptx.h"
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
  auto tiles = schedule(program, options.target);
  return tiles ? emitModule(options, **tiles) : complain(tiles.takeError());
}

template <Artifact kind>
int emitCode(const Options &options, Program &program) {
  auto codegen = codegenOptions(options.target);
  if (!codegen)
    return complain(codegen.takeError());
  auto generated = generateCode(program, options.target, llvm::errs(),
                                /*assemble=*/kind == Artifact::Object);
  if (!generated)
    return complain(generated.takeError());
  if (codegen->gpu && kind != Artifact::Object)
    return print(options, [&](llvm::raw_ostream &out) {
      out << (kind == Artifact::LLVM ? generated->deviceLlvm : generated->ptx);
    });
  llvm::SmallString<0> buffer;
  llvm::raw_svector_ostream os(buffer);
  if (llvm::Error error =
          emitArtifact(*generated, *codegen->targets.front(), kind, os))
    return complain(std::move(error));
  return print(options, [&](llvm::raw_ostream &out) { out << buffer; });
}

int emitCubin(const Options &options, Program &program) {
  if (findPtxas().empty())
    return complain(ExitUnavailable,
                    "--emit cubin: ptxas is not in PATH, CUDA_HOME/bin or "
                    "/usr/local/cuda/bin");
  auto generated = generateCode(program, options.target);
  if (!generated)
    return complain(generated.takeError());
  return print(options,
               [&](llvm::raw_ostream &out) { out << generated->cubin; });
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
          .Cases({"asm", "ptx"}, emitCode<Artifact::Assembly>)
          .Case("cubin", emitCubin)
          .Case("obj", emitCode<Artifact::Object>)
          .Case("lib", emitLibrary)
          .Default(nullptr);
  if ((options.emit == "ptx" || options.emit == "cubin") &&
      !isGpuTarget(options.target))
    return complain(ExitUsage, "--emit " + options.emit +
                                   " takes a GPU: --target cuda:sm_90a");
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
