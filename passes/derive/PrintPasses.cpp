//===- PrintPasses.cpp - --attn-print-passes --------------------*- C++ -*-===//
// One line a rank that the cascade reduces: passes over it, and the chain of
// statements that needs them.
#include "mlir/Pass/Pass.h"
#include "passes/derive/PassCount.h"
#include "llvm/Support/raw_ostream.h"

namespace attn {
#define GEN_PASS_DEF_ATTNPRINTPASSES
#include "passes/derive/Passes.h.inc"
} // namespace attn

namespace {

struct PrintPasses : attn::impl::AttnPrintPassesBase<PrintPasses> {
  void runOnOperation() override {
    attn::CascadeOp cascade = getOperation();
    std::string text = ("passes of " + cascade.getSymName() + "\n").str();
    for (const attn::RankPasses &passes : attn::countPasses(cascade))
      text += "  " + passes.rank.str() + ": " + passes.number() + ": " +
              passes.reason() + "\n";
    llvm::outs() << text;
    markAllAnalysesPreserved();
  }
};

} // namespace
