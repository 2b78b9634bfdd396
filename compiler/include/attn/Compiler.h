//===- attn/Compiler.h - attention compiled at run time ---------*- C++ -*-===//
//
// Compiles .attn text for this machine, in this process:
//
//   attn::Compiler compiler;
//   auto kernel = compiler.compile(R"(
//     cascade scores(Q: f32[m,d], K: f32[n,d]) -> S: f32[m,n]
//     { S[m,n] = sum[d](Q * K) / sqrt(|d|) })");
//   if (!kernel)
//     return fail(kernel.message());
//   int status = (*kernel)({&Q, &K, &S}); // attn_status, DLPack tensors
//
// A program may also be built in C++, see attn/Builder.h. Link AttnCompiler;
// no header of LLVM is needed. Kernels may be called by several threads at the
// same time; a Compiler serves one thread.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_COMPILER_COMPILER_H
#define ATTN_COMPILER_COMPILER_H

#include "attn/runtime.h"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace attn {

/// A value, or why there is none: diagnostics as attnc prints them.
template <typename T> class Result {
public:
  Result(T value) : value(std::move(value)) {}
  static Result failure(std::string message) {
    Result result;
    result.text = std::move(message);
    return result;
  }
  explicit operator bool() const { return value.has_value(); }
  T &operator*() { return *value; }
  const T &operator*() const { return *value; }
  T *operator->() { return &*value; }
  const T *operator->() const { return &*value; }
  /// Warnings if there is a value.
  const std::string &message() const { return text; }

private:
  Result() = default;
  std::optional<T> value;
  std::string text;
};

struct Port {
  std::string name;
  std::string type;               ///< as in the language: "bf16", "i32", ...
  std::vector<std::string> ranks; ///< of the stored axes
  bool isOutput = false;
  bool hasDefault = false; ///< its tensor may be null
};

/// Compiled code of one cascade; copies share it.
class Kernel {
public:
  const std::string &name() const;
  /// Inputs, then outputs, as a call takes them.
  const std::vector<Port> &ports() const;

  /// Runs it on one tensor a port. The status is an attn_status, its message
  /// attn_last_error(). No context: the default one of the process.
  int operator()(const std::vector<DLTensor *> &tensors,
                 const attn_context *context = nullptr) const;

  /// The table that attn_invoke takes; lives as long as the kernel.
  const attn_entry_desc *entry() const;

  /// It was found compiled on disk (Compiler::Options::cache).
  bool isCached() const;

private:
  friend class Compiler;
  struct Code;
  std::shared_ptr<const Code> code;
};

class Compiler {
public:
  struct Options {
    /// A target of this machine: native, x86-64, x86-64-v3, ...
    std::string target = "native";
    /// Values of const scalars by name, as --const takes them.
    std::map<std::string, std::string> consts;
    /// The cascade that is meant, where there are several.
    std::string entry;
    /// Ports of 16-bit reals (bf16, f16) are of f32; nothing else changes.
    bool widePorts = false;
    /// Where compiled kernels are kept for other processes; "" keeps none. By
    /// default $ATTN_CACHE_DIR, else `attnc` in the user's cache directory.
    /// Kernels are found by their text, options, target and compiler; at most
    /// 256 MB are kept.
    std::optional<std::string> cache;
  };

  Compiler() = default;
  explicit Compiler(Options options) : options(std::move(options)) {}

  /// `name` is what diagnostics call the text; one ending in .mlir is parsed
  /// as the dialect.
  Result<Kernel> compile(std::string_view text,
                         std::string_view name = "program.attn") const;
  Result<Kernel> compileFile(const std::string &path) const;

private:
  Options options;
};

} // namespace attn
#endif // ATTN_COMPILER_COMPILER_H
