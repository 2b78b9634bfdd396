//===- Check.cpp - one random program through the whole compiler -*- C++ -*-==//
#include "test/fuzz/cascade-fuzz/Check.h"
#include "compiler/Backend.h"
#include "compiler/Oracle.h"
#include "compiler/Pipelines.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Builders.h"
#include "mlir/Pass/PassManager.h"
#include "passes/Passes.h"
#include "passes/derive/Passes.h"
#include "passes/schedule/Passes.h"
#include "test/fuzz/cascade-fuzz/Data.h"
#include "test/fuzz/cascade-fuzz/Laws.h"

using namespace mlir;
using namespace attn;
using namespace attn::fuzz;

namespace {

CascadeOp cascadeOf(ModuleOp module) {
  return *module.getOps<CascadeOp>().begin();
}

/// Passes after which the cascade means what it meant.
struct Stage {
  const char *name;
  std::unique_ptr<Pass> (*create)();
};
const Stage stages[] = {
    {"attn-guards", [] { return createAttnGuards(); }},
    {"attn-normalise", [] { return createAttnNormalise(); }},
    {"attn-derive-online", [] { return createAttnDeriveOnline(); }},
    {"attn-partition", [] { return createAttnPartition(); }},
};

/// Sets each repair factor to 1: an online rule without h(old, new).
void dropRepairs(ModuleOp module) {
  module.walk([](EinsumOp einsum) {
    auto name = cast<StringAttr>(einsum.getNames()[0]).getValue();
    if (!name.ends_with(".repair"))
      return;
    YieldOp yield = einsum.getMapYield();
    OpBuilder builder(yield);
    yield->setOperand(0, arith::ConstantOp::create(builder, yield.getLoc(),
                                                   builder.getF64FloatAttr(1)));
  });
}

struct Run {
  Extents extents;
  std::vector<Array> inputs, want;
  std::optional<std::vector<Array>> rough; ///< naive results, on demand
  InterpretOptions options;
};

class Checker {
public:
  Checker(const Case &program, uint64_t seed, const CheckOptions &options)
      : text(program), seed(seed), options(options) {}
  Outcome run();

private:
  bool fail(const std::string &stage, const std::string &message) {
    outcome.stage = stage;
    outcome.message = message;
    return false;
  }
  bool prepare(const Shape &shape, unsigned index);
  bool compare(Run &run, const std::vector<Array> &got, Precision precision,
               const std::string &stage);
  const Array *naive(Run &run, unsigned output);
  bool checkStages();
  bool checkCompiled();

  const Case &text;
  uint64_t seed;
  CheckOptions options;
  std::unique_ptr<Program> program;
  OwningOpRef<ModuleOp> rough;
  std::vector<Run> runs;
  Outcome outcome;
};

bool Checker::prepare(const Shape &shape, unsigned index) {
  CascadeOp cascade = cascadeOf(*program->module);
  Run run;
  for (auto &[rank, extent] : shape)
    if (cascade.findRank(rank))
      run.options.extents[rank] = extent;
  std::vector<std::optional<ArrayRef<int64_t>>> unknown(
      cascade.getInputs().size());
  auto extents = bindExtents(cascade, unknown, run.options.extents);
  if (!extents)
    return fail("extents", toString(extents.takeError()));
  run.extents = std::move(*extents);
  run.inputs = makeInputs(cascade, text, run.extents, seed * 4 + index);
  auto want = interpret(cascade, run.inputs, run.options);
  if (!want)
    return fail("interpret", toString(want.takeError()));
  run.want = std::move(*want);
  runs.push_back(std::move(run));
  return true;
}

const Array *Checker::naive(Run &run, unsigned output) {
  if (!rough)
    rough = makeNaive(*program->module);
  if (!run.rough) {
    auto results = interpret(cascadeOf(*rough), run.inputs, run.options);
    if (!results) {
      llvm::consumeError(results.takeError());
      return nullptr;
    }
    run.rough = std::move(*results);
  }
  return &(*run.rough)[output];
}

bool Checker::compare(Run &run, const std::vector<Array> &got,
                      Precision precision, const std::string &stage) {
  ArrayAttr ports = cascadeOf(*program->module).getOutputs();
  for (unsigned i = 0; i < got.size(); ++i) {
    std::string problem = attn::compare(got[i], run.want[i], precision, [&] {
                            return naive(run, i);
                          }).problem;
    if (problem.empty())
      continue;
    std::string name = cast<PortAttr>(ports[i]).getName().str();
    if (&run != &runs.front())
      name = "second shape: " + name;
    return fail(stage, name + problem);
  }
  return true;
}

bool Checker::checkStages() {
  // What each pass left; a clone of the last one goes on.
  SmallVector<OwningOpRef<ModuleOp>> left;
  auto next = [&] {
    ModuleOp last = left.empty() ? *program->module : *left.back();
    left.emplace_back(cast<ModuleOp>(last->clone()));
    return *left.back();
  };
  for (const Stage &stage : stages) {
    ModuleOp module = next();
    PassManager passes(program->context.get());
    passes.nest<CascadeOp>().addPass(stage.create());
    std::string name = std::string("interpret after ") + stage.name;
    if (failed(passes.run(module)))
      return fail(stage.name, "the pass fails");
    if (options.dropRepair)
      dropRepairs(module);
    for (Run &run : runs) {
      auto got = interpret(cascadeOf(module), run.inputs, run.options);
      if (!got)
        return fail(name, toString(got.takeError()));
      if (!compare(run, *got, Precision::Exact, name))
        return false;
    }
  }
  // The schedule goes on from the derived cascade, which still has streams.
  ModuleOp derived = *left[2];
  OwningOpRef<ModuleOp> scheduled(cast<ModuleOp>(derived->clone()));
  PassManager schedule(program->context.get());
  buildSchedule(schedule);
  if (failed(schedule.run(*scheduled)))
    return fail("schedule", "the passes fail");
  outcome.laws = lawsOf({*left[0], *left[1], derived, *scheduled});
  return true;
}

bool Checker::checkCompiled() {
  auto library = jitCompile(*program, options.target);
  if (!library)
    return fail("compile", toString(library.takeError()));
  CascadeOp cascade = cascadeOf(*program->module);
  const attn_entry_desc *entry = (*library)->find(cascade.getSymName());
  if (!entry)
    return fail("compile", "the library has no such entry");
  for (Run &run : runs) {
    auto got = callEntry(entry, cascade, run.inputs, run.extents, seed);
    if (!got)
      return fail("run", toString(got.takeError()));
    if (!compare(run, *got, Precision::Compiled, "compare"))
      return false;
  }
  return true;
}

Outcome Checker::run() {
  std::string messages;
  llvm::raw_string_ostream os(messages);
  text::ImportOptions import;
  for (const auto &[name, value] : text.consts)
    import.consts[name] = value;
  program = loadText("fuzz.attn", text.text, import, os);
  if (!program) {
    // An access that is always outside is an error, and nothing to generate
    // around: rewriting shows it in expressions that look harmless.
    fail(StringRef(messages).contains("at every point") ? "rejected" : "import",
         messages);
    return outcome;
  }
  for (auto [index, shape] : llvm::enumerate(text.shapes))
    if (!prepare(shape, index))
      return outcome;
  if (checkStages() && options.compile)
    checkCompiled();
  return outcome;
}

} // namespace

Outcome fuzz::check(const Case &program, uint64_t seed,
                    const CheckOptions &options) {
  return Checker(program, seed, options).run();
}
