//===- ZooRows.h - the examples and their references ------------*- C++ -*-===//
#ifndef ATTN_COMPILER_ZOOROWS_H
#define ATTN_COMPILER_ZOOROWS_H

#include "compiler/Options.h"
#include "llvm/Support/Error.h"
#include <map>

namespace attn {

/// One call of one cascade; inputs and outputs are .npy files by port.
struct ZooCase {
  std::string label, path, entry;
  double tol = 0; ///< beside the oracle rule, as a share of the largest value
  std::map<std::string, std::string> consts, inputs, outputs;
};

/// Passes over a rank as written and as derived.
using PassCounts = std::map<std::string, std::vector<std::string>>;

/// How reports differ from what is expected; empty where they do not.
struct Comparisons {
  std::string worse, better;
};

/// What the compiler must report; nothing is expected of what is not there.
struct Expectation {
  PassCounts passes;
  std::string workspace;

  /// Passes of each cascade of the row, and the growth of workspace.
  Comparisons compare(llvm::ArrayRef<PassCounts> passes,
                      llvm::StringRef workspace) const;
};

/// A system of the zoo, or a plain example.
struct ZooRow {
  std::string id, name;
  std::string error;                 ///< why the reference gives no cases
  std::vector<std::string> sequence; ///< ranks that grow with its length
  Expectation expected;
  std::vector<ZooCase> cases;
};

/// Runs test/zoo/export.py for the rows that the command line selects; it
/// writes below `folder`.
llvm::Expected<std::vector<ZooRow>> exportRows(const Options &options,
                                               llvm::StringRef folder);

} // namespace attn
#endif // ATTN_COMPILER_ZOOROWS_H
