//===- StreamJoins.cpp - what joins a stream that is found ------*- C++ -*-===//
#include "passes/derive/Finder.h"

using namespace mlir;
using namespace attn;

/// PRODUCT: further reductions over the rank that read what this stream has on
/// the way run with it.
void Finder::join(Stream &stream, ArrayRef<EinsumOp> candidates) {
  for (EinsumOp op : candidates) {
    bool keepsRows = llvm::all_of(stream.rows, [&](StringAttr rank) {
      return contains(op.getSpace(), rank);
    });
    if (!keepsRows || claimed.contains(op) || stream.isMember(op) ||
        streamedRank(op) != stream.rank || readsBasePoint(op))
      continue;
    // What members take for finished stays so.
    if (llvm::any_of(stream.reductions,
                     [&](EinsumOp member) { return dependsOnOp(member, op); }))
      continue;
    fuseLate = true;
    Stream trial = stream;
    if (!collect(op, trial))
      continue;
    trial.reductions.insert(op);
    if (llvm::any_of(trial.points,
                     [&](EinsumOp point) { return runsApart(point, trial); }))
      continue;
    // It shares if it, or a point that it brings, reads a member.
    auto reads = [&](EinsumOp member) {
      return !stream.isMember(member) &&
             llvm::any_of(readsOf(member), [&](ReadOp read) {
               return stream.isPoint(read.getTensor()) ||
                      stream.isLate(read.getTensor());
             });
    };
    bool shares = llvm::any_of(trial.reductions, reads) ||
                  llvm::any_of(trial.points, reads);
    if (shares && !refusal(trial)) {
      noteLaw(cascade, Law::Product, nameOf(op));
      stream = std::move(trial);
    }
  }
}

/// Maps over rows that finish what the stream made run in its kernel.
void Finder::addEpilogue(Stream &stream) {
  auto isCovered = [&](EinsumOp op) {
    return llvm::all_of(strings(op.getSpace()), [&](StringAttr rank) {
      return llvm::any_of(stream.reductions, [&](EinsumOp reduction) {
        return contains(reduction.getSpace(), rank);
      });
    });
  };
  auto fits = [&](EinsumOp op) {
    if (op.isReduction() || op.getNumResults() != 1 || stream.isMember(op) ||
        claimed.contains(op) || !op.getGuard().empty() || !isCovered(op) ||
        !llvm::all_of(stream.rows, [&](StringAttr rank) {
          return contains(op.getSpace(), rank);
        }))
      return false;
    bool finishes = false;
    for (ReadOp read : readsOf(op)) {
      Value tensor = read.getTensor();
      if (stream.isLate(tensor)) {
        if (!isPlainRead(read, op) || isIndex(read))
          return false;
        finishes = true;
        continue;
      }
      // All else is there before the kernel runs.
      if (Operation *def = tensor.getDefiningOp())
        for (EinsumOp reduction : stream.reductions)
          if (isa<EquationsOp>(def) || dependsOnOp(def, reduction))
            return false;
    }
    return finishes;
  };
  for (bool changed = true; changed;) {
    changed = false;
    for (auto op : cascade.getBody().front().getOps<EinsumOp>())
      if (fits(op)) {
        stream.late.insert(op);
        claimed.insert(op); // it is a result of this kernel, of no other
        changed = true;
      }
  }
}
