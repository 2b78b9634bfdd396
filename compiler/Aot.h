//===- Aot.h - compiled cascades as files -----------------------*- C++ -*-===//
// Optimised IR, assembly or an object; or the shared library with its C header
// and its manifest. Nothing is replaced unless all of it could be written.
//===----------------------------------------------------------------------===//
#ifndef ATTN_COMPILER_AOT_H
#define ATTN_COMPILER_AOT_H

#include "compiler/Codegen.h"

namespace attn {

enum class Artifact { LLVM, Assembly, Object };

/// Optimises the module and writes it. `target` names the architecture.
llvm::Error emitArtifact(Generated &generated, const Target &target,
                         Artifact kind, llvm::raw_pwrite_stream &os);

struct LibraryOptions {
  /// The library; header and manifest go beside it, with its name less the
  /// leading "lib" and the extension.
  std::string path;
  /// Where libattn_runtime.so will be; empty: ../lib of this program.
  std::string runtimeDirectory;
  /// Text for the header's comment; may be empty.
  std::string source;
};

/// Links, seals and writes the library of `cascades`.
llvm::Error writeLibrary(Generated generated, mlir::ModuleOp cascades,
                         const Target &target, const LibraryOptions &options);

} // namespace attn
#endif // ATTN_COMPILER_AOT_H
