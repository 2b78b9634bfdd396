//===- LowerCascade.h - a cascade as functions ------------------*- C++ -*-===//
// NAME_workspace(extents, out), NAME_run(invocation) and one NAME_stepK a step,
// in func, scf, arith, math and llvm; intermediates are materialised. Kernels
// may be emitted by somebody else (KernelLowering): the tiled path.
//
// Where steps are kernels of a GPU they go to a module of their own, as
// NAME_stepK(parameters, items): each thread (or block) takes its share of the
// items. run() stays on the host and launches what the globals of these names
// in its module describe (attn_cuda_kernel in abi.h).
//===----------------------------------------------------------------------===//
#ifndef ATTN_PASSES_CPU_LOWERCASCADE_H
#define ATTN_PASSES_CPU_LOWERCASCADE_H

#include "dialect/tile/Tile.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "passes/cpu/Storage.h"

namespace attn::cpu {

/// The points of `ranks`, before the loops.
mlir::Value itemsOf(Frame &frame, llvm::ArrayRef<mlir::StringAttr> ranks);

class CascadeLowering;
class RowKernel;

/// What a step function has at hand while its body is emitted.
struct StepFunction {
  mlir::func::FuncOp function;
  CodeBuilder &b; // at the end of the body
  Frame &frame;
  StorageMap &storages;
  mlir::Value begin, end, worker; // i64: work items, worker number
  mlir::Value lane; // i64, of the lanes that share an item; null: one
};

/// What run() has at hand where a step is to be started.
struct RunFunction {
  CodeBuilder &b;
  Frame &frame;
};

/// Emits kernels as a whole.
class KernelLowering {
public:
  virtual ~KernelLowering() = default;
  /// Asked once a kernel, before storage is planned: results of kernels that
  /// it takes are stored, the tensors inside are not.
  virtual bool takes(KernelOp kernel) = 0;
  /// Emits its step functions (CascadeLowering::step) and their calls.
  virtual llvm::LogicalResult lower(KernelOp kernel,
                                    CascadeLowering &lowering) = 0;
};

/// A kernel for GPUs.
struct DeviceKernel {
  std::string name;
  int threads = 256;
  bool itemABlock = false;
  /// Threads that share an item, where it has no block: one, or a warp's.
  int64_t lanes = 1;
  /// At most a block for each multiprocessor; each takes items by the counter
  /// Frame::tickets() until there are none.
  bool tickets = false;
  bool scratch = true;
  /// Its first blocks may be there before the kernel before it has ended, for
  /// which it waits: at its entry, or where its code does so itself.
  bool startsEarly = false, waitsItself = false;
  /// Denormals count as zeros.
  bool flush = false;
  int sharedBytes = 0;
  /// Tensor maps, arguments behind the items (attn_cuda_map).
  struct Map {
    unsigned port;
    int box[5] = {};
  };
  std::vector<Map> maps;
  /// Name of the kernel that runs where a map cannot be made.
  std::string fallback;
};

/// Steps on a GPU: what is emitted, and what is not by the general path.
struct DeviceSteps {
  mlir::ModuleOp module;
  const CpuTarget &target;
  /// Emits a tile kernel by deviceStep and its launch.
  std::function<llvm::LogicalResult(tile::KernelOp, CascadeLowering &)>
      lowerTile;
  /// The grid points of a prepared tile kernel that have the given coordinates,
  /// by the threads of the block that `f` is emitted for; a barrier follows.
  std::function<void(StepFunction &f, tile::KernelOp,
                     const llvm::DenseMap<mlir::StringAttr, mlir::Value> &at,
                     mlir::Value scratch)>
      lowerTileAt;
  /// The architecture can start a kernel under the one before it.
  bool startsEarly = false;
  std::vector<DeviceKernel> kernels = {};
};

class CascadeLowering {
  using Value = mlir::Value;

public:
  /// `device`: null where steps run on the CPU.
  CascadeLowering(CascadeOp cascade, mlir::ModuleOp module,
                  const CpuTarget &target, std::string prefix,
                  KernelLowering *kernels, DeviceSteps *device = nullptr);
  ~CascadeLowering();

  /// Emits everything; `prefix` begins the names of the functions.
  llvm::LogicalResult lower();
  /// Bytes of workspace as a formula of extents, once lowered.
  std::string workspaceFormula() const;
  /// Words that run() writes, once lowered.
  unsigned numSlots() const { return plan.slots.size(); }

  //===--- For kernels ----------------------------------------------------===//

  const Plan &getPlan() const { return plan; }
  const CpuTarget &getTarget() const { return target; }
  /// A function PREFIX_stepK(invocation, begin, end, worker).
  /// On a GPU, `kernel`.
  mlir::func::FuncOp step(llvm::function_ref<void(StepFunction &)> body,
                          const DeviceKernel &kernel = {});
  /// A kernel for GPUs, in the same way; an item has a thread or a block.
  mlir::func::FuncOp deviceStep(DeviceKernel kernel,
                                llvm::function_ref<void(StepFunction &)> body);
  /// Starts `step` over [0, items) at this place of run(), `grain` at a time.
  void parallelFor(mlir::func::FuncOp step,
                   llvm::function_ref<Value(RunFunction &)> items,
                   llvm::function_ref<Value(RunFunction &)> grain);
  /// Calls `step` once, on the calling thread.
  void call(mlir::func::FuncOp step);
  /// A shared piece of workspace; Frame::slot(result) is its address.
  unsigned requestSlot(std::function<Value(CodeBuilder &, Frame &)> bytes);
  /// At least so much scratch memory for each worker.
  void requestScratch(std::function<Value(CodeBuilder &, Frame &)> bytes);

private:
  mlir::func::FuncOp function(llvm::StringRef suffix, mlir::TypeRange inputs,
                              mlir::TypeRange results);
  llvm::LogicalResult lowerStep(const Step &step);
  void lowerPlain(const Unit &unit);
  void emitPlain(const Unit &unit, llvm::ArrayRef<mlir::StringAttr> ranks,
                 StepFunction &f);
  /// Definitions of steps from this one on that a GPU computes from inputs
  /// alone, so that they can run together.
  llvm::SmallVector<const Unit *> togetherFrom(size_t first) const;
  /// As one kernel, whose items are theirs.
  void lowerTogether(llvm::ArrayRef<const Unit *> together);
  llvm::LogicalResult lowerRecurrence(const Step &step);
  void clearPresence(const Step &step);
  void emitItems(llvm::ArrayRef<mlir::StringAttr> ranks, StepFunction &f,
                 llvm::function_ref<void(llvm::ArrayRef<Value>)> body);
  void emitWorkspace();
  /// Offsets of all slots; the total last.
  llvm::SmallVector<Value> emitOffsets(Frame &frame);

  CascadeOp cascade;
  mlir::ModuleOp module;
  const CpuTarget &target;
  std::string prefix;
  KernelLowering *kernels;
  DeviceSteps *device;
  Plan plan;
  llvm::SmallVector<std::function<Value(CodeBuilder &, Frame &)>> scratch;
  std::vector<std::unique_ptr<RowKernel>> rowKernels;
  unsigned steps = 0;
  llvm::SmallPtrSet<mlir::Operation *, 4> cleared;
  std::unique_ptr<CodeBuilder> runBuilder;
  std::unique_ptr<Frame> runFrame;
};

/// Lowers the module (func, scf, arith, math, vector, llvm) to the LLVM
/// dialect.
llvm::LogicalResult lowerToLLVM(mlir::ModuleOp module);

} // namespace attn::cpu
#endif // ATTN_PASSES_CPU_LOWERCASCADE_H
