//===- Plan.h - what is stored where, and in which order --------*- C++ -*-===//
// A unit computes the points of one definition, or copies them. Units that
// need each other are one recurrent step; steps run in dependence order.
//===----------------------------------------------------------------------===//
#ifndef ATTN_PASSES_CPU_PLAN_H
#define ATTN_PASSES_CPU_PLAN_H

#include "passes/cpu/Facts.h"

namespace attn::cpu {

/// Where a unit stores: a tensor of the cascade (at the points of an equation's
/// pattern, if there is one), or an output port.
struct Target {
  mlir::Value tensor;
  mlir::ArrayAttr pattern;
  int64_t output = -1;
};

struct Unit {
  /// An einsum, an order or a kernel; an equations or return op stands for the
  /// copy of its operand number `operand`.
  mlir::Operation *op;
  unsigned operand = 0;
  mlir::Value source; // of a copy
  llvm::SmallVector<Target> targets;
  /// Ranks its loops walk, reduced ones excluded.
  llvm::SmallVector<mlir::StringAttr> space;
  llvm::SmallVector<unsigned> dependencies;
  /// The kernel that runs it a row at a time; null: none.
  KernelOp rows;

  bool isCopy() const { return source != nullptr; }
};

/// Where the points of a tensor are kept.
struct Placement {
  /// Rows: only while its kernel is at a point, by the worker.
  enum Kind { Input, Output, Workspace, Rows } kind = Workspace;
  unsigned port = 0; // input or output number
  unsigned slot = 0;
  int64_t presenceSlot = -1; // one byte a point; -1: always present
  mlir::Type element;
  /// Base points of these equations extend the box.
  EquationsOp equations;
};

class CodeBuilder;
class Frame;

/// A piece of the workspace that tensors of one shape share in turn, or one
/// that a kernel asked for: then `bytes` emits its size.
struct Slot {
  mlir::Value tensor;
  unsigned elementBytes = 1;
  std::function<mlir::Value(CodeBuilder &, Frame &)> bytes;
};

struct Step {
  llvm::SmallVector<unsigned> units;
  bool recurrent = false;
  /// Of a kernel that runs a row at a time: its units in order.
  KernelOp rows;
  std::vector<Step> inner;
};

/// Strongly connected components over `dependencies`, dependencies first.
void orderComponents(const std::vector<Unit> &units, std::vector<Step> &steps);

/// True if the kernel runs its definitions a row at a time.
bool runsByRows(KernelOp kernel);

/// Says which kernels are emitted as a whole, not by their definitions.
using KernelFilter = llvm::function_ref<bool(KernelOp)>;

class Plan {
public:
  Plan(CascadeOp cascade, KernelFilter whole);

  CascadeOp cascade;
  Facts facts;
  std::vector<Unit> units;
  std::vector<Step> steps;
  std::vector<Slot> slots;
  llvm::DenseMap<mlir::Value, Placement> placements;

  /// The tensor whose storage holds `tensor`.
  mlir::Value storedTensor(mlir::Value tensor) const;
  const Placement &placement(mlir::Value tensor) const;
  /// The unit stores to an output whose points share bytes.
  bool isPacked(const Unit &unit) const;
  /// Tensors that only the kernel's points see, with their placements.
  llvm::SmallVector<mlir::Value> rowTensors(KernelOp kernel) const;
  /// Definitions inside the cascade that `unit` reads, each once.
  llvm::SmallVector<mlir::Value> tensorsRead(const Unit &unit) const;

private:
  Target targetOf(mlir::Value definition);
  void addUnit(mlir::Operation *op, mlir::ValueRange results,
               llvm::ArrayRef<mlir::StringAttr> space);
  void addCopies(EquationsOp op);
  void addOutputs();
  bool writesStraight(mlir::Value definition, unsigned output);
  void connect();
  void order();
  void orderRows(Step &step);
  void place();
  bool staysInRows(mlir::Value tensor) const;
  unsigned takeSlot(mlir::Value tensor, unsigned bytes, size_t first,
                    size_t last);

  KernelFilter whole;
  llvm::DenseMap<mlir::Value, Target> redirected;
  llvm::DenseMap<mlir::Value, unsigned> straight; // definition -> output
  llvm::DenseMap<mlir::Value, llvm::SmallVector<unsigned>> writers;
  std::vector<size_t> busyUntil; // by slot
};

} // namespace attn::cpu
#endif // ATTN_PASSES_CPU_PLAN_H
