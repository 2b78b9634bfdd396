//===- Zoo.cpp - attnc zoo: the examples against their references ---------===//
// test/zoo/export.py writes the rows; each case is interpreted, as it is
// written and after each pass, and compiled, as its program is written and with
// f32 in place of 16-bit ports, for each target that is asked for. All results
// are judged against the reference, those of compiled code by the oracle rule.
//===----------------------------------------------------------------------===//
#include "attn/runtime.h"
#include "compiler/Arguments.h"
#include "compiler/Backend.h"
#include "compiler/ElementTypes.h"
#include "compiler/Execute.h"
#include "compiler/Oracle.h"
#include "compiler/Stages.h"
#include "compiler/Workspace.h"
#include "compiler/ZooRows.h"
#include "compiler/targets/Targets.h"
#include "dialect/interpreter/Npy.h"
#include "passes/derive/PassCount.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/CrashRecoveryContext.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include <mutex>
#include <thread>

using namespace mlir;
using namespace attn;

namespace {

/// Two evaluations in f64 by different formulas, as a share of the largest
/// value: the interpreter's and the reference's.
constexpr double formulas = 1e-10;

/// A program with certain values of its const scalars, compiled.
struct Compiled {
  std::unique_ptr<Program> program;
  CascadeOp cascade;
  std::vector<std::unique_ptr<Jit>> libraries; ///< one a target
  std::vector<Stage> stages;                   ///< that a pass has changed
  bool skip = false;                           ///< wider ports change nothing
};

/// What is known of a row after its cases have run with one type of ports.
struct Findings {
  std::string type; ///< narrowest real of its ports; empty: nothing has run
  double ratio = 0; ///< largest error over what the oracle rule allows
  std::vector<std::string> passes; ///< of each cascade, as written > derived
  std::vector<PassCounts> counts;
  Growth workspace = Growth::None;
  std::vector<std::string> problems;
};

/// Runs the cases of a row with the ports as they are written or widened.
class Runner {
public:
  Runner(const Options &options, ArrayRef<std::string> targets,
         const ZooRow &row, bool wide)
      : options(options), targets(targets), row(row), wide(wide) {}
  Findings run();

private:
  /// Empty if the case passes, else what is wrong.
  std::string run(const ZooCase &c);
  llvm::Expected<Compiled *> get(const ZooCase &c);
  std::string interpretAll(Compiled &compiled, const Arguments &arguments,
                           Oracle &oracle, const ZooCase &c);
  std::string check(Oracle &oracle, CascadeOp cascade, StringRef who,
                    ArrayRef<Array> outputs, const ZooCase &c, bool exact);
  /// Empty if the code for target `number` passes.
  std::string runCompiled(Compiled &compiled, unsigned number,
                          const Arguments &arguments, Oracle &oracle,
                          const ZooCase &c);
  void describe(Compiled &compiled);

  const Options &options;
  ArrayRef<std::string> targets;
  const ZooRow &row;
  bool wide;
  std::map<std::string, Compiled> cache;
  llvm::StringMap<bool> described; // by cascade
  Findings findings;
};

} // namespace

/// The narrowest real type of the ports; null: there is none.
static Type narrowestReal(CascadeOp cascade) {
  Type narrowest;
  auto consider = [&](ValueRange ports) {
    for (Value port : ports) {
      Type type = cast<NamedTensorType>(port.getType()).getElementType();
      if (isa<FloatType>(type) &&
          (!narrowest ||
           type.getIntOrFloatBitWidth() < narrowest.getIntOrFloatBitWidth()))
        narrowest = type;
    }
  };
  consider(cascade.getBody().getArguments());
  consider(cascade.getReturn().getOperands());
  return narrowest;
}

llvm::Expected<Compiled *> Runner::get(const ZooCase &c) {
  std::string key = c.path + ":" + c.entry;
  for (auto &[name, value] : c.consts)
    key += " " + name + "=" + value;
  auto [it, isNew] = cache.try_emplace(key);
  Compiled &entry = it->second;
  if (!isNew)
    return &entry;
  Options load = options;
  load.file = c.path;
  load.entry = c.entry;
  load.consts.assign(c.consts.begin(), c.consts.end());
  auto loaded = [&]() -> bool {
    entry.program = loadFile(load);
    return entry.program &&
           (entry.cascade = chooseCascade(*entry.program, load));
  };
  if (!loaded())
    return makeError("does not load");
  Type type = narrowestReal(entry.cascade);
  if (wide) {
    entry.skip = !type || !(type.isBF16() || type.isF16());
    if (entry.skip)
      return &entry;
    load.widePorts = true;
    if (!loaded())
      return makeError("does not load");
    type = narrowestReal(entry.cascade);
  }
  findings.type = type ? typeName(type) : "integer";
  for (const std::string &target : targets) {
    auto library = jitCompile(*entry.program, target);
    if (!library)
      return library.takeError();
    entry.libraries.push_back(std::move(*library));
  }
  if (!wide) {
    auto stages = stagesOf(*entry.program->module, entry.cascade.getSymName());
    if (!stages)
      return stages.takeError();
    for (Stage &stage : *stages)
      if (stage.changed)
        entry.stages.push_back(std::move(stage));
  }
  describe(entry);
  return &entry;
}

void Runner::describe(Compiled &compiled) {
  CascadeOp cascade = compiled.cascade;
  if (!described.try_emplace(cascade.getSymName(), true).second || wide)
    return;
  auto derived = derive(*compiled.program);
  if (!derived)
    return llvm::consumeError(derived.takeError());
  auto after =
      countPasses((*derived)->lookupSymbol<CascadeOp>(cascade.getSymName()));
  std::string text;
  PassCounts &counts = findings.counts.emplace_back();
  for (const RankPasses &rank : countPasses(cascade)) {
    auto same = llvm::find_if(
        after, [&](const RankPasses &r) { return r.rank == rank.rank; });
    std::string derived = same == after.end() ? "0" : same->number();
    counts[rank.rank.str()] = {rank.number(), derived};
    if (rank.number() != "1")
      text += llvm::formatv("{0}{1} {2}>{3}", text.empty() ? "" : " ",
                            rank.rank.getValue(), rank.number(), derived);
  }
  if (!text.empty() && !llvm::is_contained(findings.passes, text))
    findings.passes.push_back(text);
}

std::string Runner::check(Oracle &oracle, CascadeOp cascade, StringRef who,
                          ArrayRef<Array> outputs, const ZooCase &c,
                          bool exact) {
  for (auto [i, output] : llvm::enumerate(outputs)) {
    StringRef name =
        cast<PortAttr>(cascade.getOutputs()[i]).getName().getValue();
    auto file = c.outputs.find(name.str());
    if (file == c.outputs.end())
      return llvm::formatv("the reference has no output {0}", name);
    auto want = readNpy(file->second, cascade.getContext());
    if (!want)
      return toString(want.takeError());
    double slack = std::max(c.tol, exact ? formulas : 0);
    Comparison result = oracle.compare(i, output, *want, exact, slack);
    if (!exact)
      findings.ratio = std::max(findings.ratio, result.ratio);
    if (!result.problem.empty())
      return llvm::formatv("{0}: {1}{2}", who, name, result.problem);
  }
  return "";
}

/// As it is written, and after each pass.
std::string Runner::interpretAll(Compiled &compiled, const Arguments &arguments,
                                 Oracle &oracle, const ZooCase &c) {
  auto checkOne = [&](CascadeOp cascade, const std::string &who) {
    auto outputs =
        interpret(cascade, arguments.inputs, interpretOptions(arguments));
    return outputs ? check(oracle, cascade, who, *outputs, c, /*exact=*/true)
                   : who + ": " + toString(outputs.takeError());
  };
  std::string problem = checkOne(compiled.cascade, "interpreted");
  for (Stage &stage : compiled.stages)
    if (problem.empty())
      problem = checkOne(stage.cascade, "interpreted after " + stage.pass);
  return problem;
}

std::string Runner::run(const ZooCase &c) {
  auto compiled = get(c);
  if (!compiled)
    return toString(compiled.takeError());
  if ((*compiled)->skip)
    return "";
  if ((*compiled)->libraries.size() != targets.size())
    return "does not compile";
  CascadeOp cascade = (*compiled)->cascade;
  Options call = options;
  call.inputs.assign(c.inputs.begin(), c.inputs.end());
  Arguments arguments;
  if (makeArguments(cascade, call, arguments) != ExitOk)
    return "its inputs do not fit";
  Oracle oracle(cascade, arguments.inputs, interpretOptions(arguments));

  // Wider ports change nothing in f64.
  if (!wide) {
    std::string problem = interpretAll(**compiled, arguments, oracle, c);
    if (!problem.empty())
      return problem;
  }

  std::string problem;
  for (unsigned number = 0; number < targets.size() && problem.empty();
       ++number)
    problem = runCompiled(**compiled, number, arguments, oracle, c);
  return problem;
}

std::string Runner::runCompiled(Compiled &compiled, unsigned number,
                                const Arguments &arguments, Oracle &oracle,
                                const ZooCase &c) {
  CascadeOp cascade = compiled.cascade;
  std::string who = "compiled";
  if (targets.size() > 1)
    who += " for " + targets[number];
  const attn_entry_desc *entry =
      compiled.libraries[number]->find(symbolName(cascade.getSymName()));
  if (!entry)
    return who + ": no such entry";
  findings.workspace = std::max(
      findings.workspace,
      workspaceGrowth(entry, cascade, arguments.extents, row.sequence));
  auto outputs = execute(entry, cascade, arguments.inputs, arguments.extents);
  if (!outputs)
    return who + ": " + toString(outputs.takeError());
  return check(oracle, cascade, who, *outputs, c, /*exact=*/false);
}

Findings Runner::run() {
  for (const ZooCase &c : row.cases) {
    std::string problem;
    llvm::CrashRecoveryContext recovery;
    if (!recovery.RunSafely([&] { problem = run(c); }))
      problem = "crashed";
    if (!problem.empty())
      findings.problems.push_back(llvm::formatv(
          "{0} ({1}): {2}", c.label, wide ? "f32" : "as written", problem));
  }
  return std::move(findings);
}

namespace {

/// Runs rows side by side, a task for each row and type of ports, and prints a
/// line a row, in order.
class Zoo {
public:
  Zoo(const Options &options, ArrayRef<std::string> targets,
      ArrayRef<ZooRow> rows)
      : options(options), targets(targets), rows(rows), tasks(2 * rows.size()) {
  }

  /// How many rows failed.
  int run();

private:
  void work();
  void print(const ZooRow &row, const Findings &written, const Findings &wide);

  const Options &options;
  ArrayRef<std::string> targets;
  ArrayRef<ZooRow> rows;
  std::vector<std::optional<Findings>> tasks; // as written and in f32, by row
  std::mutex mutex;
  size_t next = 0, printed = 0;
  int passed = 0, failed = 0;
  std::map<Growth, int> growths;
};

} // namespace

void Zoo::work() {
  for (;;) {
    size_t task;
    {
      std::lock_guard lock(mutex);
      if ((task = next++) >= tasks.size())
        return;
    }
    Findings found = Runner(options, targets, rows[task / 2], task % 2).run();
    std::lock_guard lock(mutex);
    tasks[task] = std::move(found);
    for (;
         printed < rows.size() && tasks[2 * printed] && tasks[2 * printed + 1];
         ++printed)
      print(rows[printed], *tasks[2 * printed], *tasks[2 * printed + 1]);
  }
}

void Zoo::print(const ZooRow &row, const Findings &written,
                const Findings &wide) {
  std::vector<std::string> problems = written.problems;
  llvm::append_range(problems, wide.problems);
  if (!row.error.empty())
    problems.push_back(row.id + ": " + row.error);
  Growth growth = std::max(written.workspace, wide.workspace);
  ++growths[growth];
  // Of a row that has run as it is written.
  Comparisons expected;
  if (!written.counts.empty())
    expected = row.expected.compare(written.counts, growthName(growth));
  if (!expected.worse.empty())
    problems.push_back(row.id + ": " + expected.worse);
  ++(problems.empty() ? passed : failed);
  std::string types = written.type + (wide.type.empty() ? "" : " ") + wide.type;
  llvm::outs() << llvm::formatv(
      "{0,-13} {1,-18} {2,2} cases, {3,-9} error {4:f2}, passes {5,-10} "
      "workspace {6,-9} {7}\n",
      row.id, row.name, row.cases.size(), types + ",",
      std::max(written.ratio, wide.ratio),
      (written.passes.empty() ? "1" : llvm::join(written.passes, "; ")) + ",",
      growthName(growth), problems.empty() ? "PASS" : "FAIL");
  for (const std::string &problem : problems)
    llvm::outs() << "  " << problem << "\n";
  if (!expected.better.empty())
    llvm::outs() << "  better than its reference expects: " << expected.better
                 << "\n";
  llvm::outs().flush();
}

int Zoo::run() {
  // A crash is the failure of one case.
  llvm::CrashRecoveryContext::Enable();
  std::vector<std::thread> workers(
      options.threads ? options.threads : std::thread::hardware_concurrency());
  for (std::thread &worker : workers)
    worker = std::thread([this] { work(); });
  for (std::thread &worker : workers)
    worker.join();
  llvm::outs() << llvm::formatv(
      "workspace: {0} none, {1} linear, {2} quadratic\n{3} passed, {4} "
      "failed\n",
      growths[Growth::None], growths[Growth::Linear],
      growths[Growth::Quadratic], passed, failed);
  return failed;
}

/// Those of `--target` that this machine runs, one by one.
static std::vector<std::string> targetsOf(const Options &options) {
  StringRef target = options.target;
  std::vector<std::string> names;
  if (target != "all" && !target.contains(','))
    return {options.target};
  for (const Target *row : cantFail(codegenOptions(target)).targets)
    if (attn_cpu_supports(row->name.data()))
      names.push_back(row->name.str());
  return names;
}

int attn::zooCommand(const Options &options) {
  if (int code = checkTarget(options.target, /*run=*/true))
    return code;
  std::vector<std::string> targets = targetsOf(options);
  SmallString<64> folder;
  if (std::error_code error =
          llvm::sys::fs::createUniqueDirectory("attnc-zoo", folder)) {
    llvm::errs() << "attnc: " << folder << ": " << error.message() << "\n";
    return ExitUnavailable;
  }
  llvm::scope_exit remove([&] { llvm::sys::fs::remove_directories(folder); });
  auto rows = exportRows(options, folder);
  if (!rows) {
    llvm::errs() << "attnc: " << toString(rows.takeError()) << "\n";
    return ExitUnavailable;
  }
  if (rows->empty()) {
    llvm::errs() << "attnc: no example is selected\n";
    return ExitUsage;
  }
  return Zoo(options, targets, *rows).run() ? ExitCheckFailed : ExitOk;
}
