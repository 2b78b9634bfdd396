//===- InterpretCommand.cpp - attnc interpret -------------------*- C++ -*-===//
#include "compiler/Arguments.h"
#include "compiler/Load.h"
#include "dialect/interpreter/Interpreter.h"

using namespace attn;

int attn::interpretCommand(const Options &options) {
  std::unique_ptr<Program> program = loadFile(options);
  if (!program)
    return ExitBadInput;
  CascadeOp cascade = chooseCascade(*program, options);
  if (!cascade)
    return ExitUsage;
  Arguments arguments;
  if (int code = makeArguments(cascade, options, arguments))
    return code;
  auto outputs =
      interpret(cascade, arguments.inputs, interpretOptions(arguments));
  if (!outputs) {
    llvm::errs() << "attnc: " << toString(outputs.takeError()) << "\n";
    return ExitBadInput;
  }
  printOutputs(cascade, *outputs);
  return writeOutputs(cascade, options, *outputs);
}
