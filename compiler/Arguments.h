//===- Arguments.h - what a cascade is called with --------------*- C++ -*-===//
// Inputs from files, numbers of the command line, or random; extents from the
// inputs and --shape. Shared by `run` and `interpret`.
//===----------------------------------------------------------------------===//
#ifndef ATTN_COMPILER_ARGUMENTS_H
#define ATTN_COMPILER_ARGUMENTS_H

#include "compiler/Options.h"
#include "dialect/interpreter/Interpreter.h"
#include <vector>

namespace attn {

struct Arguments {
  Extents extents;
  /// One a port, of its storage type; a scalar left to its default has no
  /// element type.
  std::vector<Array> inputs;
};

/// An exit code after a message on stderr, or ExitOk.
int makeArguments(CascadeOp cascade, const Options &options,
                  Arguments &arguments);

/// With the extents of `arguments`.
InterpretOptions interpretOptions(const Arguments &arguments);

/// A line an output on stdout: type, shape, and its values or, of many, their
/// range and mean.
void printOutputs(CascadeOp cascade, llvm::ArrayRef<Array> outputs);

/// Writes what --output asks for; an exit code.
int writeOutputs(CascadeOp cascade, const Options &options,
                 llvm::ArrayRef<Array> outputs);

/// Type and shape of a port for given extents.
NamedTensorType inputType(CascadeOp cascade, unsigned port);
NamedTensorType outputType(CascadeOp cascade, unsigned port);
llvm::SmallVector<int64_t> shapeOf(NamedTensorType type,
                                   const Extents &extents);

} // namespace attn
#endif // ATTN_COMPILER_ARGUMENTS_H
