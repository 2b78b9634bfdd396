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
// Where a branch for huge values would cost too much (Shifts.cpp), a warpgroup
// that meets some says so in the point's line, and the point comes again, for
// code that takes differences first.
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

class PointOrder;

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
  void tellHuge(Value isHuge) override;
  int64_t partsOf(mlir::StringAttr rank) const override {
    return half && rank == roles.halved ? 2 : 1;
  }
  Value partBegin(mlir::StringAttr rank) const override {
    return half && rank == roles.halved ? b.mul(half, b.i32(64)) : Value();
  }

  // Both sides: Warpgroups.cpp.
  using Ring = SharedLayout::Ring;
  /// A barrier of the stage that use number `count` (i32) of a ring has.
  Value fullBarrier(const Ring &ring, Value count);
  Value emptyBarrier(const Ring &ring, Value count);
  void waitFull(const Ring &ring, Value count);
  void waitEmpty(const Ring &ring, Value count);
  /// A use of a ring.
  struct Use {
    const Ring &ring;
    Value count;
  };
  void waitEither(Value isFirst, Use first, Use second);
  Value stageOf(const Ring &ring, Value count);
  /// Where the boxes of a load lie; `count`: uses of its ring.
  Value boxes(const SharedLoad &load, Value count);
  /// The line of words of a grid point; a step's word.
  Value lineOf(Value count);
  Value messageAt(Value count);
  /// A word of the point's line: is it wanted again?
  Value againAt(Value count);
  /// The grid point's coordinates and what they decide, for this side.
  void bindPoint(mlir::ValueRange coordinates);
  unsigned numberOf(const SharedLoad &load) const {
    return &load - roles.loads.data();
  }
  Value address(int64_t offset, Value index = {}, int64_t stride = 0);

  // Who takes points: Points.cpp.
  /// `body` at each grid point that the block takes.
  void forPoints(llvm::function_ref<void()> body);
  void forRepeatedPoints(llvm::function_ref<void()> body);
  void startPoint(PointOrder &order, Value item, Value isAgain = {});
  void endPoints();
  void emitScalars();
  void asLead(llvm::function_ref<void()> body);
  Value takeTicket();
  void returnTicket(Value ticket);
  Value bound(Value scalar);
  void emitBounds();
  /// A line's words: 0 (1: it comes again) or -1, four bounds, the point's
  /// coordinates.
  static constexpr unsigned firstCoordinate = 5;
  void sayPoint(Value first, mlir::ValueRange coordinates);

  // The copying thread: Producer.cpp.
  void emitProducer();
  void emitCopier();
  /// Until its stage is free; its boxes, those of some halves; by the lead.
  void emitStepCopies(Value step, Value halves = {});
  void emitCopies(const SharedLoad &load, Value to, Value barrier,
                  Value halves = {});
  void copyPoint();
  void emitSteps();
  Values boxCoordinates(mlir::Region &indices, unsigned rowRank, Value row);

  // The classifying warp: Classifier.cpp.
  void emitClassifier();
  /// A step's word: its number, and of each warpgroup four bits: which halves
  /// have points for it (or all of the step); are conditions to be asked there
  /// that bounds follow from, and others? None of these: it is full.
  static constexpr int64_t groupBits = 4;
  static constexpr int64_t halfBits = 3, asksOrdered = 4, asksOthers = 8;
  int64_t allGroupsBits() const { return roles.lanes / 64 * groupBits; }
  void sayStep(Value word);
  class StepQuestion;
  void classifySteps();

  // The others: Consumer.cpp.
  void emitConsumer();
  void emitPoint(mlir::ValueRange coordinates);
  void emitBlock(mlir::Block &block);
  void emitOperation(mlir::Operation &op);
  void emitStore(tile::StoreOp op);
  void emitBoxStore(const SharedStore &store, int64_t room);
  void awaitPoint();
  void releasePoint();

  // Products.cpp.
  Values start(tile::EinsumOp op, Value count, mlir::ArrayRef<Value> fragments,
               mlir::ArrayRef<Value> sum, Value halves = {});
  Values fragmentsOf(tile::EinsumOp op);
  void emitContraction(tile::EinsumOp op);
  void release(const SharedLoad &load, Value count, Value unless = {});
  bool isLastUser(const SharedLoad &load, mlir::Operation *op) const;
  /// Does one of the products read the load?
  static bool reads(mlir::ArrayRef<tile::EinsumOp> products,
                    const SharedLoad &load);

  struct Step {
    Value step, count; // i32; the latter: of the rings
    bool full = false;
    /// Where steps are halved: which halves have points for this warpgroup
    /// (i32: 1 the first, 2 the second, 3 both); the number of the one that is
    /// computed, null: all of the step is.
    Value halves = {}, half = {};
    /// Then: the bits of its word.
    Value bits = {};
    /// i1; null: `full` says it. Then the step is full where this holds and
    /// the products that it asks are small, too (Roles::asksProducts).
    Value mayBeFull = {};
    /// Of a classified stream: how many messages were read.
    Value messages = {};
  };
  using StepBody = llvm::function_ref<Values(const Step &, mlir::ValueRange)>;

  // One step: Steps.cpp.
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
  /// Values of slices that nobody asked for: what threads do together is not
  /// removed later.
  static Values dropUnused(mlir::Block &block, Values results);
  Values plainStep(const Step &step, mlir::ValueRange carried);

  // All steps: Stream.cpp.
  void emitStream();
  /// Of a step's word: its number; the bits of this warpgroup.
  Value stepOf(Value word) {
    return mlir::arith::ShRUIOp::create(b, word, b.i32(allGroupsBits()));
  }
  Value bitsOf(Value word);
  Value isFullStep(Value bits);
  /// Is one of `bits` set in a word?
  Value anyOf(Value word, int64_t bits);
  /// All steps from `from` on; classified ones: that are still to come.
  Values forSteps(Value from, mlir::ValueRange carried, StepBody body);
  Values forClassifiedSteps(mlir::ValueRange carried, StepBody body);
  /// Message number `count`: the next step's word, -1 behind the last.
  Value nextWord(Value count);
  void forParts(llvm::function_ref<void(Reduce, Value &)> change);
  Values flatten(mlir::ValueRange tilesOf);
  /// Into the states' registers; how many values these are.
  size_t assign(mlir::ValueRange values);
  mlir::ValueRange states() const;

  // OverlappedSteps.cpp.
  Values emitOverlapped(const Values &before);
  Values overlappedStep(const Step &step, mlir::ValueRange carried);
  Values startTrailing(mlir::ValueRange fragments, Value before);
  void finishTrailing(mlir::ArrayRef<Value> running, Value before,
                      Value halves);
  llvm::SmallVector<mlir::Operation *> between(mlir::Block &body,
                                               bool guardsFirst) const;
  Values afterStep();
  Values finishOverlapped(mlir::ValueRange carried);

  // HalvedSteps.cpp.
  Values emitHalved(const Values &before);
  Values halvedStep(Step step, mlir::ValueRange carried);
  Values maskedProducts(const Step &step, Values products);
  Values skippedStep(const Step &step, mlir::ValueRange carried);
  /// Halves of a step that is none: there is no step before.
  static constexpr int64_t nothing = 4;
  Value isNothing(Value halves);

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
  bool repeats = false; // do points come again?
  bool isAgain = false; // the code is for those that do
  Value half;           // i32, the one that is computed; null: all of a step
};

} // namespace attn::gpu
#endif // ATTN_PASSES_GPU_HOPPER_WARPGROUPS_H
