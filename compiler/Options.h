//===- Options.h - the command line of attnc --------------------*- C++ -*-===//
#ifndef ATTN_COMPILER_OPTIONS_H
#define ATTN_COMPILER_OPTIONS_H

#include "llvm/ADT/StringRef.h"
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace attn {

enum ExitCode {
  ExitOk = 0,
  ExitBadInput = 1,    ///< the input is at fault, a diagnostic was printed
  ExitUsage = 2,       ///< wrong command line
  ExitCheckFailed = 3, ///< results differ from what they should be
  ExitUnavailable = 4  ///< the machine lacks something
};

using NameValue = std::pair<std::string, std::string>;

struct Options {
  std::string command; ///< "" (compile), "run", "interpret", "zoo", ...
  std::string file;
  std::string output; ///< -o
  std::string emit, target, entry;
  std::vector<NameValue> consts, inputs, outputs;
  std::vector<std::pair<std::string, int64_t>> shape;
  std::vector<std::string> families, ids;
  unsigned cases = 0; // of each cascade; 0: all
  uint64_t seed = 0;
  int threads = 0;        ///< 0: one for each CPU
  bool widePorts = false; ///< --f32
  bool check = false, bench = false, inPlace = false, json = false;
  std::string html;
  std::vector<std::string> sequence; ///< --sequence
};

/// Nothing after a message on stderr: wrong usage.
std::optional<Options> parseOptions(int argc, const char *const *argv);

// The commands, each in the file of its name. All return an exit code.
int compileCommand(const Options &options);
int explainCommand(const Options &options);
int fmtCommand(const Options &options);
int interpretCommand(const Options &options);
int runCommand(const Options &options);
int zooCommand(const Options &options);

} // namespace attn
#endif // ATTN_COMPILER_OPTIONS_H
