//===- Frame.h - what a function loads from its invocation ------*- C++ -*-===//
// Extents, port data and strides, workspace pieces: each loaded once, at the
// start of the function, when first asked for (attn_invocation in abi.h; the
// parameters of a kernel for GPUs are described there too).
//===----------------------------------------------------------------------===//
#ifndef ATTN_PASSES_CPU_FRAME_H
#define ATTN_PASSES_CPU_FRAME_H

#include "dialect/Attn.h"
#include "passes/cpu/Builder.h"
#include <map>

namespace attn::cpu {

class Frame {
  using Value = mlir::Value;

public:
  /// Of a function whose first argument is the invocation.
  static Frame ofInvocation(CodeBuilder &b, CascadeOp cascade,
                            Value invocation);
  /// Of a function whose first argument are the extents alone.
  static Frame ofExtents(CodeBuilder &b, CascadeOp cascade, Value extents);

  /// Of a kernel: its first argument are the parameters.
  static Frame ofParameters(CodeBuilder &b, CascadeOp cascade,
                            Value parameters);
  /// Words of the parameters before those that run() writes.
  static unsigned parameterWords(CascadeOp cascade);

  CascadeOp cascade;
  /// Emits at the start of the function.
  CodeBuilder prologue;

  /// Extent of a rank, i64.
  Value extent(mlir::StringAttr rank);
  /// An index expression, i64, not clamped.
  Value evaluate(ExtentAttr expression);
  /// Port `port` counts inputs, then outputs.
  Value data(unsigned port);
  Value stride(unsigned port, unsigned axis);
  /// Start of workspace piece `slot`; run() has written the table of offsets
  /// that the workspace begins with.
  Value slot(unsigned slot);
  Value workspace();
  Value workers();
  /// The runtime's parallel_for.
  Value parallelFor();
  /// Writes the table that slot() reads: once, in run().
  void storeOffsets(llvm::ArrayRef<Value> offsets);
  Value invocation() const { return invocationArg; }
  /// The counter of the items that blocks have taken, in the memory of the GPU.
  Value tickets();
  /// Scratch memory of a worker, at the insertion point of `b`.
  Value scratch(CodeBuilder &b, Value worker);

  /// Cached by key: emitted in the prologue once.
  Value once(const std::string &key,
             llvm::function_ref<Value(CodeBuilder &)> emit);

private:
  Frame(CodeBuilder &b, CascadeOp cascade);
  Value field(unsigned index, llvm::StringRef name);
  /// A word of the parameters.
  Value parameter(CodeBuilder &b, unsigned word);
  /// The address that a word holds, in the memory of the GPU.
  Value globalPointer(CodeBuilder &b, unsigned word);

  Value invocationArg, extentsArg, parametersArg;
  std::map<std::string, Value> values;
};

} // namespace attn::cpu
#endif // ATTN_PASSES_CPU_FRAME_H
