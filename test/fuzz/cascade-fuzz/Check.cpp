//===- Check.cpp - one random program through the whole compiler -*- C++ -*-==//
#include "test/fuzz/cascade-fuzz/Check.h"
#include "compiler/Backend.h"
#include "compiler/Oracle.h"
#include "compiler/Pipelines.h"
#include "compiler/Stages.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Builders.h"
#include "mlir/Pass/PassManager.h"
#include "passes/derive/Laws.h"
#include "test/fuzz/cascade-fuzz/Data.h"
#include "test/fuzz/cascade-fuzz/Laws.h"
#include "test/fuzz/cascade-fuzz/Pieces.h"

using namespace mlir;
using namespace attn;
using namespace attn::fuzz;

namespace {

/// One program of so many is cut along its keys, if it can be.
constexpr uint64_t cutEvery = 4;

CascadeOp cascadeOf(ModuleOp module) {
  return *module.getOps<CascadeOp>().begin();
}

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
  int64_t cutPoint(const Run &run) const;
  bool checkPieces();
  bool checkStages();
  bool checkCompiled();

  const Case &text;
  uint64_t seed;
  CheckOptions options;
  std::unique_ptr<Program> program;
  bool isCut = false; ///< into cascades of pieces, too
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

/// Where the keys are cut: nowhere, in the middle, or a piece has none.
int64_t Checker::cutPoint(const Run &run) const {
  auto key = StringAttr::get(program->context.get(), "n");
  int64_t extent = run.extents.lookup(key);
  return std::array{extent / 2, int64_t(0), extent}[seed / cutEvery % 3];
}

bool Checker::checkPieces() {
  CascadeOp cascade = cascadeOf(*program->module);
  for (Run &run : runs) {
    auto got = runInPieces(cascade, run.inputs, run.extents,
                           run.options.extents, cutPoint(run),
                           [](CascadeOp cascade, ArrayRef<Array> inputs,
                              const InterpretOptions &options) {
                             return interpret(cascade, inputs, options);
                           });
    if (!got)
      return fail("pieces", toString(got.takeError()));
    // States are stored in f32.
    if (!compare(run, *got, Precision::Compiled, "pieces"))
      return false;
  }
  outcome.laws.push_back(row(Law::Merge).name.str());
  return true;
}

bool Checker::checkStages() {
  ModuleOp module = *program->module;
  auto stages = stagesOf(module, cascadeOf(module).getSymName());
  if (!stages)
    return fail("passes", toString(stages.takeError()));
  Stages seen;
  for (Stage &stage : *stages) {
    seen[stage.pass] = *stage.module;
    if (!stage.changed)
      continue;
    if (options.dropRepair)
      dropRepairs(*stage.module);
    std::string name = "interpret after " + stage.pass;
    for (Run &run : runs) {
      auto got = interpret(stage.cascade, run.inputs, run.options);
      if (!got)
        return fail(name, toString(got.takeError()));
      if (!compare(run, *got, Precision::Exact, name))
        return false;
    }
  }
  // The schedule goes on from the derived cascade, which still has streams.
  OwningOpRef<ModuleOp> scheduled(
      cast<ModuleOp>(seen.at("attn-derive-online")->clone()));
  PassManager schedule(program->context.get());
  buildSchedule(schedule);
  if (failed(schedule.run(*scheduled)))
    return fail("schedule", "the passes fail");
  seen["schedule"] = *scheduled;
  llvm::append_range(outcome.laws, lawsOf(seen));
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
    if (!isCut)
      continue;
    got = runInPieces(
        cascade, run.inputs, run.extents, run.options.extents, cutPoint(run),
        [&](CascadeOp piece, ArrayRef<Array> inputs,
            const InterpretOptions &options)
            -> llvm::Expected<std::vector<Array>> {
          auto shapes = llvm::map_to_vector(inputs, [](const Array &a) {
            return std::optional<ArrayRef<int64_t>>(a.shape);
          });
          auto extents = bindExtents(piece, shapes, options.extents);
          if (!extents)
            return extents.takeError();
          return callEntry((*library)->find(piece.getSymName()), piece, inputs,
                           *extents, seed);
        });
    if (!got)
      return fail("run in pieces", toString(got.takeError()));
    if (!compare(run, *got, Precision::Compiled, "compare pieces"))
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
  isCut = seed % cutEvery == 0 && cutAlongKeys(program->module);
  for (auto [index, shape] : llvm::enumerate(text.shapes))
    if (!prepare(shape, index))
      return outcome;
  if ((!isCut || checkPieces()) && checkStages() && options.compile)
    checkCompiled();
  return outcome;
}

} // namespace

Outcome fuzz::check(const Case &program, uint64_t seed,
                    const CheckOptions &options) {
  return Checker(program, seed, options).run();
}
