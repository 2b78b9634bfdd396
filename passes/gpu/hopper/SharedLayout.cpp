//===- SharedLayout.cpp - shared memory of a kernel -------------*- C++ -*-===//
#include "passes/gpu/hopper/SharedLayout.h"

using namespace attn::gpu;

SharedLayout::SharedLayout(const Roles &roles, int64_t limit) {
  int64_t stored = 0, before = 0, streamed = 0;
  for (const SharedLoad &load : roles.loads)
    (load.inStream ? streamed : before) += load.bytes();
  for (const SharedStore &store : roles.stores)
    stored += roles.lanes * store.columns * 2;
  // The next point's loads matter more than stores of their own, these more
  // than what a store costs that goes straight to memory.
  struct Choice {
    int64_t stages;
    bool share, stage;
  };
  constexpr Choice choices[] = {{2, false, true},
                                {2, true, true},
                                {1, true, true},
                                {1, false, true},
                                {1, false, false}};
  for (const Choice &choice : choices) {
    if (choice.share && before < stored)
      continue;
    int64_t need =
        2 * alignment + streamStages * streamed + choice.stages * before;
    if (choice.stage && !choice.share)
      need += stored;
    if (need > limit)
      continue;
    pointStages = choice.stages;
    storesShare = choice.share;
    bytes = need;
    // Barriers.
    int64_t at = 0;
    auto ring = [&](int64_t stages) {
      Ring made{at, stages};
      at += 16 * stages;
      return made;
    };
    for (const SharedLoad &load : roles.loads)
      loads.push_back(load.inStream ? ring(streamStages) : Ring());
    point = ring(pointStages);
    line = roles.isClassified() ? ring(1) : point;
    if (roles.isClassified())
      message = ring(messageStages);
    messageWords = at;
    at += 4 * messageStages;
    lineWords = at = (at + lineBytes - 1) / lineBytes * lineBytes;
    at += lineBytes * line.stages;
    zeros = at;
    if (roles.halved)
      at += zeroBytes;
    if (at > alignment) {
      bytes = 0;
      return;
    }
    // Boxes; a stage of the point's loads is one piece.
    at = alignment;
    int64_t first = at;
    for (const SharedLoad &load : roles.loads) {
      if (load.inStream)
        tiles.push_back(0);
      else
        tiles.push_back(at), at += load.bytes();
    }
    pointBytes = at - first;
    at = first + pointBytes * pointStages;
    for (auto [load, tile] : llvm::zip(roles.loads, tiles))
      if (load.inStream)
        tile = at, at += load.bytes() * streamStages;
    int64_t from = storesShare ? first : at;
    for (const SharedStore &store : roles.stores) {
      stores.push_back(choice.stage ? from : -1);
      from += roles.lanes * store.columns * 2;
    }
    return;
  }
}
