//===- ZooRows.cpp - the examples and their references ----------*- C++ -*-===//
#include "compiler/ZooRows.h"
#include "compiler/Files.h"
#include "dialect/interpreter/Array.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"
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

static bool fromJSON(const json::Value &value, ZooRow &row, json::Path path) {
  json::ObjectMapper map(value, path);
  return map && map.map("id", row.id) && map.map("name", row.name) &&
         map.map("error", row.error) && map.map("sequence", row.sequence) &&
         map.map("cases", row.cases);
}
} // namespace attn

llvm::Expected<std::vector<ZooRow>> attn::exportRows(const Options &options,
                                                     StringRef folder) {
  auto python = llvm::sys::findProgramByName("python3", {"/usr/bin"});
  if (!python)
    return makeError("python3 is not in /usr/bin");
  std::string families = llvm::join(options.families, ","),
              ids = llvm::join(options.ids, ",");
  SmallVector<StringRef> args = {*python, ATTN_ZOO_EXPORT, folder};
  if (!families.empty())
    args.append({"--family", families});
  if (!ids.empty())
    args.append({"--id", ids});
  std::string error;
  if (llvm::sys::ExecuteAndWait(*python, args, std::nullopt, {}, 0, 0, &error))
    return makeError(ATTN_ZOO_EXPORT " failed " + error);
  std::unique_ptr<llvm::MemoryBuffer> text =
      readFile((folder + "/rows.json").str());
  return text ? json::parse<std::vector<ZooRow>>(text->getBuffer())
              : makeError("no rows were written");
}
