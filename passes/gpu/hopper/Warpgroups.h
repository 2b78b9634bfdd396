//===- Warpgroups.h - a tile kernel by warpgroups ---------------*- C++ -*-===//
// One thread brings boxes of tensors into shared memory by the copy engine; the
// other warpgroups, 64 lanes of the tile each, multiply them and keep every
// other tile in registers:
//   a tile over lanes and columns as the accumulators of a product lie,
//   one over lanes alone in all threads that have these lanes,
//   one over columns alone in all threads that have these columns.
// A block takes grid points until none is left; the copying thread says which,
// and runs ahead: the boxes of a point come while the one before is computed.
// Where steps are classified a warp of its own does so, and tells all others.
//===----------------------------------------------------------------------===//
#ifndef ATTN_PASSES_GPU_HOPPER_WARPGROUPS_H
#define ATTN_PASSES_GPU_HOPPER_WARPGROUPS_H

#include "passes/cpu/LowerCascade.h"
#include "passes/gpu/Fragments.h"
#include "passes/gpu/hopper/FastRegion.h"
#include "passes/gpu/hopper/Ptx.h"
#include "passes/gpu/hopper/SharedLayout.h"

namespace attn::gpu {

/// What a launch of the kernel needs, but for its name.
cpu::DeviceKernel describeWarpgroups(const Roles &roles,
                                     const SharedLayout &layout);

class WarpgroupLowering : Fragments {
  using Value = mlir::Value;

public:
  /// `items`: how many grid points there are; `tickets`: the counter that says
  /// which of them are taken, 0 before and after.
  struct Work {
    Value items, tickets;
    mlir::ValueRange maps;
  };
  WarpgroupLowering(cpu::CodeBuilder &b, cpu::TileSurroundings &outside,
                    tile::KernelOp kernel, const Roles &roles,
                    const SharedLayout &layout, Work work);

  void emit();

private:
  const FastRegion &surroundings() const override { return *scalars; }
  bool meetsAtOnce(tile::EinsumOp op) const override {
    return !roles.inParts.contains(op);
  }

  // Both sides: Warpgroups.cpp.
  using Ring = SharedLayout::Ring;
  /// A barrier of the stage that use number `count` (i32) of a ring has.
  Value fullBarrier(const Ring &ring, Value count);
  Value emptyBarrier(const Ring &ring, Value count);
  void waitFull(const Ring &ring, Value count);
  void waitEmpty(const Ring &ring, Value count);
  Value stageOf(const Ring &ring, Value count);
  /// Where the boxes of a load lie; `count`: uses of its ring.
  Value boxes(const SharedLoad &load, Value count);
  /// The line of words of a grid point; a step's word.
  Value lineOf(Value count);
  Value messageAt(Value count);
  /// The grid point's coordinates and what they decide, for this side.
  void bindPoint(mlir::ValueRange coordinates);
  unsigned numberOf(const SharedLoad &load) const {
    return &load - roles.loads.data();
  }
  Value address(int64_t offset, Value index = {}, int64_t stride = 0);

  // The copying thread, and the classifying warp: Producer.cpp.
  void emitProducer();
  void emitClassifier();
  void emitCopier();
  /// `body` at each grid point that the block takes.
  void forPoints(llvm::function_ref<void()> body);
  void emitScalars();
  void asLead(llvm::function_ref<void()> body);
  Value takeTicket();
  void returnTicket(Value ticket);
  Value bound(Value scalar);
  void emitBounds();
  /// Until its stage is free; its boxes; by the lead.
  void emitStepCopies(Value step);
  void emitCopies(const SharedLoad &load, Value to, Value barrier);
  /// A line's words: 0 or -1, four bounds, the point's coordinates.
  static constexpr unsigned firstCoordinate = 5;
  void sayPoint(mlir::ValueRange coordinates);
  void copyPoint();
  void sayStep(Value word);
  void emitSteps();
  void classifySteps();
  Values boxCoordinates(mlir::Region &indices, unsigned rowRank, Value row);

  // The others: Consumer.cpp.
  void emitConsumer();
  void emitBlock(mlir::Block &block);
  void emitOperation(mlir::Operation &op);
  void emitStore(tile::StoreOp op);
  void emitBoxStore(const SharedStore &store, int64_t room);
  void awaitPoint();
  void releasePoint();

  // Products and steps: Steps.cpp.
  Values start(tile::EinsumOp op, Value count, mlir::ArrayRef<Value> fragments,
               mlir::ArrayRef<Value> sum);
  Values fragmentsOf(tile::EinsumOp op);
  void emitContraction(tile::EinsumOp op);
  void release(const SharedLoad &load, Value count);
  bool isLastUser(const SharedLoad &load, mlir::Operation *op) const;

  struct Step {
    Value step, count; // i32; the latter: of the rings
    bool full = false;
    /// i1; null: `full` says it. Then the step is full where this holds and
    /// the products that it asks are small, too (Roles::asksProducts).
    Value mayBeFull = {};
    /// Of a classified stream: how many messages were read.
    Value messages = {};
  };
  using StepBody = llvm::function_ref<Values(const Step &, mlir::ValueRange)>;
  void emitStream();
  void beginStep(const Step &step);
  void setFull(bool isFull);
  /// `body` of a step that is full where the flag says so.
  Values eitherStep(Value isFull, const Step &step, mlir::ValueRange carried,
                    StepBody body);
  /// Are all values small, in all threads of the warp?
  Value areSmall(mlir::ArrayRef<Value> values);
  void bindStep(Value step);
  llvm::SmallVector<tile::LoadOp> slicedLoads() const;
  /// Do reads of a step decide whether it is full?
  bool asksReads() const;
  Value withReads(Value isFull, Value step);
  /// All steps from `from` on; classified ones: that are still to come.
  Values forSteps(Value from, mlir::ValueRange carried, StepBody body);
  Values forClassifiedSteps(mlir::ValueRange carried, StepBody body);
  /// Message number `count`: the next step's word, -1 behind the last.
  Value nextWord(Value count);
  Values emitOverlapped(const Values &before);
  llvm::SmallVector<mlir::Operation *> between(mlir::Block &body,
                                               bool guardsFirst) const;
  Values overlappedStep(const Step &step, mlir::ValueRange carried);
  Values plainStep(const Step &step, mlir::ValueRange carried);
  Values afterStep();
  Values finishOverlapped(mlir::ValueRange carried);
  void forParts(llvm::function_ref<void(Reduce, Value &)> change);
  Values flatten(mlir::ValueRange tilesOf);
  /// Into the states' registers; how many values these are.
  size_t assign(mlir::ValueRange values);
  mlir::ValueRange states() const;

  tile::KernelOp kernel;
  const Roles &roles;
  const SharedLayout &layout;
  Work work;
  std::unique_ptr<FastRegion> scalars; // of this side

  Value shared;    // i32, aligned
  Value thread;    // i32, in the block
  Value lead;      // i1; null: the only thread here
  Value isFirst;   // i1: the first of its warp
  Value groupLane; // i32, first of the warpgroup in the tile
  Value warp;      // i32, of the warpgroup
  Value lower, upper, fullLower, fullUpper; // i32
  // How often the rings of points, of steps and of messages were used.
  Value points, steps, messages;
  bool pointAwaited = false, pointReleased = false;
};

} // namespace attn::gpu
#endif // ATTN_PASSES_GPU_HOPPER_WARPGROUPS_H
