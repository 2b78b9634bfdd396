//===- Zoo.cpp - attnc zoo: the examples against their references ---------===//
// test/zoo/export.py writes the cases; each is interpreted and compiled here,
// and both results are compared with the reference.
//===----------------------------------------------------------------------===//
#include "compiler/Arguments.h"
#include "compiler/Backend.h"
#include "compiler/Compare.h"
#include "compiler/Execute.h"
#include "compiler/Files.h"
#include "dialect/interpreter/Npy.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/CrashRecoveryContext.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/Program.h"
#include <mutex>
#include <thread>

using namespace mlir;
using namespace attn;
namespace json = llvm::json;

namespace {

struct Case {
  std::string label, path, entry;
  std::map<std::string, std::string> consts, inputs, outputs;
};

bool fromJSON(const json::Value &value, Case &c, json::Path path) {
  json::ObjectMapper map(value, path);
  return map && map.map("label", c.label) && map.map("path", c.path) &&
         map.map("entry", c.entry) && map.map("consts", c.consts) &&
         map.map("inputs", c.inputs) && map.map("outputs", c.outputs);
}

/// Runs the script; the cases it wrote below `folder`.
llvm::Expected<std::vector<Case>> exportCases(const Options &options,
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
      readFile((folder + "/cases.json").str());
  return text ? json::parse<std::vector<Case>>(text->getBuffer())
              : makeError("no cases were written");
}

/// A program with certain values of its const scalars, compiled.
struct Compiled {
  std::unique_ptr<Program> program;
  CascadeOp cascade;
  std::unique_ptr<Jit> library;
};

class Zoo {
public:
  explicit Zoo(const Options &options) : options(options) {}

  /// The line about a case: empty if it passes, else what is wrong.
  std::string run(const Case &c);
  /// The largest errors of the last case.
  double interpreted = 0, compiled = 0;

private:
  llvm::Expected<Compiled *> get(const Case &c);
  static std::string check(CascadeOp cascade, StringRef who,
                           ArrayRef<Array> outputs, const Case &c,
                           llvm::function_ref<Tolerance(Type)> tolerance,
                           double &worst);

  const Options &options;
  std::map<std::string, Compiled> cache;
};

llvm::Expected<Compiled *> Zoo::get(const Case &c) {
  std::string key = c.path + ":" + c.entry;
  for (auto &[name, value] : c.consts)
    key += " " + name + "=" + value;
  Compiled &entry = cache[key];
  if (entry.library)
    return &entry;
  Options load = options;
  load.file = c.path;
  load.entry = c.entry;
  load.consts.assign(c.consts.begin(), c.consts.end());
  entry.program = loadFile(load);
  if (!entry.program || !(entry.cascade = chooseCascade(*entry.program, load)))
    return makeError("does not load");
  auto library = jitCompile(*entry.program, options.target);
  if (!library)
    return library.takeError();
  entry.library = std::move(*library);
  return &entry;
}

std::string Zoo::check(CascadeOp cascade, StringRef who,
                       ArrayRef<Array> outputs, const Case &c,
                       llvm::function_ref<Tolerance(Type)> tolerance,
                       double &worst) {
  worst = 0;
  for (auto [i, output] : llvm::enumerate(outputs)) {
    StringRef name =
        cast<PortAttr>(cascade.getOutputs()[i]).getName().getValue();
    auto file = c.outputs.find(name.str());
    if (file == c.outputs.end())
      return llvm::formatv("the reference has no output {0}", name);
    auto want = readNpy(file->second, cascade.getContext());
    if (!want)
      return toString(want.takeError());
    Comparison result = compare(output, *want, tolerance(output.element));
    worst = std::max(worst, result.worst);
    if (!result.problem.empty())
      return llvm::formatv("{0}: {1}{2}", who, name, result.problem);
  }
  return "";
}

std::string Zoo::run(const Case &c) {
  auto compiledEntry = get(c);
  if (!compiledEntry)
    return toString(compiledEntry.takeError());
  CascadeOp cascade = (*compiledEntry)->cascade;
  Options call = options;
  call.inputs.assign(c.inputs.begin(), c.inputs.end());
  Arguments arguments;
  if (makeArguments(cascade, call, arguments) != ExitOk)
    return "its inputs do not fit";

  auto exact =
      interpret(cascade, arguments.inputs, interpretOptions(arguments));
  if (!exact)
    return "interpreted: " + toString(exact.takeError());
  auto exactly = [](Type) { return exactTolerance(); };
  std::string problem =
      check(cascade, "interpreted", *exact, c, exactly, interpreted);
  if (!problem.empty())
    return problem;

  const attn_entry_desc *entry =
      (*compiledEntry)->library->find(symbolName(cascade.getSymName()));
  if (!entry)
    return "compiled: no such entry";
  auto outputs = execute(entry, cascade, arguments.inputs, arguments.extents);
  if (!outputs)
    return "compiled: " + toString(outputs.takeError());
  SmallVector<Type> types;
  for (Type type : cascade.getBody().getArgumentTypes())
    types.push_back(cast<NamedTensorType>(type).getElementType());
  auto oracle = [&](Type type) { return oracleTolerance(type, types); };
  return check(cascade, "compiled", *outputs, c, oracle, compiled);
}

/// Runs all cases, the programs side by side, and prints a line a case, in
/// order; how many failed.
int runAll(const Options &options, ArrayRef<Case> cases) {
  std::vector<std::string> lines(cases.size());
  std::mutex mutex;
  size_t next = 0, printed = 0;
  int passed = 0, failed = 0;
  auto work = [&] {
    for (;;) {
      // The cases of one program share what was compiled.
      size_t begin, end;
      {
        std::lock_guard lock(mutex);
        begin = end = next;
        while (end < cases.size() && cases[end].path == cases[begin].path)
          ++end;
        next = end;
      }
      if (begin == end)
        return;
      Zoo zoo(options);
      for (size_t i = begin; i < end; ++i) {
        std::string problem;
        llvm::CrashRecoveryContext recovery;
        if (!recovery.RunSafely([&] { problem = zoo.run(cases[i]); }))
          problem = "crashed";
        std::lock_guard lock(mutex);
        ++(problem.empty() ? passed : failed);
        lines[i] = problem.empty()
                       ? llvm::formatv(
                             "ok   {0,-48} interpreted {1:e1}, compiled {2:e1}",
                             cases[i].label, zoo.interpreted, zoo.compiled)
                             .str()
                       : "FAIL " + cases[i].label + ": " + problem;
        for (; printed < lines.size() && !lines[printed].empty(); ++printed)
          llvm::outs() << lines[printed] << "\n";
        llvm::outs().flush();
      }
    }
  };
  // A crash is the failure of one case.
  llvm::CrashRecoveryContext::Enable();
  std::vector<std::thread> workers(
      options.threads ? options.threads : std::thread::hardware_concurrency());
  for (std::thread &worker : workers)
    worker = std::thread(work);
  for (std::thread &worker : workers)
    worker.join();
  llvm::outs() << passed << " passed, " << failed << " failed\n";
  return failed;
}

} // namespace

int attn::zooCommand(const Options &options) {
  if (int code = checkTarget(options.target, /*run=*/true))
    return code;
  SmallString<64> folder;
  if (std::error_code error =
          llvm::sys::fs::createUniqueDirectory("attnc-zoo", folder)) {
    llvm::errs() << "attnc: " << folder << ": " << error.message() << "\n";
    return ExitUnavailable;
  }
  llvm::scope_exit remove([&] { llvm::sys::fs::remove_directories(folder); });
  auto cases = exportCases(options, folder);
  if (!cases) {
    llvm::errs() << "attnc: " << toString(cases.takeError()) << "\n";
    return ExitUnavailable;
  }
  if (cases->empty()) {
    llvm::errs() << "attnc: no example is selected\n";
    return ExitUsage;
  }
  return runAll(options, *cases) ? ExitCheckFailed : ExitOk;
}
