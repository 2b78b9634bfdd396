//===- Jit.h - compiled cascades in this process ----------------*- C++ -*-===//
#ifndef ATTN_COMPILER_JIT_H
#define ATTN_COMPILER_JIT_H

#include "attn/abi.h"
#include "compiler/Codegen.h"
#include "llvm/Support/MemoryBuffer.h"

namespace llvm::orc {
class LLJIT;
}

namespace attn {

/// Machine code of a module, for this machine. Entries live as long as it.
class Jit {
public:
  ~Jit();
  /// Optimised code of a module, as an object file.
  static llvm::Expected<std::unique_ptr<llvm::MemoryBuffer>>
  compileObject(Generated generated);
  /// Such an object file in this process.
  static llvm::Expected<std::unique_ptr<Jit>>
  link(std::unique_ptr<llvm::MemoryBuffer> object);
  static llvm::Expected<std::unique_ptr<Jit>> compile(Generated generated);

  const attn_library_info &library() const { return *info; }
  /// Null if there is none of that name.
  const attn_entry_desc *find(llvm::StringRef name) const;

private:
  Jit();
  std::unique_ptr<llvm::orc::LLJIT> jit;
  const attn_library_info *info = nullptr;
};

} // namespace attn
#endif // ATTN_COMPILER_JIT_H
