//===- ProgramsTest.cpp - whole programs against the interpreter *- C++ -*-===//
// Each program is compiled as it is written (every definition a step) and as
// the derivation leaves it, and both must agree with its interpretation.
//===----------------------------------------------------------------------===//
#include "compiler/Arguments.h"
#include "compiler/Backend.h"
#include "compiler/Compare.h"
#include "compiler/Execute.h"
#include "compiler/Files.h"
#include "compiler/Pipelines.h"
#include "mlir/Pass/PassManager.h"
#include "passes/Passes.h"
#include "gtest/gtest.h"

using namespace attn;

namespace {

struct Case {
  const char *file;
  std::vector<std::pair<std::string, int64_t>> shape;
  std::vector<NameValue> consts, scalars;
};

void check(const Case &c, bool derived) {
  Options options;
  options.file = std::string(ATTN_SOURCE_DIR "/") + c.file;
  options.shape = c.shape;
  options.consts = c.consts;
  options.inputs = c.scalars;
  options.seed = 7;
  auto program = loadFile(options);
  ASSERT_TRUE(program);
  CascadeOp cascade = chooseCascade(*program, options);
  ASSERT_TRUE(cascade);
  Arguments arguments;
  ASSERT_EQ(makeArguments(cascade, options, arguments), ExitOk);
  auto exact =
      interpret(cascade, arguments.inputs, interpretOptions(arguments));
  ASSERT_TRUE(bool(exact)) << llvm::toString(exact.takeError());

  mlir::OwningOpRef<mlir::ModuleOp> module(
      mlir::cast<mlir::ModuleOp>(program->module.get()->clone()));
  mlir::PassManager passes(program->context.get());
  if (derived)
    buildDerivation(passes);
  else
    passes.nest<CascadeOp>().addPass(createAttnGuards());
  ASSERT_TRUE(mlir::succeeded(passes.run(*module)));
  auto target = codegenOptions("native");
  ASSERT_TRUE(bool(target)) << llvm::toString(target.takeError());
  auto generated = generate(*module, *target);
  ASSERT_TRUE(bool(generated)) << llvm::toString(generated.takeError());
  auto jit = Jit::compile(std::move(*generated));
  ASSERT_TRUE(bool(jit)) << llvm::toString(jit.takeError());
  auto outputs = execute((*jit)->find(symbolName(cascade.getSymName())),
                         cascade, arguments.inputs, arguments.extents);
  ASSERT_TRUE(bool(outputs)) << llvm::toString(outputs.takeError());
  llvm::SmallVector<mlir::Type> types;
  for (mlir::Type type : cascade.getBody().getArgumentTypes())
    types.push_back(mlir::cast<NamedTensorType>(type).getElementType());
  for (auto [got, want] : llvm::zip(*outputs, *exact)) {
    Comparison result = compare(got, want, oracleTolerance(got.element, types));
    EXPECT_EQ(result.problem, "");
  }
}

class Programs : public testing::TestWithParam<Case> {};

TEST_P(Programs, AsWritten) { check(GetParam(), false); }
TEST_P(Programs, Derived) { check(GetParam(), true); }

const Case cases[] = {
    {"examples/alibi.attn",
     {{"b", 1}, {"h", 3}, {"m", 5}, {"n", 7}, {"d", 3}, {"e", 5}},
     {},
     {}},
    {"examples/gqa.attn",
     {{"b", 1}, {"h", 4}, {"g", 2}, {"m", 7}, {"n", 5}, {"d", 3}, {"e", 4}},
     {},
     {}},
    {"examples/retention.attn",
     {{"b", 2}, {"h", 2}, {"t", 5}, {"d", 3}, {"e", 4}},
     {},
     {}},
    {"examples/gated_delta.attn",
     {{"b", 1}, {"h", 2}, {"t", 7}, {"d", 3}, {"e", 5}},
     {},
     {}},
    {"examples/zoo/linear-14-lla/lla.attn",
     {{"b", 1}, {"h", 1}, {"m", 5}, {"n", 5}, {"d", 3}, {"e", 2}},
     {{"steps", "3"}},
     {{"eps", "0.001"}, {"lam", "0.5"}}},
    {"examples/zoo/lowrank-08-nystrom/nystrom.attn",
     {{"b", 1}, {"h", 1}, {"n", 3}, {"d", 2}, {"e", 2}},
     {{"B", "2"}, {"steps", "2"}},
     {}},
    {"examples/zoo/lowrank-08-nystrom/nystrom.attn",
     {{"b", 1}, {"h", 1}, {"n", 3}, {"d", 2}, {"e", 2}},
     {{"B", "2"}, {"steps", "0"}},
     {}},
};

INSTANTIATE_TEST_SUITE_P(All, Programs, testing::ValuesIn(cases),
                         [](const auto &info) {
                           llvm::StringRef name = info.param.file;
                           name = name.rsplit('/').second.split('.').first;
                           return name.str() + "_" + std::to_string(info.index);
                         });

} // namespace
