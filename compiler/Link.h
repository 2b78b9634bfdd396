//===- Link.h - objects to shared libraries ---------------------*- C++ -*-===//
#ifndef ATTN_COMPILER_LINK_H
#define ATTN_COMPILER_LINK_H

#include "compiler/targets/Targets.h"

namespace attn {

/// Links the object file into the shared library `output`, which needs the
/// runtime by its soname and looks for it in `runtimeDirectory`. The runtime
/// itself is not looked at: libraries can be linked for other machines.
llvm::Error linkLibrary(llvm::StringRef object, llvm::StringRef output,
                        llvm::StringRef soname, const Target &target,
                        llvm::StringRef runtimeDirectory);

} // namespace attn
#endif // ATTN_COMPILER_LINK_H
