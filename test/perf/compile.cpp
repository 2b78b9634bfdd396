//===- compile.cpp - how long programs take to compile ----------*- C++ -*-===//
// Through attn::Compiler, in a process that has compiled before: cold, and
// found on disk. Best and median of several. Usage: compile FILE.attn...
//===----------------------------------------------------------------------===//
#include "attn/Compiler.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/Path.h"
#include <chrono>

using namespace attn;

static constexpr int coldRuns = 5, cachedRuns = 25;

/// Milliseconds, ascending; empty if the program does not compile.
static std::vector<double> measure(const std::string &path,
                                   const Compiler::Options &options, int runs) {
  std::vector<double> times;
  for (int i = 0; i < runs; ++i) {
    auto begin = std::chrono::steady_clock::now();
    auto kernel = Compiler(options).compileFile(path);
    std::chrono::duration<double, std::milli> time =
        std::chrono::steady_clock::now() - begin;
    if (!kernel) {
      llvm::errs() << kernel.message() << "\n";
      return {};
    }
    times.push_back(time.count());
  }
  llvm::sort(times);
  return times;
}

int main(int argc, char **argv) {
  llvm::SmallString<64> directory;
  if (argc < 2 || llvm::sys::fs::createUniqueDirectory("attn-perf", directory))
    return 2;
  bool good = true;
  llvm::outs() << llvm::formatv("{0,-28} {1,20} {2,20}\n", "ms, best / median",
                                "cold", "from the cache");
  for (int i = 1; i < argc; ++i) {
    Compiler::Options options;
    options.cache = "";
    measure(argv[i], options, 1); // what a process loads and sets up once
    std::vector<double> cold = measure(argv[i], options, coldRuns);
    options.cache = directory.str().str();
    measure(argv[i], options, 1);
    std::vector<double> cached = measure(argv[i], options, cachedRuns);
    good &= !cold.empty() && !cached.empty();
    if (!cold.empty() && !cached.empty())
      llvm::outs() << llvm::formatv(
          "{0,-28} {1,9:f1} / {2,8:f1} {3,9:f2} / {4,8:f2}\n",
          llvm::sys::path::filename(argv[i]), cold.front(), cold[coldRuns / 2],
          cached.front(), cached[cachedRuns / 2]);
    llvm::outs().flush();
  }
  llvm::sys::fs::remove_directories(directory);
  return good ? 0 : 1;
}
