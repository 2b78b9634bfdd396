//===- DeriveOnline.cpp - --attn-derive-online ------------------*- C++ -*-===//
// Normalises a cascade, partitions it into streams, and writes each stream as
// a one-pass kernel. Cascades without one are left as they are.
#include "mlir/Pass/Pass.h"
#include "passes/Expr.h"
#include "passes/cascade/Dependences.h"
#include "passes/cascade/Normalise.h"
#include "passes/derive/Laws.h"
#include "passes/derive/Online.h"
#include "passes/derive/Passes.h"

namespace attn {
#define GEN_PASS_DEF_ATTNNORMALISE
#define GEN_PASS_DEF_ATTNDERIVEONLINE
#include "passes/derive/Passes.h.inc"
} // namespace attn

using namespace attn;

void attn::renormalise(CascadeOp cascade) {
  eraseDead(cascade);
  inlineMaps(cascade);
  splitRanks(cascade);
  shareEinsums(cascade.getBody().front());
  eraseDead(cascade);
  // Definitions came and went: which of them are recurrences, and how they
  // are walked, is found anew.
  (void)markRecurrences(cascade, /*diagnose=*/false);
}

namespace {

struct Normalise : attn::impl::AttnNormaliseBase<Normalise> {
  void runOnOperation() override {
    CascadeOp cascade = getOperation();
    nameMonoids(cascade);
    renormalise(cascade);
  }
};

struct DeriveOnline : attn::impl::AttnDeriveOnlineBase<DeriveOnline> {
  using AttnDeriveOnlineBase::AttnDeriveOnlineBase;

  void runOnOperation() override {
    CascadeOp cascade = getOperation();
    cascade->setAttr(kStreamTileName,
                     mlir::Builder(&getContext()).getI64IntegerAttr(tile));
    if (!walkPrefixes)
      cascade->setAttr(kKeepPrefixesName, mlir::UnitAttr::get(&getContext()));
    applyLaws(cascade);
    cascade->removeAttr(kStreamTileName);
    cascade->removeAttr(kKeepPrefixesName);
    eraseDead(cascade);
    absorbEnds(cascade);
  }
};

} // namespace
