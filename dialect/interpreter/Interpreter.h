//===- Interpreter.h - the meaning of a cascade, in f64 ---------*- C++ -*-===//
// The reference interpreter: it runs a cascade at any stage (as a front end
// emits it, derived, scheduled) point by point, on demand, in f64. It is the
// specification that everything else is tested against; LANGUAGE section 17
// has its rules. Compiled code never calls it.
//
//   auto outputs = interpret(cascade, {q, k, v});
//===----------------------------------------------------------------------===//
#ifndef ATTN_DIALECT_INTERPRETER_INTERPRETER_H
#define ATTN_DIALECT_INTERPRETER_INTERPRETER_H

#include "dialect/interpreter/Extents.h"

namespace attn {

struct InterpretOptions {
  /// Extents of ranks by name, besides those that the inputs give.
  llvm::StringMap<int64_t> extents;
  /// Outputs are given in f64 as they are compared. True: rounded to their
  /// declared type, as a store would. (Intermediates that declare a type are
  /// rounded in any case, and integers always saturate.)
  bool roundOutputs = false;
};

/// One array an input port, converted to the port's type. A scalar whose port
/// has a default may be left out (no element type). Outputs carry presence;
/// an absent point holds 0, -1 or false.
llvm::Expected<std::vector<Array>>
interpret(CascadeOp cascade, llvm::ArrayRef<Array> inputs,
          const InterpretOptions &options = {});

} // namespace attn
#endif // ATTN_DIALECT_INTERPRETER_INTERPRETER_H
