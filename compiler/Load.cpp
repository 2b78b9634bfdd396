//===- Load.cpp - from a file to a checked module ---------------*- C++ -*-===//
#include "compiler/Load.h"
#include "compiler/Dialects.h"
#include "compiler/Files.h"
#include "compiler/Pipelines.h"
#include "compiler/SourceDiagnostics.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"

using namespace mlir;
using namespace attn;

/// Imports or parses; null after messages on `os`.
static OwningOpRef<ModuleOp> import(Program &program, StringRef name,
                                    StringRef text,
                                    const text::ImportOptions &options,
                                    llvm::raw_ostream &os) {
  MLIRContext &context = *program.context;
  if (name.ends_with(".mlir")) {
    context.loadAllAvailableDialects();
    // MLIR's parser reports offsets of its own; the text is found by name.
    program.sources.add(name, text);
    SourceDiagnostics handler(context, program.sources, os);
    return parseSourceString<ModuleOp>(text, ParserConfig(&context), name);
  }
  text::Diagnostics diagnostics(program.sources);
  OwningOpRef<ModuleOp> module =
      importSource(context, program.sources, name, text, options, diagnostics);
  diagnostics.render(os);
  return module;
}

std::unique_ptr<Program> attn::loadText(StringRef name, StringRef text,
                                        const text::ImportOptions &options,
                                        llvm::raw_ostream &os) {
  auto program = std::make_unique<Program>();
  DialectRegistry registry;
  registerDialects(registry);
  program->context =
      std::make_unique<MLIRContext>(registry, MLIRContext::Threading::DISABLED);
  program->module = import(*program, name, text, options, os);
  if (!program->module)
    return nullptr;
  SourceDiagnostics handler(*program->context, program->sources, os);
  PassManager passes(program->context.get());
  buildChecks(passes);
  if (failed(passes.run(*program->module)))
    return nullptr;
  return program;
}

std::unique_ptr<Program> attn::loadFile(const Options &options) {
  std::unique_ptr<llvm::MemoryBuffer> buffer = readFile(options.file);
  if (!buffer)
    return nullptr;
  text::ImportOptions import;
  for (auto &[name, value] : options.consts)
    import.consts[name] = value;
  import.entry = options.entry;
  import.widePorts = options.widePorts;
  return loadText(options.file, buffer->getBuffer(), import);
}

bool attn::isOfCut(CascadeOp cascade) {
  return cascade->hasAttr("attn.cut_of");
}

CascadeOp attn::chooseCascade(Program &program, const Options &options) {
  SmallVector<CascadeOp> found;
  std::string names;
  for (CascadeOp cascade : program.module->getOps<CascadeOp>())
    if (options.entry.empty() ? !isOfCut(cascade)
                              : cascade.getSymName() == options.entry) {
      found.push_back(cascade);
      names += (names.empty() ? "" : ", ") + cascade.getSymName().str();
    }
  if (found.size() == 1) {
    // Calls are inlined: nothing else of the program takes part.
    for (CascadeOp cascade :
         llvm::make_early_inc_range(program.module->getOps<CascadeOp>()))
      if (cascade != found.front())
        cascade.erase();
    return found.front();
  }
  llvm::errs() << "attnc: " << options.file << ": "
               << (found.empty() ? "there is no cascade " + options.entry
                                 : "--entry says which cascade: " + names)
               << "\n";
  return nullptr;
}
