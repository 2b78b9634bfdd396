//===- Main.cpp - attn-fuzz-cascades ----------------------------*- C++ -*-===//
// Differential fuzzing: random cascades on random shapes, interpreted as they
// are written, interpreted again after each pass, compiled and run. Prints what
// was drawn and which laws fired; each failure with its program.
//
//   attn-fuzz-cascades [--count N] [--seed S] [--jobs J] [--target T]
//                      [--interpret] [--minimise] [--dump] [--dry]
//                      [--least N]
//
// Programs are numbered from --seed on. --minimise makes each failing program
// smaller first. --interpret leaves the compiled run out. --dump prints the
// programs and --dry counts their constructs; neither runs them. --least fails
// the run if a construct or law occurred fewer times. Exit codes are attnc's: 3
// if a program failed.
//===----------------------------------------------------------------------===//
#include "compiler/Options.h"
#include "test/fuzz/cascade-fuzz/Laws.h"
#include "test/fuzz/cascade-fuzz/Minimise.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/FormatVariadic.h"

using namespace attn;
using namespace attn::fuzz;
namespace cl = llvm::cl;

static cl::opt<uint64_t> count("count", cl::init(100),
                               cl::desc("Number of programs"));
static cl::opt<uint64_t> first("seed", cl::init(0),
                               cl::desc("Number of the first program"));
static cl::opt<unsigned> jobCount("jobs", cl::init(2),
                                  cl::desc("Worker processes"));
static cl::opt<unsigned> seconds("timeout", cl::init(60),
                                 cl::desc("Seconds for one program"));
static cl::opt<std::string> target("target", cl::init("native"),
                                   cl::desc("Target of the compiled run"));
static cl::opt<bool> interpretOnly("interpret",
                                   cl::desc("Interpreter and passes only"));
static cl::opt<bool> dropRepair("test-drop-repair", cl::Hidden,
                                cl::desc("Seed a wrong law; a run must fail"));
static cl::opt<bool> minimising("minimise",
                                cl::desc("Make failing programs smaller"));
static cl::opt<unsigned> shown("show", cl::init(20),
                               cl::desc("Number of failures shown in full"));
static cl::opt<bool> dump("dump", cl::desc("Print the programs, run nothing"));
static cl::opt<bool> dry("dry", cl::desc("Count constructs, run nothing"));
static cl::opt<unsigned> least("least", cl::init(0),
                               cl::desc("Least count of each construct"));

namespace {

void print(const Case &program) {
  llvm::outs() << program.text;
  for (const auto &[name, value] : program.consts)
    llvm::outs() << "  # const " << name << "=" << value << "\n";
  for (const Shape &shape : program.shapes) {
    llvm::outs() << "  # shape";
    for (const auto &[rank, extent] : shape)
      llvm::outs() << " " << rank << "=" << extent;
    llvm::outs() << "\n";
  }
  llvm::outs().flush();
}

using Counts = std::map<std::string, uint64_t>;

/// A column of names with how often each occurred; whether all are enough.
bool printCounts(llvm::StringRef title, const Counts &counts) {
  bool enough = true;
  llvm::outs() << title << ":\n";
  for (const auto &[name, times] : counts) {
    bool few = times < least;
    enough &= !few;
    if (times == 0 && !few)
      continue;
    llvm::outs() << llvm::formatv("{0,7} {1}{2}\n", times, name,
                                  few ? "   <- too few" : "");
  }
  return enough;
}

} // namespace

int main(int argc, char **argv) {
  cl::ParseCommandLineOptions(argc, argv,
                              "differential fuzzing of the compiler\n");
  CheckOptions options{target, !interpretOnly, dropRepair};
  std::vector<Job> jobs;
  Counts constructs, laws, stages;
  for (const std::string &name : constructNames())
    constructs[name] = 0;
  for (const std::string &name : lawNames())
    laws[name] = 0;
  uint64_t shapes = 0;
  for (uint64_t seed = first; seed < first + count; ++seed) {
    jobs.push_back({seed, {}});
    Case program = generate(jobs.back());
    shapes += program.shapes.size();
    for (const std::string &name : program.constructs)
      ++constructs[name];
    if (dump) {
      llvm::outs() << "# seed " << seed << "\n";
      print(program);
    }
  }
  if (dump)
    return ExitOk;
  if (dry)
    return printCounts("constructs", constructs) ? ExitOk : ExitCheckFailed;

  std::vector<std::pair<size_t, Outcome>> failures;
  uint64_t failed = 0;
  checkAll(jobs, options, jobCount, seconds,
           [&](size_t index, const Outcome &outcome) {
             for (const std::string &law : outcome.laws)
               ++laws[law];
             if (outcome.stage.empty())
               return;
             ++stages[outcome.stage];
             if (outcome.stage == "rejected")
               return;
             ++failed;
             failures.emplace_back(index, outcome);
             llvm::errs() << "seed " << jobs[index].seed << ": "
                          << outcome.stage << "\n";
           });
  if (failures.size() > shown)
    failures.resize(shown);
  for (auto &[index, outcome] : failures) {
    Job job = jobs[index];
    if (minimising) {
      job = minimise(job, outcome.stage, options, 400);
      checkAll({job}, options, 1, seconds,
               [&](size_t, const Outcome &again) { outcome = again; });
    }
    llvm::outs() << "FAIL seed " << job.seed << ": " << outcome.stage << ": "
                 << outcome.message << "\n";
    print(generate(job));
  }
  bool enough = printCounts("constructs", constructs);
  enough &= printCounts("laws", laws);
  for (const auto &[stage, times] : stages)
    llvm::outs() << "stopped at " << stage << ": " << times << "\n";
  llvm::outs() << llvm::formatv("{0} programs, {1} shapes: {2} passed, {3} "
                                "failed, {4} rejected\n",
                                uint64_t(count), shapes,
                                count - failed - stages["rejected"], failed,
                                stages["rejected"]);
  return !failed && enough ? ExitOk : ExitCheckFailed;
}
