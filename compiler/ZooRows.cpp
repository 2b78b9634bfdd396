//===- ZooRows.cpp - the examples and their references ----------*- C++ -*-===//
#include "compiler/ZooRows.h"
#include "compiler/Files.h"
#include "dialect/interpreter/Array.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/Program.h"

using namespace mlir;
using namespace attn;
namespace json = llvm::json;

namespace attn {
static bool fromJSON(const json::Value &value, ZooCase &c, json::Path path) {
  json::ObjectMapper map(value, path);
  return map && map.map("label", c.label) && map.map("path", c.path) &&
         map.map("entry", c.entry) && map.map("tol", c.tol) &&
         map.map("consts", c.consts) && map.map("inputs", c.inputs) &&
         map.map("outputs", c.outputs);
}

static bool fromJSON(const json::Value &value, Expectation &expected,
                     json::Path path) {
  json::ObjectMapper map(value, path);
  return map && map.mapOptional("passes", expected.passes) &&
         map.mapOptional("workspace", expected.workspace);
}

static bool fromJSON(const json::Value &value, ZooRow &row, json::Path path) {
  json::ObjectMapper map(value, path);
  return map && map.map("id", row.id) && map.map("name", row.name) &&
         map.map("error", row.error) && map.map("sequence", row.sequence) &&
         map.map("expected", row.expected) && map.map("cases", row.cases);
}
} // namespace attn

/// Of counts: "2" is less than "3", "4" less than "3 + 1 a step of t".
static bool isFewer(StringRef x, StringRef y) {
  auto numbers = [](StringRef text) {
    std::vector<unsigned> found;
    for (StringRef word : llvm::split(text, ' ')) {
      unsigned number;
      if (!word.getAsInteger(10, number))
        found.push_back(number);
    }
    return std::pair(found.size(), found);
  };
  return numbers(x) < numbers(y);
}

static void add(std::string &text, const std::string &more) {
  text += (text.empty() ? "" : "; ") + more;
}

Comparisons Expectation::compare(ArrayRef<PassCounts> found,
                                 StringRef growth) const {
  Comparisons result;
  for (auto &[rank, want] : passes) {
    // Of several cascades, one has to agree.
    const std::vector<std::string> *got = nullptr;
    for (const PassCounts &counts : found)
      if (auto it = counts.find(rank); it != counts.end()) {
        bool isCloser =
            !got ||
            (it->second[0] == want[0] &&
             ((*got)[0] != want[0] || isFewer(it->second[1], (*got)[1])));
        got = isCloser ? &it->second : got;
      }
    if (!got || *got == want)
      continue;
    bool isBetter = (*got)[0] == want[0] && isFewer((*got)[1], want[1]);
    add(isBetter ? result.better : result.worse,
        "passes over " + rank + " are " + llvm::join(*got, ">") + ", not " +
            llvm::join(want, ">"));
  }
  constexpr StringLiteral order[] = {"none", "linear", "quadratic"};
  if (!workspace.empty() && growth != workspace)
    add(llvm::find(order, growth) < llvm::find(order, workspace) ? result.better
                                                                 : result.worse,
        "workspace is " + growth.str() + ", not " + workspace);
  return result;
}

llvm::Expected<std::vector<ZooRow>> attn::exportRows(const Options &options,
                                                     StringRef folder) {
  // Elsewhere than where it was built, the environment says where things are.
  auto python = llvm::sys::findProgramByName(
      llvm::sys::Process::GetEnv("ATTN_PYTHON").value_or("/usr/bin/python3"));
  if (!python)
    return makeError("there is no /usr/bin/python3; ATTN_PYTHON may name "
                     "another that has NumPy");
  std::string script = llvm::sys::Process::GetEnv("ATTN_ZOO_EXPORT")
                           .value_or(ATTN_ZOO_EXPORT);
  std::string families = llvm::join(options.families, ","),
              ids = llvm::join(options.ids, ",");
  SmallVector<StringRef> args = {*python, script, folder};
  if (!families.empty())
    args.append({"--family", families});
  if (!ids.empty())
    args.append({"--id", ids});
  std::string cases = std::to_string(options.cases);
  args.append({"--cases", cases});
  std::string error;
  if (llvm::sys::ExecuteAndWait(*python, args, std::nullopt, {}, 0, 0, &error))
    return makeError(script + " failed " + error);
  std::unique_ptr<llvm::MemoryBuffer> text =
      readFile((folder + "/rows.json").str());
  return text ? json::parse<std::vector<ZooRow>>(text->getBuffer())
              : makeError("no rows were written");
}
