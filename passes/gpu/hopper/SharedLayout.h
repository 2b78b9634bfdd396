//===- SharedLayout.h - shared memory of a kernel ---------------*- C++ -*-===//
// Barriers, lines and messages in the first KiB, then the boxes. What the
// stream reads and what a grid point reads before it have a ring of stages
// each, so that the next boxes come while these are used. Barriers come in
// pairs, a stage each: it is full, it is empty.
//===----------------------------------------------------------------------===//
#ifndef ATTN_PASSES_GPU_HOPPER_SHAREDLAYOUT_H
#define ATTN_PASSES_GPU_HOPPER_SHAREDLAYOUT_H

#include "passes/gpu/hopper/Roles.h"

namespace attn::gpu {

/// Where things are in shared memory, in bytes from its aligned start.
struct SharedLayout {
  SharedLayout(const Roles &roles, int64_t limit);

  static constexpr int64_t alignment = 1024;
  static constexpr int64_t streamStages = 2; // powers of two, all of them
  static constexpr int64_t messageStages = 8;
  int64_t pointStages = 2;

  struct Ring {
    int64_t barriers = 0, stages = 1;
    int64_t full(int64_t stage = 0) const { return barriers + 16 * stage; }
    int64_t empty(int64_t stage = 0) const { return full(stage) + 8; }
  };
  /// Of each load of the stream, by number; others have none of their own.
  llvm::SmallVector<Ring> loads;
  /// Of the loads of grid points.
  Ring point;
  /// Of the words that say which point it is; where steps are classified they
  /// come before its loads, else with them.
  Ring line;
  int64_t lineWords = 0;
  static constexpr int64_t lineBytes = 128; // the last word: WarpgroupLowering
  /// Of the steps of a classified stream: a word each.
  Ring message;
  int64_t messageWords = 0;

  /// Zeros: a matrix all of whose rows are these.
  int64_t zeros = 0;
  static constexpr int64_t zeroBytes = 128;
  llvm::SmallVector<int64_t> tiles;  // by load
  int64_t pointBytes = 0;            // a stage of a point's loads together
  llvm::SmallVector<int64_t> stores; // by store; -1: it has no room
  /// Stores use the memory of the grid point's own loads, once these are read.
  bool storesShare = false;
  int64_t bytes = 0; // room to align the start included; 0: too much
};

} // namespace attn::gpu
#endif // ATTN_PASSES_GPU_HOPPER_SHAREDLAYOUT_H
