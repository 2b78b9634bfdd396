//===- KernelCache.h - compiled kernels on disk -----------------*- C++ -*-===//
// Object files by a hash of all that they are made from. LLVM's file cache
// writes them, so processes may share a directory: a file appears whole or not
// at all. What is damaged is not used, and written again.
//===----------------------------------------------------------------------===//
#ifndef ATTN_COMPILER_KERNELCACHE_H
#define ATTN_COMPILER_KERNELCACHE_H

#include "compiler/Codegen.h"
#include "llvm/Support/MemoryBuffer.h"

namespace attn {

struct CachedKernel {
  std::string cascade; ///< that was asked for
  std::unique_ptr<llvm::MemoryBuffer> object;
};

class KernelCache {
public:
  /// Below `directory`, which is made when it is first written to; empty:
  /// nothing is kept.
  explicit KernelCache(std::string directory)
      : directory(std::move(directory)) {}

  /// $ATTN_CACHE_DIR (which may be empty), else attnc in the user's directory
  /// for caches, else nothing.
  static std::string defaultDirectory();

  /// The hash of `parts`, of what code is generated for, and of this compiler.
  static std::string key(llvm::ArrayRef<llvm::StringRef> parts,
                         const CodegenOptions &options);

  /// Nothing if there is none that is whole.
  std::optional<CachedKernel> find(llvm::StringRef key) const;
  /// A directory that cannot be written keeps nothing; that is no error.
  void store(llvm::StringRef key, llvm::StringRef cascade,
             llvm::StringRef object) const;

private:
  std::string directory;
};

} // namespace attn
#endif // ATTN_COMPILER_KERNELCACHE_H
