//===- Storage.h - reading and writing tensors ------------------*- C++ -*-===//
// The one place where a point of a tensor becomes an address. A Storage is
// what a function knows of one tensor: base pointer, strides, box, presence
// bytes. Reads are safe everywhere: an index outside is clamped, and tensors
// without points are backed by a few zero bytes.
//===----------------------------------------------------------------------===//
#ifndef ATTN_PASSES_CPU_STORAGE_H
#define ATTN_PASSES_CPU_STORAGE_H

#include "passes/cpu/Frame.h"
#include "passes/cpu/Plan.h"

namespace attn::cpu {

/// A possibly absent scalar in a register.
struct Scalar {
  mlir::Value value;   // f32, f64, i32, i64 or i1
  mlir::Value present; // i1; null: present
  mlir::Value wide;    // the same integer as i64, where it is known to be
  bool exact = false;  // a function of coordinates: reals are f64
};

struct Storage {
  mlir::Type element; // as stored
  mlir::Value base, presence;
  llvm::SmallVector<mlir::Value> strides;   // in elements
  llvm::SmallVector<mlir::Value> extents;   // of the ranks
  llvm::SmallVector<mlir::Value> low, high; // the box, base points included
  /// A point that is in memory, for reads outside of the box.
  llvm::SmallVector<mlir::Value> anchor;
  bool isOutput = false;
  bool exact = false;
};

class StorageMap {
  using Value = mlir::Value;

public:
  StorageMap(Frame &frame, const Plan &plan) : frame(frame), plan(plan) {}

  Frame &frame;
  const Plan &plan;

  const Storage &of(Value tensor);
  const Storage &output(unsigned number);

  /// Offset in elements of the point `indices` (i64).
  static Value offset(CodeBuilder &b, const Storage &s,
                      llvm::ArrayRef<Value> indices);
  /// The point, which is inside; reals as `real` (f64 if exact).
  static Scalar load(CodeBuilder &b, const Storage &s,
                     llvm::ArrayRef<Value> indices, mlir::Type real);
  /// The point an `attn.read` names, its bounds applied.
  Scalar read(CodeBuilder &b, ReadOp op, llvm::ArrayRef<Scalar> indices,
              mlir::Type real);
  /// Absent points of outputs get their fill.
  static void store(CodeBuilder &b, const Storage &s,
                    llvm::ArrayRef<Value> indices, const Scalar &value);
  /// A tensor whose memory the current point of a kernel decides.
  void bind(Value tensor, Storage storage);
  /// The box of a tensor of the workspace, and its sizes, which are never 0.
  static void box(Frame &frame, Value tensor, const Placement &placement,
                  llvm::SmallVectorImpl<Value> &low,
                  llvm::SmallVectorImpl<Value> &high,
                  llvm::SmallVectorImpl<Value> &sizes);
  /// Bytes of a tensor of the plan in the workspace.
  static Value bytes(Frame &frame, const Plan &plan, const Slot &slot);

private:
  Storage port(unsigned number, mlir::Type type, bool isOutput);
  Storage workspace(Value tensor, const Placement &placement);

  // References to entries stay valid.
  std::map<const void *, Storage> storages;
  std::map<unsigned, Storage> outputs;
};

/// Product and sum that stop at 2^62 instead of wrapping.
mlir::Value saturatingMul(CodeBuilder &b, mlir::Value x, mlir::Value y);
mlir::Value saturatingAdd(CodeBuilder &b, mlir::Value x, mlir::Value y);

} // namespace attn::cpu
#endif // ATTN_PASSES_CPU_STORAGE_H
