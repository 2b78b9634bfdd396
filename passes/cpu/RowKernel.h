//===- RowKernel.h - kernels that run a row at a time -----------*- C++ -*-===//
// One function over the points of a kernel's parallel ranks. What only the
// kernel reads lives in the worker's scratch memory, for these points and,
// where a rank runs in blocks, for the rows of a block and their neighbours. On
// a GPU a point is a block of threads, which share the points of each row.
//===----------------------------------------------------------------------===//
#ifndef ATTN_PASSES_CPU_ROWKERNEL_H
#define ATTN_PASSES_CPU_ROWKERNEL_H

#include "passes/cpu/LowerCascade.h"
#include "passes/cpu/Units.h"
#include "passes/schedule/Windows.h"

namespace attn::cpu {

class RowKernel {
  using Value = mlir::Value;

public:
  /// `device`: null on the CPU.
  RowKernel(const Plan &plan, const Step &step, DeviceSteps *device);

  llvm::LogicalResult lower(CascadeLowering &lowering);
  /// Bytes a worker keeps, as text.
  std::string formula() const;

private:
  /// Where a tensor of the rows is in the scratch memory.
  struct Place {
    Value tensor, offset, presenceOffset; // presence: null if always present
    Storage storage;                      // the base is missing
    Value size;                           // elements
    int64_t blockedAxis = -1;
  };

  void findWindows();
  /// Sizes and offsets; the total bytes.
  Value layout(Frame &frame, std::vector<Place> &places,
               llvm::MapVector<unsigned, Value> &states) const;
  Value sharedBytes(Frame &frame) const;
  /// Zeros `size` bytes.
  void clear(CodeBuilder &b, Value bytes, Value size) const;
  void bindRows(StepFunction &f, llvm::ArrayRef<Place> places, Value scratch,
                Value first);
  llvm::LogicalResult emitStep(StepFunction &f, const Step &inner,
                               const Coordinates &at, Value first,
                               Value scratch);
  void emitTile(StepFunction &f, tile::KernelOp kernel, const Coordinates &at,
                Value scratch);
  UnitEmitter emitterOf(StepFunction &f) const;
  /// A reduction over the streamed rank.
  bool accumulates(unsigned unit) const;
  llvm::LogicalResult emitRow(StepFunction &f, const Step &inner,
                              const Coordinates &at);
  Window windowOfUnit(unsigned unit) const { return windows.lookup(unit); }
  Value items(Frame &frame, mlir::StringAttr rank) const;

  const Plan &plan;
  const Step &step;
  DeviceSteps *device;
  std::optional<Team> team; // while code for a GPU is emitted
  llvm::SmallVector<mlir::StringAttr> parallel;
  mlir::StringAttr blocked; // null: none
  int64_t block = 1;
  mlir::StringAttr stream; // null: none
  /// Rows of `blocked` beside its own that a unit computes.
  llvm::DenseMap<unsigned, Window> windows;
};

} // namespace attn::cpu
#endif // ATTN_PASSES_CPU_ROWKERNEL_H
